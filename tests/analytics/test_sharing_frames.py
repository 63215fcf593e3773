"""Frames about transfers seen from both sides, gift codes, and pools."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from analytics import frames
from ledger import MICRO, DisableGiftCodes, Ledger
from ledger.clock import FixedClock
from ledger.codes import hash_of
from tests.kit.factories import ADMIN, NOW, REASON, grant, price_feature, reverse, top_up
from tests.kit.holding import give_back
from tests.kit.sharing import gift, issue_codes, limited, open_pool, open_sister, redeem, set_members, transfer, use_as
from tests.operations.books import all_rows

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture
def sisters(ledger: Ledger) -> Ledger:
    open_sister(ledger, "acme")
    open_sister(ledger, "bolt")
    top_up(ledger, credits=100)
    grant(ledger, "bolt", 5)
    return ledger


def history(ledger: Ledger, account: str | None) -> list[tuple[str, int, int]]:
    """What happened in words, credits, available after; oldest first, without the opening."""
    with ledger.database.reading() as connection:
        found = frames.load_transactions(connection, frames.TransactionFilter(account=account))
        if account is not None:
            assert frames.count_history(connection, account=account) == len(found)
    rows = zip(found["words"], found["amount_micro"] // MICRO, found["available_after_micro"] // MICRO, strict=True)
    return [row for row in rows if row[0] != "Account opened"][::-1]


def test_each_side_of_a_transfer_sees_its_own_figures(sisters: Ledger) -> None:
    sent = transfer(sisters, credits=30)
    gift(sisters, credits=10)
    assert history(sisters, "acme") == [
        ("Topped up", 100, 100),
        ("Transferred to bolt", -30, 70),
        ("Given to bolt", -10, 60),
    ]
    assert history(sisters, "bolt") == [
        ("Granted promotional credits", 5, 5),
        ("Transferred by acme", 30, 35),
        ("Given by acme", 10, 45),
    ]
    # In the list of all it is what the sender saw.
    assert history(sisters, None)[2] == ("Transferred to bolt", -30, 70)
    reverse(sisters, sent)
    assert history(sisters, "acme")[-1] == (f"Reversed entry {sent.transaction_id}", 30, 90)
    assert history(sisters, "bolt")[-1] == (f"Reversed entry {sent.transaction_id}", -30, 15)


def test_the_batches_of_a_row_are_those_of_its_side(sisters: Ledger) -> None:
    receipt = transfer(sisters, credits=30)
    with sisters.database.reading() as connection:
        there = frames.load_history(connection, account="bolt").iloc[0]
        one = frames.load_transaction(connection, receipt.transaction_id or 0)
    assert there["batch_ids"] == (receipt.new_batches[0].id,)
    assert one.batch_ids == (receipt.takes[0].batch_id,)
    assert (there["balance_after_micro"], one.balance_after_micro) == (35 * MICRO, 70 * MICRO)


def test_a_purchase_that_moved_on_was_bought_once(sisters: Ledger) -> None:
    transfer(sisters, credits=30)
    with sisters.database.reading() as connection:
        assert len(frames.load_top_ups(connection)) == 1
        customers = frames.load_customers(connection, at=NOW, zone=BERLIN).set_index("account")
    assert customers["last_top_up_at"].notna().to_dict() == {"acme": True, "bolt": False}


def test_sets_of_codes_say_what_is_left(sisters: Ledger, clock: FixedClock) -> None:
    first, codes = issue_codes(sisters, 5, per_customer_limit=2, valid_until=NOW + timedelta(days=1))
    second, _ = issue_codes(sisters, 2, label="Other")
    redeem(sisters, codes[0])
    redeem(sisters, codes[1])
    ids = {row["code_hash"]: row["id"] for row in all_rows(sisters)["gift_code"]}
    sisters.execute(DisableGiftCodes(first, REASON, ids[hash_of(codes[4])]), actor=ADMIN, key="one")
    sisters.execute(DisableGiftCodes(second, REASON), actor=ADMIN, key="all")

    def sets() -> list[tuple[int, str, int, int, int]]:
        with sisters.database.reading() as connection:
            found = frames.load_code_sets(connection, at=sisters.clock.now())
        return list(found[["set_id", "state", "codes", "redeemed", "left"]].itertuples(index=False, name=None))

    assert sets() == [(second, "disabled", 2, 0, 0), (first, "open", 5, 2, 2)]
    clock.advance(timedelta(days=1))
    assert sets()[1] == (first, "over", 5, 2, 0)
    with sisters.database.reading() as connection:
        found = frames.load_codes(connection, first)
    assert sorted(found["state"]) == ["disabled", "open", "open", "redeemed", "redeemed"]
    assert found["name"].dropna().tolist() == ["Acme", "Acme"]
    assert {f"{hint}" for hint in found["hint"]} == {code[-4:] for code in codes}


@pytest.fixture
def pool(ledger: Ledger, clock: FixedClock) -> Ledger:
    price_feature(ledger)
    open_pool(ledger, limited("ana", 10, 20, 30), limited("ben"))
    grant(ledger, "pool", 200)
    use_as(ledger, "ana", 4, event_id="one")
    clock.advance(timedelta(hours=1))
    use_as(ledger, "ana", 6)
    use_as(ledger, "ben", 50)
    give_back(ledger, "one", 3, account="pool")
    return ledger


def test_a_pool_says_what_it_has_and_used(pool: Ledger) -> None:
    with pool.database.reading() as connection:
        (row,) = frames.load_pools(connection, at=pool.clock.now(), since=date(2026, 3, 1)).to_dict("records")
    assert (row["members"], row["active"], row["owner"], row["organisation"]) == (2, 2, "", "north")
    assert (row["available_micro"], row["used_micro"]) == (143 * MICRO, 57 * MICRO)


def test_members_are_shown_with_what_is_left_of_their_limits(pool: Ledger, clock: FixedClock) -> None:
    set_members(pool, limited("cid", is_active=False))

    def used() -> dict[str, tuple[int, int, int]]:
        with pool.database.reading() as connection:
            found = frames.load_members(connection, account="pool", at=pool.clock.now(), zone=BERLIN)
        names = [f"{period}_used_micro" for period in ("hour", "day", "month")]
        return {row["member"]: tuple(row[name] // MICRO for name in names) for row in found.to_dict("records")}

    # 3 of 4 came back while the day and the month ran, but in another hour.
    assert used() == {"ana": (6, 7, 7), "ben": (50, 50, 50), "cid": (0, 0, 0)}
    clock.set(datetime(2026, 3, 31, 22, tzinfo=UTC))
    assert used() == {"ana": (0, 0, 0), "ben": (0, 0, 0), "cid": (0, 0, 0)}
    with pool.database.reading() as connection:
        found = frames.load_members(connection, account="pool", at=NOW, zone=BERLIN).set_index("member")
    assert found.loc["ana", "day_limit_micro"] == 20 * MICRO
    assert found["hour_limit_micro"].isna().to_dict() == {"ana": False, "ben": True, "cid": True}
    assert found["is_active"].to_dict() == {"ana": True, "ben": True, "cid": False}


def test_use_by_member_leaves_out_what_came_back(pool: Ledger) -> None:
    with pool.database.reading() as connection:
        since, until = NOW - timedelta(days=1), NOW + timedelta(days=1)
        found = frames.load_member_usage(connection, account="pool", since=since, until=until)
    rows = found[["member", "used_micro", "events"]].itertuples(index=False, name=None)
    assert list(rows) == [("ben", 50 * MICRO, 1), ("ana", 7 * MICRO, 2)]


@pytest.mark.parametrize(
    ("limits", "stopped"),
    [
        ({}, {"ana": "", "ben": ""}),
        ({"hour": 5}, {"ana": "hour", "ben": "hour"}),
        ({"hour": 50, "day": 49}, {"ana": "", "ben": "day"}),
        ({"month": 6}, {"ana": "month", "ben": "month"}),
    ],
)
def test_who_would_be_stopped(pool: Ledger, limits: dict[str, int], stopped: dict[str, str]) -> None:
    given = {f"{period}_limit_micro": limit * MICRO for period, limit in limits.items()}
    with pool.database.reading() as connection:
        found = frames.load_stopped(connection, account="pool", at=pool.clock.now(), zone=BERLIN, **given)
    assert dict(zip(found["member"], found["stopped_by"], strict=True)) == stopped
