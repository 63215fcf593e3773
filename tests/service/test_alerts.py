"""The job that finds alerts, end to end: what is raised, whom it tells, and that twice is once."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import date, timedelta
from threading import Barrier
from typing import Any

import pytest
import sqlalchemy as sa

from analytics import watch
from ledger import MICRO, Addressee, AlertKind, Ledger, MarkAlerts
from ledger import alerts as door
from ledger.alerts import Recorded, Told, record_look
from ledger.clock import FixedClock
from ledger.core.alerts import DEFAULT_RULES, Ahead, DayOfUse, Ending, PlanUse, Rule, Seen, Severity, Trouble, lines
from ledger.mail import render
from ledger.models import alert, alert_watch, mail
from ledger.seeds import seed_plans
from service.alert_mails import Writer
from service.alerts import find_alerts
from service.forecasts import refresh
from tests.kit.factories import (
    ADMIN,
    NOW,
    adjust,
    allow_overdraft,
    grant,
    open_account,
    price_feature,
    start_plan,
    top_up,
    use,
)
from tests.operations.books import all_rows


def rows_of_mail(ledger: Ledger) -> list[dict[str, Any]]:
    """Those of alerts: a purchase has a receipt, too."""
    return [row for row in all_rows(ledger)["mail"] if row["key"].startswith("alert")]


def mails(ledger: Ledger) -> list[tuple[str, str]]:
    return [(row["template"], row["to_address"]) for row in rows_of_mail(ledger)]


def kinds(ledger: Ledger) -> list[tuple[str, int]]:
    return [(row["kind"], row["level"]) for row in all_rows(ledger)["alert"]]


def test_a_low_balance_tells_once(ledger: Ledger) -> None:
    open_account(ledger)
    price_feature(ledger)
    top_up(ledger, credits=100)
    assert find_alerts(ledger)["raised"] == 0
    use(ledger, quantity=91)
    assert find_alerts(ledger) == {"looked": 1, "raised": 1, "over": 0, "mails": 2}
    assert kinds(ledger) == [("low_balance", 10)]
    assert mails(ledger) == [
        ("low_credit_balance", "mara@example.com"),
        ("low_credit_balance", "billing@acme.example"),
    ]
    assert find_alerts(ledger) == {"looked": 0, "raised": 0, "over": 0, "mails": 0}


def told(ledger: Ledger) -> Counter[tuple[str, str, str]]:
    """Who was told what, digests taken apart: address, account, and the batch or the kind."""
    found: Counter[tuple[str, str, str]] = Counter()
    for row in rows_of_mail(ledger):
        variables = row["variables"]
        for item in variables.get("items") or [variables]:
            for batch in item.get("batches") or [{}]:
                what = batch.get("last_day") or item.get("title") or row["template"]
                found[row["to_address"], item["account"], what] += 1
    return found


def crash(monkeypatch: pytest.MonkeyPatch, ledger: Ledger) -> None:
    """The job dies when all is written and nothing committed."""

    def die(*_: object) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(door, "insert_mails", die)
        before = counted(ledger)
        with suppress(KeyboardInterrupt):
            find_alerts(ledger)
            return  # nobody was to be told, so nothing died
    assert counted(ledger) == before


def counted(ledger: Ledger) -> list[int]:
    """Rows of what the door writes."""
    with ledger.database.reading() as connection:
        return [
            connection.scalar(sa.select(sa.func.count()).select_from(table)) for table in (alert, alert_watch, mail)
        ]


def test_a_month_with_a_jittering_balance_sends_each_mail_once(
    ledger: Ledger, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job runs twice a day, often a second time, and often dies in between."""
    for name in ("acme", "bolt"):
        open_account(ledger, name)
    price_feature(ledger)
    top_up(ledger, credits=1000)
    use(ledger, quantity=795)
    first = clock.now().date()
    for days in (40, 50, 65):
        grant(ledger, "bolt", credits=100, expires_on=first + timedelta(days=days))
    clock.advance(timedelta(days=30))
    for look in range(2 * 31):
        adjust(ledger, credits=10 if look % 2 else -10)
        if look % 3 == 0:
            crash(monkeypatch, ledger)
        find_alerts(ledger)
        if look % 3 == 1:
            assert find_alerts(ledger) == {"looked": 0, "raised": 0, "over": 0, "mails": 0}
        clock.advance(timedelta(hours=12))
    alerts = [(row["account_id"], row["kind"], row["level"]) for row in all_rows(ledger)["alert"]]
    assert Counter(alerts) == {
        (1, "low_balance", 20): 1,
        # Of batches that end 10, 20 and 35 days after the first look.
        (2, "expiring", 30): 2,
        (2, "expiring", 14): 3,
        (2, "expiring", 3): 2,
    }
    owner, customer = "mara@example.com", "billing@bolt.example"
    found = told(ledger)
    assert {what: count for what, count in found.items() if what[1] == "acme"} == {
        (owner, "acme", "195 credits left"): 1,
        ("billing@acme.example", "acme", "low_credit_balance"): 1,
    }
    assert sum(count for (address, account, _), count in found.items() if (address, account) == (owner, "bolt")) == 7
    assert sum(count for (address, _, _), count in found.items() if address == customer) == 7
    # Not more than one a day to anybody.
    days = Counter((row["to_address"], row["queued_at"].date()) for row in rows_of_mail(ledger))
    assert set(days.values()) == {1}


