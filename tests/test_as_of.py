"""The past: a balance asked for later is the one that was shown then, and learns only what was recorded since."""

import random
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta

import pytest

from ledger import (
    MICRO,
    SYSTEM,
    AdjustBalance,
    AskApproval,
    ClosePeriod,
    Command,
    CreditType,
    InvalidCommand,
    IssueGrant,
    Ledger,
    LedgerError,
    Money,
    NotAllowedNow,
    NotFound,
    PeriodClosed,
    PlaceHold,
    Reason,
    RecordTopUp,
    ReopenPeriod,
    queries,
)
from ledger.as_of import AsOf, balance_as_of
from ledger.clock import FixedClock
from ledger.sweep import expire_due_everywhere
from tests.kit.factories import (
    NOW,
    REASON,
    adjust,
    allow_overdraft,
    decide,
    extend,
    fresh_key,
    grant,
    open_account,
    price_feature,
    reverse,
    run,
    top_up,
    use,
    void,
)


def as_of(ledger: Ledger, at: datetime, known_at: datetime | None = None) -> AsOf:
    with ledger.database.reader.connect() as connection:
        return balance_as_of(connection, "acme", at=at, known_at=known_at or ledger.clock.now())


def shown_now(ledger: Ledger) -> tuple[int, int, int]:
    """What the product shows at this very instant: available, held, scheduled."""
    at = ledger.clock.now()
    with ledger.database.reader.connect() as connection:
        rows = connection.execute(queries.balances(at=at, account_name="acme")).all()
    return (
        sum(row.available_micro for row in rows),
        sum(row.held_micro for row in rows),
        sum(row.scheduled_micro for row in rows),
    )


def something(ledger: Ledger, dice: random.Random, batches: int) -> None:
    """One act picked at random; many are refused, which is fine."""
    now = ledger.clock.now()
    today = now.date()
    acts = (
        lambda: grant(ledger, credits=dice.randint(1, 50)),
        lambda: grant(ledger, credits=dice.randint(1, 50), effective_at=now + timedelta(days=dice.randint(1, 20))),
        lambda: top_up(ledger, credits=dice.randint(1, 50), expires_on=today + timedelta(days=dice.randint(0, 30))),
        lambda: use(ledger, quantity=dice.randint(1, 40)),
        lambda: use(ledger, quantity=dice.randint(1, 40), occurred_at=now - timedelta(days=dice.randint(1, 9))),
        lambda: adjust(ledger, credits=-dice.randint(1, 20)),
        lambda: void(ledger, batch_id=dice.randint(1, batches)),
        lambda: extend(ledger, batch_id=dice.randint(1, batches), expires_on=today + timedelta(days=60)),
        lambda: reverse(ledger, dice.randint(3, 40)),
        lambda: expire_due_everywhere(ledger),
        lambda: run(
            ledger,
            PlaceHold(
                "acme",
                fresh_key("hold"),
                "images",
                dice.randint(1, 30) * MICRO,
                now + timedelta(days=dice.randint(1, 5)),
            ),
        ),
    )
    with suppress(LedgerError):
        dice.choice(acts)()


@pytest.mark.parametrize("seed", range(4))
def test_what_was_shown_can_be_asked_for_ever_after(ledger: Ledger, clock: FixedClock, seed: int) -> None:
    dice = random.Random(seed)
    open_account(ledger)
    price_feature(ledger)
    shown: list[tuple[datetime, tuple[int, int, int]]] = []
    for _ in range(40):
        for _ in range(dice.randint(0, 2)):
            something(ledger, dice, batches=12)
        shown.append((clock.now(), shown_now(ledger)))
        clock.advance(timedelta(hours=dice.randint(1, 40)))
    for at, expected in shown:
        then = as_of(ledger, at, known_at=at)
        assert (then.available_micro, then.held_micro, then.scheduled_micro) == expected, at


def test_a_back_dated_act_changes_the_past_only_for_who_knows_of_it(ledger: Ledger, clock: FixedClock) -> None:
    open_account(ledger)
    grant(ledger, credits=100)
    clock.advance(timedelta(days=10))
    grant(ledger, credits=40, effective_at=NOW + timedelta(days=3))
    day_four, day_two = NOW + timedelta(days=4), NOW + timedelta(days=2)
    assert as_of(ledger, day_four).available_micro == 140 * MICRO
    assert as_of(ledger, day_four, known_at=day_four).available_micro == 100 * MICRO
    assert as_of(ledger, day_two).balance_micro == 100 * MICRO


