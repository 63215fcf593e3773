"""What is taken back, frozen and put back when money leaves a payment: arithmetic."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.core.agreement import MoneyBack, Shelf, Taken, freeze_micro, plan_change, share_micro

WHOLE = Shelf(free_micro=100, used_micro=0, by_hand_micro=0, unused_micro=0)


def money(external: int = 0, lost: int = 0, disputed: int = 0, *, own: int = 0, total: int = 1000) -> MoneyBack:
    return MoneyBack(total, own, external, lost, disputed)


@pytest.mark.parametrize(
    ("back", "gone", "doubtful"),
    [
        (money(), 0, 0),
        (money(300), 300, 300),
        (money(300, lost=200, disputed=100), 500, 600),
        # A refund and a dispute of the same money net out.
        (money(1000, lost=1000), 1000, 1000),
        (money(200, disputed=1000), 200, 1000),
        # What was asked for here took its credits already.
        (money(0, lost=1000, own=400), 600, 600),
        (money(own=1200), 0, 0),
    ],
)
def test_money_that_left_is_counted_once(back: MoneyBack, gone: int, doubtful: int) -> None:
    assert (back.gone_cents, back.doubtful_cents) == (gone, doubtful)


@pytest.mark.parametrize(
    ("shelf", "taken"),
    [
        (WHOLE, Taken(60)),
        (replace(WHOLE, free_micro=40, used_micro=60), Taken(40, 0, 20)),
        (replace(WHOLE, free_micro=0, used_micro=100), Taken(0, 0, 60)),
        # Credits whose money goes back by hand come first, those that expired after what is free.
        (replace(WHOLE, free_micro=70, by_hand_micro=30), Taken(30, 30)),
        (replace(WHOLE, free_micro=10, used_micro=60, unused_micro=30), Taken(10, 30, 20)),
        # The rest was refunded here for less money than its share.
        (replace(WHOLE, free_micro=10), Taken(10, 50)),
    ],
)
def test_what_hurts_least_is_taken_first(shelf: Shelf, taken: Taken) -> None:
    assert plan_change(Taken(), 60, shelf, owed_micro=0) == taken


@pytest.mark.parametrize(
    ("so_far", "owed", "change"),
    [
        (Taken(40, 0, 20), 20, Taken(-30, 0, -20)),
        # A claim that was repaid meanwhile is made good at last, by new credits.
        (Taken(40, 0, 20), 0, Taken(-40, 0, 0, 10)),
        (Taken(40, 10, 20), 5, Taken(-35, -10, -5)),
    ],
)
def test_giving_back_goes_the_other_way_round(so_far: Taken, owed: int, change: Taken) -> None:
    assert plan_change(so_far, so_far.net_micro - 50, WHOLE, owed_micro=owed) == change


def test_a_dispute_freezes_what_is_free_of_its_share_and_not_taken_yet() -> None:
    half = money(250, disputed=500)
    assert freeze_micro(100, half, taken=Taken(25), free_micro=75) == 50
    assert freeze_micro(100, half, taken=Taken(25), free_micro=30) == 30
    assert freeze_micro(100, money(250), taken=Taken(25), free_micro=75) == 0


STEPS = st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 40), st.integers(0, 60)), min_size=1, max_size=10)


@settings(max_examples=60)
@given(credits=st.integers(1, 10**9), total=st.integers(1, 10**5), steps=STEPS)
def test_whatever_happens_the_share_of_the_money_is_accounted_for(
    credits: int, total: int, steps: list[tuple[int, int, int]]
) -> None:
    """Money leaves and comes back in parts while credits are used and debt is repaid: nothing is lost or doubled."""
    so_far, free, used, owed = Taken(), credits, 0, 0
    for thousandths, use, repay in steps:
        spent = free * use // 100
        free, used, owed = free - spent, used + spent, owed - owed * repay // 60
        target = share_micro(credits, total * thousandths // 1000, total)
        change = plan_change(so_far, target, Shelf(free, used, 0, 0), owed_micro=owed)
        so_far = so_far.plus(change)
        free, owed = free - change.taken_micro, owed + change.claimed_micro
        assert so_far.net_micro == target
        assert owed >= 0 and free >= 0 and so_far.taken_micro >= 0 and so_far.gone_micro == 0
        assert free + used + so_far.taken_micro == credits
        # Nobody owes more than was used of what was paid back.
        assert so_far.open_claim_micro <= used