def test_two_runners_at_once_tell_once(ledger: Ledger, clock: FixedClock) -> None:
    price_feature(ledger)
    names = [f"cus_{number}" for number in range(4)]
    for name in names:
        open_account(ledger, name)
        top_up(ledger, name, credits=100)
    barrier = Barrier(2)

    def run(_: int) -> None:
        barrier.wait(timeout=30)
        find_alerts(ledger)

    for left in (18, 8, 0):
        for name in names:
            use(ledger, name, quantity={18: 82, 8: 10, 0: 8}[left])
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(run, range(2)))
        clock.advance(timedelta(days=1))
    assert Counter(kinds(ledger)) == {("low_balance", 20): 4, ("low_balance", 10): 4, ("out_of_credits", 0): 4}
    # A digest to the account manager on two days, and each customer for itself; what is critical goes one by one.
    assert Counter(template for template, _ in mails(ledger)) == {
        "alert_digest": 2,
        "low_credit_balance": 8,
        "out_of_credits": 8,
    }


def test_what_is_new_for_who_had_the_mail_of_the_day_waits_for_the_next(ledger: Ledger, clock: FixedClock) -> None:
    price_feature(ledger)
    for name in ("acme", "bolt", "cobalt"):
        open_account(ledger, name)
        top_up(ledger, name, credits=100)
    use(ledger, "acme", quantity=81)
    find_alerts(ledger)
    clock.advance(timedelta(hours=1))
    use(ledger, "bolt", quantity=81)
    assert find_alerts(ledger)["mails"] == 1  # to the customer alone
    use(ledger, "cobalt", quantity=100)
    assert find_alerts(ledger)["mails"] == 2  # nothing is left: at once, to both
    clock.advance(timedelta(hours=16))
    assert find_alerts(ledger)["mails"] == 0  # five in the morning
    clock.advance(timedelta(hours=3))
    assert find_alerts(ledger)["mails"] == 1
    assert mails(ledger)[-1] == ("low_credit_balance", "mara@example.com")


def test_who_closes_an_alert_or_tops_up_before_the_mail_spares_it(ledger: Ledger, clock: FixedClock) -> None:
    price_feature(ledger)
    for name in ("acme", "bolt"):
        open_account(ledger, name)
        top_up(ledger, name, credits=100)
    use(ledger, "acme", quantity=81)
    find_alerts(ledger)
    use(ledger, "bolt", quantity=81)
    find_alerts(ledger)
    done = all_rows(ledger)["alert"][-1]["id"]
    ledger.execute(MarkAlerts((done,), is_done=True), actor=ADMIN, key="done")
    clock.advance(timedelta(days=1))
    assert find_alerts(ledger)["mails"] == 0


def test_an_older_look_that_comes_late_is_dropped(ledger: Ledger, clock: FixedClock) -> None:
    open_account(ledger)
    price_feature(ledger)
    top_up(ledger, credits=100)
    early = clock.now()
    with ledger.database.reading() as connection:
        look = watch.look_due(connection, at=early, zone=ledger.company_zone)
    clock.advance(timedelta(minutes=1))
    use(ledger, quantity=90)
    find_alerts(ledger)
    late = record_look(ledger, look.seen.values(), at=early, compose=Writer(ledger.company_zone))
    assert late == Recorded(looked=0, raised=0, over=0, mails=0)


def test_recovery_closes_the_alert_and_a_later_crossing_is_another(ledger: Ledger, clock: FixedClock) -> None:
    open_account(ledger)
    price_feature(ledger)
    top_up(ledger, credits=100)
    use(ledger, quantity=85)
    find_alerts(ledger)
    top_up(ledger, credits=100)
    find_alerts(ledger)
    assert [row["state"] for row in all_rows(ledger)["alert"]] == ["new"]
    clock.advance(timedelta(days=1))
    # Nothing moved, but the time that the line had to be left behind for is over.
    assert find_alerts(ledger)["over"] == 1
    (row,) = all_rows(ledger)["alert"]
    assert (row["state"], row["handled_by"], row["recovered_at"]) == ("done", "system", clock.now())
    clock.advance(timedelta(days=3))
    use(ledger, quantity=95)
    find_alerts(ledger)
    assert [(row["level"], row["crossing"]) for row in all_rows(ledger)["alert"]] == [(20, 1), (20, 2)]


