"""Burn order and consumption: which batches pay, how much, and that nothing appears or gets lost on the way."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import MICRO, Batch
from ledger.core.burn import Shelf, available_micro, burn_key, burn_order, plan_consumption
from ledger.core.records import CreditType
from tests.kit.factories import NOW, make_batch

MICROSECOND = timedelta(microseconds=1)

# The batch named first burns first, because of the one thing in which the two differ.
ORDER = [
    pytest.param({"priority": -1, "expires_in_days": None}, {"expires_in_days": 1}, id="priority-beats-expiry"),
    pytest.param({"expires_in_days": 3}, {"expires_in_days": 4}, id="soonest-expiry"),
    pytest.param({"expires_in_days": 9999}, {"expires_in_days": None}, id="never-expiring-last"),
    pytest.param(
        {"expires_in_days": 3, "starts_in_days": -1},
        {"expires_in_days": 4, "starts_in_days": -9},
        id="expiry-beats-age",
    ),
    pytest.param({"starts_in_days": -9}, {"starts_in_days": -1}, id="oldest"),
    pytest.param(
        {"expires_in_days": None, "starts_in_days": -9},
        {"expires_in_days": None, "starts_in_days": -1},
        id="oldest-of-those-that-never-expire",
    ),
    pytest.param({"id": 1}, {"id": 2}, id="id-is-the-last-word"),
    pytest.param(
        {"credit_type": CreditType.ROLLOVER, "id": 1},
        {"credit_type": CreditType.PURCHASED, "id": 2},
        id="the-type-does-not-matter",
    ),
]


@pytest.mark.parametrize(("first", "second"), ORDER)
def test_burn_order(first: dict[str, object], second: dict[str, object]) -> None:
    early, late = make_batch(**({"id": 7} | first)), make_batch(**({"id": 7} | second))
    assert burn_key(early) < burn_key(late)
    assert burn_order([late, early], at=NOW) == [early, late]


@pytest.mark.parametrize(
    ("batch", "usable"),
    [
        pytest.param(make_batch(expires_in_days=0), 0, id="expires-at-this-instant"),
        pytest.param(replace(make_batch(), expires_at=NOW + MICROSECOND), 100, id="expires-a-microsecond-later"),
        pytest.param(make_batch(starts_in_days=0), 100, id="effective-at-this-instant"),
        pytest.param(replace(make_batch(), effective_at=NOW + MICROSECOND), 0, id="effective-a-microsecond-later"),
        pytest.param(make_batch(held=30), 70, id="held-credits-are-not-free"),
        pytest.param(make_batch(held=100), 0, id="all-held"),
        pytest.param(make_batch(credits=0), 0, id="empty"),
    ],
)
def test_what_can_be_used_at_an_instant(batch: Batch, usable: int) -> None:
    assert available_micro([batch], at=NOW) == usable * MICRO
    assert burn_order([batch], at=NOW) == ([batch] if usable else [])
    plan = plan_consumption([batch], 100 * MICRO, at=NOW)
    assert plan.shortfall_micro == (100 - usable) * MICRO


def test_a_charge_goes_through_the_batches_in_order_and_stops_when_it_is_paid() -> None:
    last = make_batch(id=1, credits=50, expires_in_days=None)
    first = make_batch(id=2, credits=10, expires_in_days=1)
    middle = make_batch(id=3, credits=20, expires_in_days=2)
    plan = plan_consumption([last, first, middle], 25 * MICRO, at=NOW)
    assert [(take.batch_id, take.amount_micro) for take in plan.takes] == [(2, 10 * MICRO), (3, 15 * MICRO)]
    assert plan.shortfall_micro == 0


@pytest.mark.parametrize("amount", [0, -1])
def test_nothing_can_be_consumed_backwards(amount: int) -> None:
    with pytest.raises(ValueError, match="positive"):
        plan_consumption([make_batch()], amount, at=NOW)
    with pytest.raises(ValueError, match="positive"):
        Shelf([make_batch()], at=NOW).take(amount, "images")


FEATURES = ("images", "calls", "exports")
scopes = st.none() | st.frozensets(st.sampled_from(FEATURES), min_size=1)


@st.composite
def shelves(draw: st.DrawFn) -> list[Batch]:
    """Some batches, open and closed, with clashes in every part of the burn key."""
    batches = []
    for number in range(draw(st.integers(0, 7))):
        remaining = draw(st.integers(0, 12))
        batches.append(
            Batch(
                id=number,
                credit_type=draw(st.sampled_from(CreditType)),
                remaining_micro=remaining,
                held_micro=draw(st.integers(0, remaining)),
                priority=draw(st.integers(-1, 1)),
                effective_at=NOW + timedelta(hours=draw(st.integers(-3, 1))),
                expires_at=draw(st.none() | st.integers(0, 3).map(lambda hours: NOW + timedelta(hours=hours))),
                features=draw(scopes),
            )
        )
    return batches


amounts = st.integers(1, 40)


def after(batches: list[Batch], amount_micro: int, feature: str | None = None) -> list[Batch]:
    """The batches once a charge was paid, as far as they could pay it."""
    plan = plan_consumption(batches, amount_micro, at=NOW, feature=feature)
    given_up = {take.batch_id: take.amount_micro for take in plan.takes}
    return [replace(b, remaining_micro=b.remaining_micro - given_up.get(b.id, 0)) for b in batches]


@given(shelves(), amounts)
def test_takes_and_shortfall_add_up_to_the_amount(batches: list[Batch], amount: int) -> None:
    plan = plan_consumption(batches, amount, at=NOW)
    free = {b.id: b.free_micro for b in batches if b.is_open(NOW)}
    assert sum(take.amount_micro for take in plan.takes) + plan.shortfall_micro == amount
    assert plan.shortfall_micro == max(0, amount - available_micro(batches, at=NOW))
    assert all(0 < take.amount_micro <= free[take.batch_id] for take in plan.takes)
    # Every batch but the last one that gave anything was emptied first.
    assert all(take.amount_micro == free[take.batch_id] for take in plan.takes[:-1])


@given(shelves(), amounts, amounts)
def test_two_charges_eat_what_one_of_their_sum_would(batches: list[Batch], one: int, two: int) -> None:
    assert after(after(batches, one), two) == after(batches, one + two)


@given(shelves(), st.permutations(range(7)), amounts)
def test_the_order_in_which_batches_were_read_does_not_matter(
    batches: list[Batch], order: list[int], amount: int
) -> None:
    shuffled = [batches[i] for i in order if i < len(batches)]
    assert plan_consumption(shuffled, amount, at=NOW) == plan_consumption(batches, amount, at=NOW)


@given(shelves(), amounts, st.sampled_from(FEATURES))
def test_scoped_credits_pay_for_their_features_only(batches: list[Batch], amount: int, feature: str) -> None:
    plan = plan_consumption(batches, amount, at=NOW, feature=feature)
    scope = {b.id: b.features for b in batches}
    assert all(scope[take.batch_id] is None or feature in scope[take.batch_id] for take in plan.takes)
    assert plan.shortfall_micro == max(0, amount - available_micro(batches, at=NOW, feature=feature))


@given(shelves(), st.lists(st.tuples(amounts, st.sampled_from(FEATURES)), max_size=8))
def test_a_shelf_pays_as_consecutive_plans_would(batches: list[Batch], charges: list[tuple[int, str]]) -> None:
    shelf = Shelf(batches, at=NOW)
    for amount, feature in charges:
        plan = plan_consumption(batches, amount, at=NOW, feature=feature)
        if plan.shortfall_micro:
            assert shelf.take(amount, feature) is None
        else:
            assert shelf.take(amount, feature) == plan.takes
            batches = after(batches, amount, feature)
        for one in FEATURES:
            assert shelf.available_micro(one) == available_micro(batches, at=NOW, feature=one)


@given(shelves(), amounts, st.sampled_from(FEATURES))
def test_a_shelf_gives_what_it_has_when_asked_for_more(batches: list[Batch], amount: int, feature: str) -> None:
    plan = plan_consumption(batches, amount, at=NOW, feature=feature)
    assert Shelf(batches, at=NOW).take_up_to(amount, feature) == plan.takes
