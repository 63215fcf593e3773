"""Pools: members within their limits, counters that follow the bookings, refusals that name what binds."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger import (
    MICRO,
    Actor,
    Command,
    InsufficientCredits,
    InvalidCommand,
    Ledger,
    LedgerError,
    LimitReached,
    NotAllowedNow,
    NotFound,
    NotPermitted,
    OpenPool,
    PoolMember,
    RecordUsage,
    RecordUsageBulk,
    Role,
    SetPoolMembers,
    UsageEvent,
)
from ledger.clock import FixedClock
from tests.kit.factories import ADMIN, NOW, allow_overdraft, fresh_key, grant, open_account, price_feature, reverse
from tests.kit.holding import capture, give_back, place, release
from tests.kit.sharing import limited, open_pool, open_sister, set_members, transfer, use_as
from tests.operations.books import all_rows, audit, row_counts


@pytest.fixture
def pool(ledger: Ledger) -> Ledger:
    """A pool with 100 credits; ana may use 10 an hour, 20 a day, 30 a month, ben as much as he likes, cid nothing."""
    price_feature(ledger)
    open_pool(ledger, limited("ana", 10, 20, 30), limited("ben"), limited("cid", is_active=False))
    grant(ledger, "pool")
    return ledger


def used(ledger: Ledger, member: str) -> dict[str, int]:
    """What the counters say, in whole credits, of the newest window of each period."""
    rows = [row for row in all_rows(ledger)["pool_usage"] if row["member"] == member]
    newest = sorted(rows, key=lambda row: row["starts_at"])
    return {row["period"]: row["used_micro"] // MICRO for row in newest}


def test_a_use_counts_for_the_hour_the_day_and_the_month(pool: Ledger, clock: FixedClock) -> None:
    use_as(pool, "ana", 4)
    use_as(pool, "ana", 3)
    assert used(pool, "ana") == {"hour": 7, "day": 7, "month": 7}
    clock.advance(timedelta(hours=1))
    use_as(pool, "ana", 2)
    assert used(pool, "ana") == {"hour": 2, "day": 9, "month": 9}
    clock.set(datetime(2026, 3, 31, 22, tzinfo=UTC))
    use_as(pool, "ana", 1)
    # In Berlin it is April.
    assert used(pool, "ana") == {"hour": 1, "day": 1, "month": 1}
    assert used(pool, "ben") == {}
    events = all_rows(pool)["usage_event"]
    assert [row["member"] for row in events] == ["ana"] * 4


def test_the_refusal_names_the_limit_that_binds(pool: Ledger, clock: FixedClock) -> None:
    use_as(pool, "ana", 10)
    before = row_counts(pool)
    with pytest.raises(LimitReached) as refused:
        use_as(pool, "ana", 1)
    assert (refused.value.period, refused.value.used_micro, refused.value.limit_micro) == (
        "hour",
        10 * MICRO,
        10 * MICRO,
    )
    assert refused.value.resets_at == NOW + timedelta(hours=1)
    assert row_counts(pool) == before
    clock.advance(timedelta(hours=1))
    use_as(pool, "ana", 10)
    clock.advance(timedelta(hours=1))
    with pytest.raises(LimitReached, match="20 credits per day and has used 20") as refused:
        use_as(pool, "ana", 1)
    assert refused.value.resets_at == datetime(2026, 3, 10, 23, tzinfo=UTC)
    clock.advance(timedelta(days=1))
    # 10 of the month are left, as of this hour: the month lasts longer.
    with pytest.raises(LimitReached) as refused:
        use_as(pool, "ana", 11)
    assert refused.value.period == "month"
    use_as(pool, "ben", 50)


def test_when_the_balance_binds_first_it_is_the_balance_that_is_named(pool: Ledger) -> None:
    use_as(pool, "ben", 95)
    with pytest.raises(InsufficientCredits) as refused:
        use_as(pool, "ana", 11)
    assert refused.value.available_micro == 5 * MICRO
    use_as(pool, "ana", 5)
    with pytest.raises(InsufficientCredits):
        use_as(pool, "ana", 1)


def test_an_overdraft_of_the_pool_counts_as_balance(pool: Ledger) -> None:
    allow_overdraft(pool, "pool", 20)
    use_as(pool, "ben", 95)
    with pytest.raises(LimitReached):
        use_as(pool, "ana", 11)
    use_as(pool, "ana", 10)
    assert used(pool, "ana")["day"] == 10


def test_a_limit_of_nothing_stops_every_use(pool: Ledger) -> None:
    set_members(pool, limited("ben", month=0))
    with pytest.raises(LimitReached, match="may use 0 credits per month"):
        use_as(pool, "ben")


@pytest.mark.parametrize(
    ("member", "error", "words"),
    [
        ("dot", NotFound, "no member of pool, 'dot'"),
        ("cid", NotAllowedNow, "cid is not active in the pool pool"),
        ("", InvalidCommand, "member: say who of the pool pool it is"),
    ],
)
def test_only_active_members_use_a_pool(pool: Ledger, member: str, error: type[LedgerError], words: str) -> None:
    before = row_counts(pool)
    with pytest.raises(error, match=words):
        use_as(pool, member)
    assert row_counts(pool) == before


def test_a_customer_may_name_who_it_was_without_any_limit(pool: Ledger) -> None:
    open_account(pool)
    grant(pool)
    use_as(pool, "anybody", 3, pool="acme")
    assert all_rows(pool)["usage_event"][0]["member"] == "anybody"
    assert all_rows(pool)["pool_usage"] == []


def test_the_same_event_again_counts_once(pool: Ledger) -> None:
    use_as(pool, "ana", 10, event_id="one")
    assert use_as(pool, "ana", 10, event_id="one").replayed
    assert used(pool, "ana")["hour"] == 10


def events(*told: tuple[str, str, int]) -> RecordUsageBulk:
    return RecordUsageBulk(
        "pool", tuple(UsageEvent(id_, "images", NOW, amount * MICRO, member=member) for id_, member, amount in told)
    )


def test_in_a_bulk_each_event_meets_the_limits_by_itself(pool: Ledger) -> None:
    command = events(
        ("a", "ana", 6),
        ("b", "ana", 6),
        ("c", "ana", 4),
        ("d", "ben", 80),
        ("e", "dot", 1),
        ("f", "cid", 1),
        ("g", "", 1),
        ("h", "ben", 20),
        ("a", "ana", 6),
    )
    receipt = pool.execute(command, actor=ADMIN, key="bulk")
    assert [(one.event_id, one.code) for one in receipt.refusals] == [
        ("b", "limit_reached"),
        ("e", "not_found"),
        ("f", "not_allowed_now"),
        ("g", "invalid_command"),
        ("h", "insufficient_credits"),
    ]
    assert (receipt.events_recorded, receipt.events_replayed) == (3, 1)
    assert (used(pool, "ana")["hour"], used(pool, "ben")["hour"]) == (10, 80)
    again = pool.execute(command, actor=ADMIN, key="again")
    assert (again.events_recorded, again.events_replayed) == (0, 4)


def test_what_a_hold_keeps_counts_until_it_is_resolved(pool: Ledger) -> None:
    place(pool, "job-1", 8, account="pool", member="ana")
    with pytest.raises(LimitReached) as refused:
        use_as(pool, "ana", 3)
    assert refused.value.used_micro == 8 * MICRO
    with pytest.raises(LimitReached):
        place(pool, "job-2", 3, account="pool", member="ana")
    capture(pool, "job-1", 5, account="pool")
    assert used(pool, "ana") == {"hour": 5, "day": 5, "month": 5}
    place(pool, "job-3", 5, account="pool", member="ana")
    release(pool, "job-3", account="pool")
    use_as(pool, "ana", 5)


def test_a_hold_needs_an_active_member(pool: Ledger) -> None:
    for member, error in (("", InvalidCommand), ("dot", NotFound), ("cid", NotAllowedNow)):
        with pytest.raises(error):
            place(pool, "job-1", 1, account="pool", member=member)


def test_what_was_held_may_be_captured_after_the_member_left(pool: Ledger) -> None:
    place(pool, "job-1", 8, account="pool", member="ana")
    set_members(pool, limited("ana", 1, 1, 1, is_active=False))
    capture(pool, "job-1", account="pool")
    assert used(pool, "ana")["hour"] == 8


def test_what_is_given_back_may_be_used_again_while_the_window_runs(pool: Ledger, clock: FixedClock) -> None:
    use_as(pool, "ana", 10, event_id="one")
    give_back(pool, "one", 4, account="pool")
    assert used(pool, "ana") == {"hour": 6, "day": 6, "month": 6}
    clock.advance(timedelta(hours=1))
    give_back(pool, "one", 2, account="pool")
    assert used(pool, "ana") == {"hour": 6, "day": 4, "month": 4}
    use_as(pool, "ana", 10)
    assert used(pool, "ana") == {"hour": 10, "day": 14, "month": 14}


def test_credits_move_into_a_pool_and_out_of_it(pool: Ledger) -> None:
    open_sister(pool, "acme")
    grant(pool, "acme")
    transfer(pool, "acme", "pool", 40)
    receipt = transfer(pool, "pool", "acme", 30)
    assert (receipt.available_after_micro, receipt.counterpart_available_micro) == (110 * MICRO, 90 * MICRO)


def test_a_reversed_use_may_be_used_again(pool: Ledger, clock: FixedClock) -> None:
    booked = use_as(pool, "ana", 10)
    clock.advance(timedelta(hours=1))
    reverse(pool, booked)
    assert used(pool, "ana") == {"hour": 10, "day": 0, "month": 0}


def note_of(ledger: Ledger, transaction_id: int | None) -> str:
    (note,) = (row["note"] for row in all_rows(ledger)["transaction"] if row["id"] == transaction_id)
    return str(note)


def test_the_journal_says_what_changed_about_members(pool: Ledger) -> None:
    joined = {row["member"]: row["joined_at"] for row in all_rows(pool)["pool_member"]}
    changed = set_members(pool, limited("ana", day=5), limited("dot", month=7), limited("ben", is_active=False))
    assert note_of(pool, changed.transaction_id) == (
        "ana: 10 per hour, 20 per day, 30 per month → 5 per day; dot joins: 7 per month; ben: no limit → no limit, "
        "not active"
    )
    assert {row["member"]: row["joined_at"] for row in all_rows(pool)["pool_member"]} == joined | {"dot": NOW}
    renamed = set_members(pool, PoolMember("dot", "Dorothy", month_limit_micro=7 * MICRO))
    assert note_of(pool, renamed.transaction_id) == "dot is called Dorothy"
    before = row_counts(pool)
    assert set_members(pool, limited("ana", day=5)).transaction_id is None
    assert row_counts(pool) == before


def test_only_pools_have_members(ledger: Ledger) -> None:
    open_account(ledger)
    with pytest.raises(NotAllowedNow, match="acme is a customer, not a pool"):
        set_members(ledger, limited("ana"), pool="acme")
    with pytest.raises(NotFound, match="nobody"):
        set_members(ledger, limited("ana"), pool="nobody")


def test_a_pool_has_an_id_of_its_own(pool: Ledger) -> None:
    with pytest.raises(InvalidCommand, match="exists already"):
        open_pool(pool)


WRONG: list[tuple[Command, str]] = [
    (OpenPool("", "x"), "account: must not be empty"),
    (OpenPool("p", " "), "name: must not be empty"),
    (OpenPool("p", "x", zone="Moon"), "zone: 'Moon' is not a time zone"),
    (SetPoolMembers("p", ()), "members: give 1 to 1,000"),
    (SetPoolMembers("p", (PoolMember("a"), PoolMember("a"))), "each member can be given once"),
    (SetPoolMembers("p", (PoolMember(" "),)), "member: must not be empty"),
    (SetPoolMembers("p", (PoolMember("a "),)), "must not begin or end with a space"),
    (SetPoolMembers("p", (PoolMember("a", day_limit_micro=-1),)), "day_limit: must be 0 to"),
    (SetPoolMembers("p", tuple(PoolMember(str(n)) for n in range(1001))), "not 1,001"),
]


@pytest.mark.parametrize(("command", "complaint"), WRONG, ids=[complaint for _, complaint in WRONG[:8]] + ["too many"])
def test_a_wrong_command_is_refused(untouched: Ledger, command: Command, complaint: str) -> None:
    before = row_counts(untouched)
    with pytest.raises(InvalidCommand, match=complaint):
        untouched.execute(command, actor=ADMIN, key=fresh_key())
    assert row_counts(untouched) == before


@pytest.mark.parametrize("role", Role)
def test_roles(pool: Ledger, role: Role) -> None:
    actor = Actor(f"{role}@example.com", role)
    for command in (OpenPool("other", "Other"), SetPoolMembers("pool", (PoolMember("eve"),))):
        if role in (Role.ADMIN, Role.SYSTEM):
            pool.execute(command, actor=actor, key=command.kind)
        else:
            with pytest.raises(NotPermitted):
                pool.execute(command, actor=actor, key=command.kind)


def test_a_preview_counts_nothing(pool: Ledger) -> None:
    event = UsageEvent("one", "images", NOW, 4 * MICRO, member="ana")
    before: dict[str, Any] = all_rows(pool)
    assert pool.preview(RecordUsage("pool", event), actor=ADMIN).available_after_micro == 96 * MICRO
    assert all_rows(pool) == before


STEPS = st.lists(
    st.tuples(st.sampled_from(["ana", "ben"]), st.integers(1, 12), st.sampled_from([0, 20, 50, 600])), max_size=14
)


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS, st.integers(0, 20), st.integers(0, 40))
def test_no_member_ever_passes_a_limit(
    ledger: Ledger, clock: FixedClock, steps: list[tuple[str, int, int]], hour: int, day: int
) -> None:
    name = fresh_key("pool")
    open_pool(ledger, limited("ana", hour, day), limited("ben", day=hour), pool=name)
    feature = fresh_key("feature")
    price_feature(ledger, feature)
    grant(ledger, name, 60)
    for member, amount, minutes in steps:
        clock.advance(timedelta(minutes=minutes))
        try:
            event = UsageEvent(fresh_key("e"), feature, clock.now(), amount * MICRO, member=member)
            ledger.execute(RecordUsage(name, event), actor=ADMIN, key=fresh_key())
        except (LimitReached, InsufficientCredits):
            continue
    most = {("ana", "hour"): hour, ("ana", "day"): day, ("ben", "day"): hour}
    rows = all_rows(ledger)
    # The books are those of every example before this one, too.
    (own,) = (row["id"] for row in rows["account"] if row["external_id"] == name)
    for row in (row for row in rows["pool_usage"] if row["pool_id"] == own):
        assert row["used_micro"] <= most.get((row["member"], row["period"]), 60) * MICRO
    assert audit(ledger) == []
