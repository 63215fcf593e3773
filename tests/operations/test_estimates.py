"""An estimate says exactly what the charge then does, and writes nothing."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from ledger import (
    MICRO,
    CreditType,
    DefineBundle,
    Estimate,
    InsufficientCredits,
    InvalidCommand,
    IssueGrant,
    Ledger,
    NotFound,
    RecordUsage,
    SetFeaturePrice,
    UsageEvent,
    estimate_cost,
)
from ledger.clock import FixedClock
from tests.kit.factories import ADMIN, NOW, REASON, allow_overdraft, fresh_key, grant, open_account, price_feature, use
from tests.operations.books import row_counts

DAY = timedelta(days=1)
FACTORS = {"simple": MICRO // 2, "complex": 2 * MICRO}


@pytest.fixture
def priced(ledger: Ledger) -> Ledger:
    """Acme with a scoped, a plain and a scheduled batch; images at 10 with 10 % off, audio at 3."""
    open_account(ledger)
    command = SetFeaturePrice("images", 10 * MICRO, effective_at=datetime(2020, 1, 1, tzinfo=UTC), factors=FACTORS)
    ledger.execute(command, actor=ADMIN, key="price")
    price_feature(ledger, "audio", credits=3)
    bundle = DefineBundle("b", "B", ("images",), 100_000, NOW + DAY)
    ledger.execute(bundle, actor=ADMIN, key="bundle")
    scoped = IssueGrant("acme", CreditType.PROMOTIONAL, 20 * MICRO, REASON, features=("images",))
    ledger.execute(scoped, actor=ADMIN, key="scoped")
    grant(ledger, credits=30, credit_type=CreditType.REFERRAL)
    grant(ledger, credits=500, credit_type=CreditType.REFERRAL, effective_at=NOW + 2 * DAY)
    return ledger


def test_the_parts_of_a_cost(priced: Ledger) -> None:
    before = row_counts(priced)
    found = estimate_cost(priced, "images", quantity_micro=3 * MICRO, complexity="complex", account="acme")
    assert row_counts(priced) == before
    assert (found.price_micro, found.factor_micro, found.discount_ppm) == (10 * MICRO, 2 * MICRO, 100_000)
    assert (found.cost_micro, found.saved_micro) == (54 * MICRO, 6 * MICRO)
    assert found.available_micro == 50 * MICRO
    assert [take.amount_micro for take in found.takes] == [20 * MICRO, 30 * MICRO]
    assert (found.short_micro, found.owed_micro) == (4 * MICRO, 0)


def test_credits_for_other_features_do_not_pay(priced: Ledger) -> None:
    found = estimate_cost(priced, "audio", quantity_micro=11 * MICRO, account="acme")
    assert (found.available_micro, found.short_micro) == (30 * MICRO, 3 * MICRO)


def test_without_an_account_only_the_cost_is_known(priced: Ledger) -> None:
    found = estimate_cost(priced, "audio")
    assert (found.cost_micro, found.account, found.takes, found.short_micro) == (3 * MICRO, None, (), 0)


def test_of_a_later_instant_it_says_what_holds_then(priced: Ledger) -> None:
    later = estimate_cost(priced, "images", quantity_micro=53 * MICRO, account="acme", at=NOW + 2 * DAY)
    assert (later.discount_ppm, later.cost_micro) == (0, 530 * MICRO)
    assert (later.available_micro, later.short_micro) == (550 * MICRO, 0)


@pytest.mark.parametrize(
    ("wanted", "error", "why"),
    [
        ({"feature": "nothing"}, NotFound, "no price in force for feature 'nothing'"),
        ({"feature": "images", "account": "nobody"}, NotFound, "no account 'nobody'"),
        ({"feature": "images", "complexity": "absurd"}, InvalidCommand, "images knows complex, simple"),
        ({"feature": "images", "quantity_micro": 0}, InvalidCommand, "must be more than 0"),
        ({"feature": "images", "at": datetime(2026, 1, 1)}, InvalidCommand, "time zone"),  # noqa: DTZ001 - the point
        ({"feature": "images", "at": datetime(2019, 12, 31, tzinfo=UTC)}, NotFound, "no price in force"),
    ],
    ids=["feature", "account", "complexity", "quantity", "zone", "before-the-first-price"],
)
def test_what_cannot_be_estimated_is_said(priced: Ledger, wanted: dict, error: type[Exception], why: str) -> None:
    with pytest.raises(error, match=why):
        estimate_cost(priced, **wanted)


def test_a_feature_that_is_off_sale_has_no_estimate(priced: Ledger, clock: FixedClock) -> None:
    priced.execute(SetFeaturePrice("audio", MICRO, ends_at=NOW + DAY), actor=ADMIN, key="ends")
    assert estimate_cost(priced, "audio", at=NOW + DAY - timedelta(microseconds=1)).cost_micro == MICRO
    with pytest.raises(NotFound):
        estimate_cost(priced, "audio", at=NOW + DAY)


def book(ledger: Ledger, estimate: Estimate) -> None:
    """Charge what was estimated, and compare."""
    event = UsageEvent(
        fresh_key("e"), estimate.feature, ledger.clock.now(), estimate.quantity_micro, estimate.complexity
    )
    command = RecordUsage("acme", event)
    if estimate.short_micro:
        with pytest.raises(InsufficientCredits) as refused:
            ledger.execute(command, actor=ADMIN, key=event.event_id)
        assert refused.value.shortfall_micro == estimate.short_micro
        assert refused.value.required_micro == estimate.cost_micro
    else:
        receipt = ledger.execute(command, actor=ADMIN, key=event.event_id)
        assert receipt.takes == estimate.takes
        assert receipt.owed_after_micro - receipt.owed_before_micro == estimate.owed_micro


@pytest.mark.parametrize("seed", range(3))
def test_the_estimate_is_what_the_charge_does(priced: Ledger, clock: FixedClock, seed: int) -> None:
    dice = random.Random(seed)
    for _ in range(25):
        clock.advance(timedelta(hours=dice.randint(0, 36)))
        feature = dice.choice(("images", "audio"))
        complexity = dice.choice(("", *FACTORS)) if feature == "images" else ""
        quantity = dice.randint(1, 8 * MICRO)
        book(
            priced,
            estimate_cost(priced, feature, quantity_micro=quantity, complexity=complexity, account="acme"),
        )


def test_an_overdraft_pays_what_is_short_and_is_repaid_first(priced: Ledger, clock: FixedClock) -> None:
    allow_overdraft(priced, credits=40)
    found = estimate_cost(priced, "audio", quantity_micro=20 * MICRO, account="acme")
    assert (found.available_micro, found.owed_micro, found.short_micro) == (30 * MICRO, 30 * MICRO, 0)
    book(priced, found)
    # Ten are left of the line, so eleven are one short.
    audio = {"quantity_micro": 11 * MICRO, "account": "acme"}
    found = estimate_cost(priced, "audio", **audio)
    assert (found.owed_micro, found.short_micro) == (0, 23 * MICRO)
    book(priced, found)
    clock.set(NOW + 2 * DAY)
    # 500 credits became usable: they repay the 30 before they pay for anything.
    found = estimate_cost(priced, "audio", **audio)
    assert (found.available_micro, found.short_micro) == (470 * MICRO, 0)
    book(priced, found)


def test_an_expired_batch_pays_for_nothing(priced: Ledger, clock: FixedClock) -> None:
    clock.set(NOW + 400 * DAY)
    found = estimate_cost(priced, "images", account="acme")
    assert (found.available_micro, found.short_micro) == (0, 10 * MICRO)
    with pytest.raises(InsufficientCredits):
        use(priced)