def test_a_longer_life_is_known_from_when_it_was_given(ledger: Ledger, clock: FixedClock) -> None:
    open_account(ledger)
    grant(ledger, credits=100, expires_on=date(2026, 4, 10))
    clock.advance(timedelta(days=20))
    extend(ledger, batch_id=1, expires_on=date(2026, 6, 1))
    later = datetime(2026, 4, 20, tzinfo=UTC)
    assert as_of(ledger, later, known_at=NOW + timedelta(days=19)).available_micro == 0
    assert as_of(ledger, later, known_at=clock.now()).available_micro == 100 * MICRO


def test_debt_of_the_past_is_told(ledger: Ledger, clock: FixedClock) -> None:
    open_account(ledger)
    price_feature(ledger)
    allow_overdraft(ledger, credits=50)
    use(ledger, quantity=30)
    clock.advance(timedelta(days=1))
    top_up(ledger, credits=100)
    assert as_of(ledger, NOW).owed_micro == 30 * MICRO
    assert (as_of(ledger, clock.now()).owed_micro, as_of(ledger, clock.now()).available_micro) == (0, 70 * MICRO)


def test_nobody_has_a_past_that_nobody_knows(ledger: Ledger) -> None:
    with pytest.raises(NotFound):
        as_of(ledger, NOW)


def close(ledger: Ledger, through: date) -> None:
    ledger.execute(ClosePeriod(through, REASON), actor=SYSTEM, key=fresh_key("close"))


def test_a_closed_period_takes_nothing_any_more(ledger: Ledger, clock: FixedClock) -> None:
    open_account(ledger)
    close(ledger, date(2026, 3, 9))
    # The last instant of the closed day in Berlin, and the first one after it.
    edge = datetime(2026, 3, 9, 23, tzinfo=UTC)
    for act in (grant, top_up):
        with pytest.raises(PeriodClosed, match="closed through 2026-03-09"):
            run(ledger, _dated(act, edge - timedelta(microseconds=1)))
    assert grant(ledger, effective_at=edge).available_after_micro == 100 * MICRO
    for wrong in (date(2026, 3, 9), date(2026, 3, 1), date(2026, 3, 10)):
        with pytest.raises(InvalidCommand):
            close(ledger, wrong)


def _dated(act: object, at: datetime) -> Command:
    if act is grant:
        return IssueGrant("acme", CreditType.REFERRAL, MICRO, REASON, effective_at=at)
    return RecordTopUp("acme", MICRO, Money(1, "EUR"), "late-1", REASON, effective_at=at)


def test_a_period_is_closed_only_when_everything_due_is_booked(ledger: Ledger, clock: FixedClock) -> None:
    open_account(ledger)
    grant(ledger, credits=10, expires_on=date(2026, 4, 9))
    clock.set(datetime(2026, 5, 2, tzinfo=UTC))
    with pytest.raises(NotAllowedNow, match="sweep"):
        close(ledger, date(2026, 4, 30))
    expire_due_everywhere(ledger)
    close(ledger, date(2026, 4, 30))


def test_opening_closed_days_again_takes_two(ledger: Ledger) -> None:
    close(ledger, date(2026, 2, 28))
    asked = ReopenPeriod(date(2026, 1, 31), Reason("month_end", "an invoice was forgotten"))
    with pytest.raises(LedgerError, match="second person"):
        run(ledger, asked)
    request = run(ledger, AskApproval(asked)).approval_id
    assert request is not None
    decide(ledger, request)
    open_account(ledger)
    assert grant(ledger, effective_at=datetime(2026, 2, 2, tzinfo=UTC)).transaction_id is not None


def test_credits_that_would_be_over_cannot_be_given_back_in_time(ledger: Ledger) -> None:
    open_account(ledger)
    with pytest.raises(InvalidCommand, match="is over"):
        grant(ledger, effective_at=NOW - timedelta(days=60), expires_on=(NOW - timedelta(days=30)).date())
    with pytest.raises(InvalidCommand, match="never in the past"):
        run(ledger, AdjustBalance("acme", -MICRO, REASON, effective_at=NOW))