def test_a_small_gift_is_no_funding(ledger: Ledger) -> None:
    open_account(ledger)
    price_feature(ledger)
    top_up(ledger, credits=1000)
    use(ledger, quantity=700)
    grant(ledger, credits=30)
    use(ledger, quantity=140)
    find_alerts(ledger)
    (row,) = all_rows(ledger)["alert"]
    assert row["figures"]["funding_micro"] == 1000 * MICRO


def test_plan_limits_overdrafts_and_odd_days_tell(ledger: Ledger, clock: FixedClock) -> None:
    seed_plans(ledger, actor=ADMIN)
    price_feature(ledger)
    open_account(ledger)
    for _ in range(57):
        top_up(ledger, credits=21)
        use(ledger, quantity=20 + clock.now().day % 2)
        clock.advance(timedelta(days=1))
    top_up(ledger, credits=400)
    use(ledger, quantity=400)
    clock.advance(timedelta(days=1))
    find_alerts(ledger)
    assert [kind for kind, _ in kinds(ledger)].count("unusual_use") == 1
    open_account(ledger, "bolt")
    start_plan(ledger, "bolt")
    use(ledger, "bolt", quantity=92)
    open_account(ledger, "cobalt")
    grant(ledger, "cobalt", credits=5)
    allow_overdraft(ledger, "cobalt", 50)
    use(ledger, "cobalt", quantity=30)
    find_alerts(ledger)
    assert {("plan_limit", 90), ("overdrawn", 0), ("out_of_credits", 0)} <= set(kinds(ledger))


def test_a_stored_forecast_tells_of_a_run_out(ledger: Ledger, clock: FixedClock) -> None:
    open_account(ledger)
    price_feature(ledger)
    top_up(ledger, credits=1000)
    # Too short for a fit, which costs seconds.
    for _ in range(12):
        use(ledger, quantity=75)
        clock.advance(timedelta(days=1))
    find_alerts(ledger)
    assert "run_out" not in {kind for kind, _ in kinds(ledger)}
    refresh(ledger, processes=1)
    assert find_alerts(ledger)["looked"] == 1
    assert ("run_out", 90) in kinds(ledger)
    assert find_alerts(ledger)["looked"] == 0


PAYMENT = {"payment": "pay_1", "price_cents": 100, "currency": "EUR", "amount_micro": MICRO, "because": "<script>"}


def test_every_mail_of_an_alert_can_be_written(ledger: Ledger) -> None:
    """Whatever kind alone, and several together, to each reader; the templates refuse what they were not promised."""
    seen = Seen(
        1,
        "acme",
        1,
        0,
        5 * MICRO,
        100 * MICRO,
        (Ending(4, "promotional", 5 * MICRO, date(2026, 3, 13), 3),),
        PlanUse("<b>Basic</b>", date(2026, 3, 1), date(2026, 4, 1), 100 * MICRO, 95 * MICRO),
        Ahead(date(2026, 3, 9), 3, date(2026, 3, 11), date(2026, 3, 12), date(2026, 3, 13), date(2026, 3, 24), False),
        (DayOfUse("images", date(2026, 3, 9), 90 * MICRO, 10 * MICRO, True),),
        troubles=(
            Trouble(AlertKind.RECHARGE_STOPPED, "stopped:now", {"because": "<b>declined</b>", "declines": 3}),
            Trouble(AlertKind.PAYMENT_BLOCKED, "payment:pay_1", PAYMENT),
            Trouble(AlertKind.DISPUTE_OPEN, "payment:pay_2", PAYMENT),
        ),
    )
    rules = DEFAULT_RULES | {AlertKind.OWN_LINE: Rule(AlertKind.OWN_LINE, threshold_micro=MICRO, runway_days=5)}
    crossed = [line for line in lines(seen, rules) if line.is_crossed]
    assert {line.key.kind for line in crossed} == set(AlertKind)
    alerts = [
        Told(n, 1, "acme", "Acme <script>", line.key, 1, Severity.WARNING, NOW, line.figures)
        for n, line in enumerate(crossed)
    ]
    write = Writer(ledger.company_zone)
    for who in Addressee:
        for some in [[one] for one in alerts] + [alerts]:
            made = write("key", "mara@example.com", who, some)
            letter = render(made.template, made.variables, company="Test", public_url="https://credits.example")
            assert "<script>" not in letter.html
