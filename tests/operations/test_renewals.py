"""Renewals end in the same books however late, often or interrupted they are run, and whoever runs them at once."""

from contextlib import suppress
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger import (
    Actor,
    CancelPlan,
    ChangePlan,
    ClosePeriod,
    Command,
    InsufficientCredits,
    Ledger,
    NotAllowedNow,
    Receipt,
    open_ledger,
)
from ledger.clock import FixedClock
from ledger.renewals import renew_due
from ledger.seeds import seed_plans
from ledger.sweep import expire_due_everywhere
from tests.kit.factories import ADMIN, NOW, REASON, fresh_key, open_account, price_feature, run, start_plan, use
from tests.operations.books import all_rows, audit


def books(ledger: Ledger) -> dict[str, list[Any]]:
    """What the books say, without the times and places at which it was written down."""
    rows = all_rows(ledger)
    dates = {row["id"]: (row["source"], row["effective_at"], row["expires_at"]) for row in rows["batch"]}
    moves = ("from_bucket", "to_bucket", "amount_micro", "effective_at")
    kept = ("source", "credit_type", "granted_micro", "remaining_micro", "effective_at", "expires_at")
    periods = ("plan_id", "kind", "period_start", "period_end", "amount_micro")
    return {
        "batches": sorted(tuple(str(row[name]) for name in kept) for row in rows["batch"]),
        "allocations": sorted(tuple(str(row[name]) for name in periods) for row in rows["allocation"]),
        "entries": sorted(
            (*map(str, dates[row["batch_id"]]), *(str(row[name]) for name in moves)) for row in rows["entry"]
        ),
        "subscription": [row | {"started_at": None} for row in rows["subscription"]],
    }


def until(ledger: Ledger, clock: FixedClock, end: datetime, *, step_days: int, times: int) -> None:
    """Let the nightly jobs run every so many days, each time so often, and at the end."""
    while clock.now() < end:
        clock.set(min(end, clock.now() + timedelta(days=step_days)))
        for _ in range(times):
            renew_due(ledger)
            expire_due_everywhere(ledger)


def live(url: str, plan: str, *, anchor_day: int, used: int, cancel: bool, step_days: int, times: int = 1) -> Any:
    """Half a year of one customer whose renewals are run every so many days."""
    clock = FixedClock(NOW)
    ledger = open_ledger(url, clock=clock)
    try:
        seed_plans(ledger, actor=ADMIN)
        price_feature(ledger)
        open_account(ledger, zone="America/New_York")
        start_plan(ledger, plan=plan, anchor_day=anchor_day)
        if used:
            # A plan that began shortly before its first renewal gave too little for it; all runs are refused it.
            with suppress(InsufficientCredits):
                use(ledger, quantity=used)
        if cancel:
            run(ledger, CancelPlan("acme", REASON))
        elif plan == "pro":
            run(ledger, ChangePlan("acme", "basic", REASON))
        until(ledger, clock, NOW + timedelta(days=190), step_days=step_days, times=times)
        assert audit(ledger) == []
        return books(ledger)
    finally:
        ledger.database.dispose()


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    plan=st.sampled_from(["free", "basic", "pro", "enterprise"]),
    anchor_day=st.integers(1, 31),
    used=st.integers(0, 3),
    cancel=st.booleans(),
    step_days=st.integers(2, 60),
)
def test_renewals_run_daily_weekly_or_once_make_the_same_books(
    sqlite_template: Any, tmp_path: Any, plan: str, anchor_day: int, used: int, cancel: bool, step_days: int
) -> None:
    def lived(step_days: int, times: int = 1) -> Any:
        path = tmp_path / f"{fresh_key('life')}.sqlite"
        path.write_bytes(sqlite_template.read_bytes())
        more = {"anchor_day": anchor_day, "used": used, "cancel": cancel}
        return live(f"sqlite:///{path}", plan, step_days=step_days, times=times, **more)

    once = lived(1000)
    assert lived(step_days, times=2) == once
    assert lived(5) == once


@pytest.mark.postgres
def test_renewals_run_daily_or_once_make_the_same_books_on_postgresql(postgres_url: str, sqlite_url: str) -> None:
    more = {"anchor_day": 31, "used": 20, "cancel": False}
    assert live(postgres_url, "pro", step_days=1000, **more) == live(sqlite_url, "pro", step_days=3, **more)


class Crash(Exception):
    """The process dies here."""


@pytest.mark.parametrize("dies_at", range(3))
def test_renewals_that_crash_and_run_again_end_like_one_clean_run(
    ledger: Ledger, clock: FixedClock, monkeypatch: pytest.MonkeyPatch, dies_at: int
) -> None:
    seed_plans(ledger, actor=ADMIN)
    for account in ("acme", "bolt", "core"):
        open_account(ledger, account)
        start_plan(ledger, account)
    clock.set(NOW + timedelta(days=71))
    execute, done = Ledger.execute, 0

    def dying(self: Ledger, command: Command, **more: Any) -> Receipt:
        nonlocal done
        if done == dies_at:
            raise Crash
        done += 1
        return execute(self, command, **more)

    with monkeypatch.context() as patched:
        patched.setattr(Ledger, "execute", dying)
        with pytest.raises(Crash):
            renew_due(ledger)
    assert len(renew_due(ledger)) == 3 - dies_at
    assert renew_due(ledger) == []
    allowances = [row["account_id"] for row in all_rows(ledger)["allocation"] if row["kind"] == "allowance"]
    assert sorted(allowances) == [1, 1, 1, 2, 2, 2, 3, 3, 3]


@pytest.mark.parametrize(("zone", "is_due"), [("Asia/Tokyo", True), ("Europe/Berlin", False)])
def test_books_are_not_closed_before_the_renewals_of_that_time_are_booked(
    ledger: Ledger, clock: FixedClock, finance: Actor, zone: str, is_due: bool
) -> None:
    # The company's 9 April ends at 22:00 UTC; in Tokyo the period that begins on 10 April began seven hours earlier.
    seed_plans(ledger, actor=ADMIN)
    open_account(ledger, zone=zone)
    start_plan(ledger)
    clock.set(NOW + timedelta(days=31))
    expire_due_everywhere(ledger)
    close = ClosePeriod(date(2026, 4, 9), REASON)
    if is_due:
        with pytest.raises(NotAllowedNow, match="run the renewals first"):
            run(ledger, close, actor=finance)
        renew_due(ledger)
    assert run(ledger, close, actor=finance).transaction_id is not None
