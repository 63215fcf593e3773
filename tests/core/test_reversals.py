"""What can be mirrored, and how."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core.records import DEBT_MOVES, LEGAL_MOVES, Bucket
from ledger.core.reversals import (
    IN_GENERAL,
    INSTEAD,
    NOTHING_MOVED,
    REVERSIBLE,
    Booked,
    moved_micro,
    net_available,
    net_owed,
    plan_mirror,
    why_final,
)

GRANT = Booked(1, 7, Bucket.ISSUED, Bucket.AVAILABLE, 100)
REPAYMENT = Booked(1, 7, Bucket.AVAILABLE, Bucket.OWED, 30)
USE = Booked(1, 7, Bucket.AVAILABLE, Bucket.CONSUMED, 40, "images", 5)
ON_DEBT = Booked(1, None, Bucket.OWED, Bucket.CONSUMED, 9, "images", 5)
SENT = Booked(1, 7, Bucket.AVAILABLE, Bucket.TRANSFERRED, 20)
ARRIVED = Booked(2, 8, Bucket.TRANSFERRED, Bucket.AVAILABLE, 20)

MIRRORED = st.sampled_from(sorted(LEGAL_MOVES & {(b, a) for a, b in LEGAL_MOVES}))


@st.composite
def entries(draw: st.DrawFn) -> list[Booked]:
    moves = draw(st.lists(MIRRORED, max_size=8))
    return [
        Booked(1, None if move in DEBT_MOVES else draw(st.integers(1, 3)), *move, draw(st.integers(1, 100)))
        for move in moves
    ]


@given(entries())
def test_a_mirror_leaves_nothing_and_the_mirror_of_a_mirror_is_the_act(booked: list[Booked]) -> None:
    mirror = plan_mirror(booked)
    assert set(net_available([*booked, *mirror]).values()) <= {0}
    assert net_owed([*booked, *mirror]) == 0
    assert plan_mirror(mirror) == booked


@given(entries())
def test_every_mirrored_entry_is_a_legal_move(booked: list[Booked]) -> None:
    assert all((one.from_bucket, one.to_bucket) in LEGAL_MOVES for one in plan_mirror(booked))


def test_the_last_entry_is_taken_back_first() -> None:
    assert plan_mirror([GRANT, REPAYMENT]) == [
        Booked(1, 7, Bucket.OWED, Bucket.AVAILABLE, 30),
        Booked(1, 7, Bucket.AVAILABLE, Bucket.ISSUED, 100),
    ]


def test_feature_and_event_stay_with_the_credits() -> None:
    assert USE.mirrored() == Booked(1, 7, Bucket.CONSUMED, Bucket.AVAILABLE, 40, "images", 5)


@pytest.mark.parametrize(
    ("booked", "moved", "net", "owed"),
    [
        ([GRANT], 100, {7: 100}, 0),
        ([GRANT, REPAYMENT], 100, {7: 70}, -30),
        ([USE, ON_DEBT], 49, {7: -40}, 9),
        ([SENT, ARRIVED], 20, {7: -20, 8: 20}, 0),
    ],
    ids=["grant", "grant-that-repays", "use-on-debt", "transfer"],
)
def test_what_entries_move(booked: list[Booked], moved: int, net: dict[int, int], owed: int) -> None:
    assert (moved_micro(booked), net_available(booked), net_owed(booked)) == (moved, net, owed)


@pytest.mark.parametrize("kind", sorted(REVERSIBLE))
def test_an_act_that_is_its_entries_can_be_reversed(kind: str) -> None:
    assert why_final(kind, [GRANT]) is None
    assert why_final(kind, []) == NOTHING_MOVED


def test_other_acts_say_what_undoes_them() -> None:
    assert REVERSIBLE.isdisjoint(INSTEAD)
    assert why_final("expire", [USE]) == INSTEAD["expire"]
    assert why_final("allocate", [GRANT]) == IN_GENERAL
    assert why_final("open_account", []) == NOTHING_MOVED
