"""Pairing and comparing records of payments: examples in a table, and what has to hold for any books."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.core.amounts import MICRO, Money
from ledger.core.differences import GRACE, add_up, differences, settled
from ledger.core.matching import (
    Difference,
    OurBatch,
    OurPayment,
    OurRefund,
    Pair,
    TheirDispute,
    TheirRefund,
    Theirs,
    pair,
)
from tests.kit.factories import NOW

OLD = NOW - timedelta(days=2)
THEIRS = Theirs("pi_1", "cs_1", "pay_1", True, True, Money(11_900, "EUR"), 1_900, OLD)
BATCH = OurBatch(7, "pi_1", Money(10_000, "EUR"), 100 * MICRO, 100 * MICRO, OLD)
OURS = OurPayment(1, "pay_1", "pi_1", "cs_1", True, Money(11_900, "EUR"), 1_900, 100 * MICRO, OLD, batch=BATCH)
BACK = TheirRefund("re_1", 1_000, True, None, OLD)
OWN = OurRefund("ref_1", Money(1_000, "EUR"), "done", False, OLD)
OWN_BACK = replace(BACK, ours="ref_1")
DISPUTE = TheirDispute("dp_1", 11_900, "open", OLD)
BY_HAND = replace(BATCH, id=8, reference="pi_2")


def told(theirs: Theirs | None, ours: OurPayment | None, batch: OurBatch | None = None) -> list[str]:
    """The differences of a pair, such as "amount payment pi_1 total"."""
    return [_words(one) for one in differences(Pair(theirs, ours, batch), at=NOW)]


def _words(one: Difference) -> str:
    return f"{one.kind} {one.object_kind} {one.ref} {one.figure}"


UNPAID = replace(OURS, is_settled=False, batch=None)
RECORDED = replace(THEIRS, ref="pi_2", name=None)
CASES: dict[str, tuple[Theirs | None, OurPayment | None, OurBatch | None, list[str]]] = {
    "both": (THEIRS, OURS, None, []),
    "not begun here": (THEIRS, None, None, ["missing_here payment pi_1 existence"]),
    "what else the company sells": (replace(THEIRS, is_about_us=False), None, None, []),
    "not followed": (THEIRS, UNPAID, None, ["missing_here payment pi_1 existence"]),
    "unpaid on both sides": (replace(THEIRS, is_paid=False), UNPAID, None, []),
    "gone there": (None, OURS, None, ["missing_there payment pi_1 existence"]),
    "failed there": (replace(THEIRS, is_paid=False), OURS, None, ["missing_there payment pi_1 existence"]),
    "total": (replace(THEIRS, total=Money(12_000, "EUR")), OURS, None, ["amount payment pi_1 total"]),
    "tax": (replace(THEIRS, tax_cents=1_800), OURS, None, ["amount payment pi_1 tax"]),
    "currency": (replace(THEIRS, total=Money(11_900, "USD")), OURS, None, ["currency payment pi_1 currency"]),
    "blocked": (THEIRS, replace(OURS, batch=None), None, []),
    "another reference": (
        THEIRS,
        replace(OURS, batch=replace(BATCH, reference="pi_9")),
        None,
        ["missing_here batch pi_1 reference"],
    ),
    "cost": (THEIRS, replace(OURS, batch=replace(BATCH, cost=Money(1, "EUR"))), None, ["amount batch pi_1 cost"]),
    "credits": (THEIRS, replace(OURS, credits_micro=MICRO), None, ["amount batch pi_1 credits"]),
    "journal": (THEIRS, replace(OURS, batch=replace(BATCH, issued_micro=0)), None, ["amount batch pi_1 journal"]),
    "refund followed": (replace(THEIRS, refunds=(BACK,)), replace(OURS, external_cents=1_000), None, []),
    "refund not followed": (replace(THEIRS, refunds=(BACK,)), OURS, None, ["missing_here refund re_1 existence"]),
    "refund came back": (
        replace(THEIRS, refunds=(replace(BACK, counts=False),)),
        replace(OURS, external_cents=1_000),
        None,
        ["missing_there refund re_1 existence"],
    ),
    "refunds of another sum": (
        replace(THEIRS, refunds=(BACK, replace(BACK, ref="re_2"))),
        replace(OURS, external_cents=500),
        None,
        ["amount refund pi_1 sum"],
    ),
    "own refund": (
        replace(THEIRS, refunds=(OWN_BACK,)),
        replace(OURS, own_cents=1_000, refunds=(OWN,)),
        None,
        [],
    ),
    "own refund not there": (
        THEIRS,
        replace(OURS, refunds=(OWN,)),
        None,
        ["missing_there refund ref_1 existence"],
    ),
    "own refund to the balance": (THEIRS, replace(OURS, refunds=(replace(OWN, to_balance=True),)), None, []),
    "own refund given up here": (
        replace(THEIRS, refunds=(OWN_BACK,)),
        replace(OURS, own_cents=1_000, refunds=(replace(OWN, state="failed"),)),
        None,
        ["missing_here refund re_1 existence"],
    ),
    "own refund of another sum": (
        replace(THEIRS, refunds=(replace(OWN_BACK, cents=900),)),
        replace(OURS, own_cents=1_000, refunds=(OWN,)),
        None,
        ["amount refund re_1 total"],
    ),
    "own refund not followed": (
        replace(THEIRS, refunds=(OWN_BACK,)),
        replace(OURS, refunds=(OWN,)),
        None,
        ["amount refund pi_1 sum"],
    ),
    "dispute": (replace(THEIRS, disputes=(DISPUTE,)), replace(OURS, disputed_cents=11_900), None, []),
    "dispute not followed": (
        replace(THEIRS, disputes=(DISPUTE,)),
        OURS,
        None,
        ["missing_here dispute dp_1 existence"],
    ),
    "an inquiry holds no money": (replace(THEIRS, disputes=(replace(DISPUTE, state="inquiry"),)), OURS, None, []),
    "decided there": (
        replace(THEIRS, disputes=(replace(DISPUTE, state="lost"),)),
        replace(OURS, disputed_cents=11_900),
        None,
        ["missing_here dispute dp_1 outcome"],
    ),
    "won there": (
        replace(THEIRS, disputes=(replace(DISPUTE, state="won"),)),
        replace(OURS, disputed_cents=11_900),
        None,
        ["missing_there dispute dp_1 existence"],
    ),
    "recorded by hand": (RECORDED, None, BY_HAND, []),
    "recorded by hand for less": (
        RECORDED,
        None,
        replace(BY_HAND, cost=Money(5_000, "EUR")),
        ["amount batch pi_2 cost"],
    ),
    "recorded by hand, refunded": (
        replace(RECORDED, refunds=(BACK,)),
        None,
        BY_HAND,
        ["missing_here refund re_1 sum"],
    ),
    "recorded by hand, not there": (None, None, BY_HAND, ["missing_there batch pi_2 existence"]),
}


@pytest.mark.parametrize("case", CASES)
def test_a_pair_differs_as_its_case_says(case: str) -> None:
    theirs, ours, batch, wanted = CASES[case]
    assert told(theirs, ours, batch) == wanted


@pytest.mark.parametrize("case", [name for name, (*_, wanted) in CASES.items() if wanted])
def test_money_that_differs_is_told_of_in_the_control_sums(case: str) -> None:
    theirs, ours, batch, _ = CASES[case]
    one = Pair(theirs, ours, batch)
    for line in add_up(settled(one, differences(one, at=NOW))).values():
        assert line.told_cents == line.difference_cents


def test_what_is_young_and_mends_itself_is_timing() -> None:
    young = replace(THEIRS, at=NOW - GRACE + timedelta(seconds=1))
    assert told(young, UNPAID) == ["timing payment pi_1 existence"]
    assert told(replace(young, at=NOW - GRACE), UNPAID) == ["missing_here payment pi_1 existence"]
    # Another sum does not mend itself, however young.
    assert told(replace(young, total=Money(1, "EUR")), OURS)[0] == "amount payment pi_1 total"


def test_the_same_purchase_paid_twice_is_found_by_our_name() -> None:
    second = replace(THEIRS, ref="pi_0", checkout_ref=None)
    pairs = pair([second, THEIRS], [OURS], [])
    assert {one.theirs.ref: one.is_second for one in pairs if one.theirs} == {"pi_1": False, "pi_0": True}
    # While none of them is followed, the older is the first.
    waiting = replace(UNPAID, payment_ref=None)
    pairs = pair([replace(second, at=OLD + timedelta(1)), THEIRS], [waiting], [])
    assert [(one.theirs.ref, one.is_second) for one in pairs if one.theirs] == [("pi_1", False), ("pi_0", True)]


def test_a_purchase_recorded_by_hand_stands_for_a_payment_that_was_never_followed() -> None:
    by_hand = replace(BATCH, reference="pay_1")
    first, *_ = pair([THEIRS], [UNPAID], [by_hand])
    assert first == Pair(THEIRS, batch=by_hand)
    # Beside a payment that was followed it is one too many.
    assert Pair(ours=OURS, batch=by_hand, is_second=True) in pair([THEIRS], [OURS], [by_hand])


refs = st.integers(0, 12)


@st.composite
def books(draw: st.DrawFn) -> tuple[list[Theirs], list[OurPayment], list[OurBatch]]:
    """Records on both sides that know each other more or less."""
    there = [
        replace(THEIRS, ref=f"pi_{number}", name=draw(st.sampled_from([None, *(f"pay_{n}" for n in range(6))])))
        for number in draw(st.sets(refs, max_size=8))
    ]
    here = [
        replace(
            OURS if draw(st.booleans()) else UNPAID,
            id=number,
            name=f"pay_{number}",
            payment_ref=draw(st.sampled_from([None, f"pi_{number}"])),
            checkout_ref=None,
        )
        for number in draw(st.sets(st.integers(0, 6), max_size=6))
    ]
    loose = [
        replace(BATCH, id=100 + number, reference=draw(st.sampled_from([f"pi_{number}", f"pay_{number}"])))
        for number in draw(st.sets(refs, max_size=4))
    ]
    return there, here, loose


@settings(max_examples=60)
@given(books())
def test_every_record_is_in_a_pair_and_none_has_two_firsts(
    made: tuple[list[Theirs], list[OurPayment], list[OurBatch]],
) -> None:
    theirs, ours, batches = made
    pairs = pair(theirs, ours, batches)
    assert sorted(one.theirs.ref for one in pairs if one.theirs) == sorted(one.ref for one in theirs)
    first = [one.ours.id for one in pairs if one.ours and not one.is_second]
    assert sorted(first) == sorted(one.id for one in ours)
    assert {one.batch.id for one in pairs if one.batch} == {one.id for one in batches}


@settings(max_examples=60)
@given(books())
def test_the_control_sums_differ_by_what_is_told_of(
    made: tuple[list[Theirs], list[OurPayment], list[OurBatch]],
) -> None:
    pairs = pair(*made)
    sums = add_up(part for one in pairs for part in settled(one, differences(one, at=NOW)))
    assert all(one.told_cents == one.difference_cents for one in sums.values())


@settings(max_examples=60)
@given(books(), st.randoms(use_true_random=False))
def test_the_order_of_records_does_not_matter(
    made: tuple[list[Theirs], list[OurPayment], list[OurBatch]], random: "st.randoms"
) -> None:
    def found() -> list[str]:
        return sorted(_words(each) for one in pair(*made) for each in differences(one, at=NOW))

    before = found()
    for records in made:
        random.shuffle(records)  # type: ignore[attr-defined]
    assert found() == before
