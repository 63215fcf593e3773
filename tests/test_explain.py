"""Explain: parts of a balance re-sum to it whatever happened, and a debit tells what paid for it and why so much."""

import random
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from ledger import (
    MICRO,
    CaptureHold,
    CreditType,
    DefineBundle,
    GiveBack,
    IssueGrant,
    Ledger,
    LedgerError,
    Money,
    NotFound,
    OpenAccount,
    PlaceHold,
    RecordUsage,
    SetFeaturePrice,
    TransferCredits,
    UsageEvent,
    queries,
)
from ledger.as_of import balance_as_of
from ledger.clock import FixedClock
from ledger.explain import BalanceExplained, Because, DebitExplained, explain_balance, explain_transaction
from ledger.sweep import expire_due_everywhere
from tests.kit.factories import (
    ADMIN,
    BEA,
    REASON,
    adjust,
    allow_overdraft,
    approve,
    extend,
    fresh_key,
    grant,
    open_account,
    price_feature,
    refund,
    reverse,
    run,
    top_up,
    use,
    void,
)


def explained(
    ledger: Ledger, account: str = "acme", at: datetime | None = None, known_at: datetime | None = None
) -> BalanceExplained:
    now = ledger.clock.now()
    with ledger.database.reader.connect() as connection:
        return explain_balance(connection, account, at=at or now, known_at=known_at or now)


def behind(ledger: Ledger, transaction_id: int | None) -> DebitExplained:
    assert transaction_id is not None
    with ledger.database.reader.connect() as connection:
        return explain_transaction(connection, transaction_id)


def two_of_one_house(ledger: Ledger) -> None:
    for name in ("acme", "bolt"):
        run(ledger, OpenAccount(name, name.title(), zone="Europe/Berlin", organisation="acme group"))


def parts(found: BalanceExplained) -> dict[Because, int]:
    return {part.because: part.amount_micro // MICRO for part in found.parts}


def something(ledger: Ledger, dice: random.Random) -> None:
    """One act picked at random; many are refused, which is fine."""
    now = ledger.clock.now()
    one, other = dice.sample(["acme", "bolt"], 2)
    amount, number = dice.randint(1, 40), dice.randint(1, 15)
    soon = now.date() + timedelta(days=dice.randint(0, 30))
    until = now + timedelta(days=dice.randint(1, 5))
    hold = f"hold-{dice.randint(1, 5)}"
    acts = (
        lambda: grant(ledger, one, amount, credit_type=CreditType.REFERRAL),
        lambda: grant(ledger, one, amount, effective_at=now + timedelta(days=dice.randint(1, 20))),
        lambda: top_up(ledger, one, amount, expires_on=soon),
        lambda: use(ledger, one, amount),
        lambda: use(ledger, one, amount, event_id=f"event-{number}", occurred_at=now - timedelta(days=3)),
        lambda: run(ledger, GiveBack(one, f"event-{number}", REASON, MICRO)),
        lambda: adjust(ledger, one, dice.choice([-1, 1]) * amount),
        lambda: void(ledger, one, number),
        lambda: extend(ledger, one, number, expires_on=now.date() + timedelta(days=60)),
        lambda: refund(ledger, one, number),
        lambda: reverse(ledger, dice.randint(5, 60)),
        lambda: run(ledger, TransferCredits(one, other, amount * MICRO, REASON)),
        lambda: expire_due_everywhere(ledger),
        lambda: run(ledger, PlaceHold(one, hold, "images", amount * MICRO, until)),
        lambda: run(ledger, CaptureHold(one, hold, fresh_key("event"))),
        lambda: allow_overdraft(ledger, one, 30),
    )
    with suppress(LedgerError):
        dice.choice(acts)()


@pytest.mark.parametrize("seed", range(4))
def test_the_parts_are_the_balance_that_is_shown(ledger: Ledger, clock: FixedClock, seed: int) -> None:
    dice = random.Random(seed)
    price_feature(ledger)
    two_of_one_house(ledger)
    instants, told = [], set()
    for _ in range(30):
        for _ in range(dice.randint(1, 3)):
            something(ledger, dice)
        for name in ("acme", "bolt"):
            at = clock.now()
            with ledger.database.reader.connect() as connection:
                rows = connection.execute(queries.balances(at=at, account_name=name)).all()
                then = balance_as_of(connection, name, at=at, known_at=at)
            found = explained(ledger, name)
            shown = sum(row.available_micro + row.held_micro + row.scheduled_micro for row in rows)
            assert found.balance_micro == shown - then.owed_micro
            assert sum(part.amount_micro for part in found.parts) == found.balance_micro
            told |= set(parts(found))
        instants.append(clock.now())
        clock.advance(timedelta(hours=dice.randint(1, 60)))
    # The past as well, both as it was known then and as it is known now.
    for at in instants:
        for known_at in (at, clock.now()):
            found = explained(ledger, "acme", at, known_at)
            assert sum(part.amount_micro for part in found.parts) == found.balance_micro, (at, known_at)
    assert {Because.PURCHASES, Because.GRANTS, Because.USE} <= told


def test_each_act_has_its_place(ledger: Ledger, clock: FixedClock) -> None:
    price_feature(ledger)
    two_of_one_house(ledger)
    top_up(ledger, credits=1000)
    grant(ledger, credits=50, expires_on=clock.now().date() + timedelta(days=30))
    mistake = grant(ledger, credits=7)
    reverse(ledger, mistake)
    use(ledger, quantity=100, event_id="one")
    run(ledger, GiveBack("acme", "one", REASON, 10 * MICRO))
    adjust(ledger, credits=-5)
    run(ledger, TransferCredits("acme", "bolt", 20 * MICRO, REASON))
    refund(ledger, credits=100)
    assert parts(explained(ledger)) == {
        Because.PURCHASES: 1000,
        Because.GRANTS: 57,
        Because.USE: -100,
        Because.GIVEN_BACK: 10,
        Because.CORRECTIONS: -12,
        Because.TRANSFERS: -20,
        Because.REFUNDS: -100,
    }
    assert parts(explained(ledger, "bolt")) == {Because.TRANSFERS: 20}


def test_what_expired_unswept_is_told_as_what_it_is(ledger: Ledger, clock: FixedClock) -> None:
    open_account(ledger)
    grant(ledger, credits=40, expires_on=clock.now().date() + timedelta(days=30))
    clock.advance(timedelta(days=40))
    assert parts(explained(ledger)) == {Because.GRANTS: 40, Because.EXPIRY_NOT_BOOKED: -40}
    expire_due_everywhere(ledger)
    assert parts(explained(ledger)) == {Because.GRANTS: 40, Because.EXPIRY: -40}


def test_use_on_debt_makes_a_balance_negative(ledger: Ledger) -> None:
    price_feature(ledger)
    open_account(ledger)
    allow_overdraft(ledger, credits=50)
    charged = use(ledger, quantity=30)
    found = explained(ledger)
    assert (found.balance_micro, parts(found)) == (-30 * MICRO, {Because.USE: -30})
    (payment,) = behind(ledger, charged.transaction_id).payments
    assert (payment.batch_id, payment.amount_micro) == (None, 30 * MICRO)
    top_up(ledger, credits=100)
    assert parts(explained(ledger)) == {Because.PURCHASES: 100, Because.USE: -30}


def test_a_use_tells_its_price_and_the_batches_that_paid(ledger: Ledger, clock: FixedClock) -> None:
    now = clock.now()
    open_account(ledger)
    run(ledger, SetFeaturePrice("ai", 3 * MICRO, "AI analysis", "page", factors={"hard": 1_500_000}))
    run(ledger, DefineBundle("spring", "Spring", ("ai",), 100_000, now + timedelta(days=30)))
    top_up(ledger, credits=1000, price=Money(9900, "EUR"), reference="INV-1")
    grant(ledger, credits=10, campaign="wave")
    event = UsageEvent("event-1", "ai", now, 7 * MICRO, complexity="hard")
    charged = run(ledger, RecordUsage("acme", event))
    found = behind(ledger, charged.transaction_id)
    (told,) = found.uses
    assert (told.price_micro, told.factor_micro, told.bundle, told.discount_ppm) == (
        3 * MICRO,
        1_500_000,
        "Spring",
        100_000,
    )
    # 3 × 7 × 1.5 less a tenth.
    assert told.cost_micro == told.computed_micro == 28_350_000
    assert [(one.credit_type, one.amount_micro, one.campaign, one.cost) for one in told.payments] == [
        (CreditType.PROMOTIONAL, 10 * MICRO, "wave", None),
        (CreditType.PURCHASED, 18_350_000, "", Money(182, "EUR")),
    ]
    assert told.payments[1].reference == "INV-1"
    assert found.payments == told.payments
    assert (found.actor, found.approval_id) == (ADMIN.id, None)


def test_a_captured_hold_names_its_own_cost(ledger: Ledger) -> None:
    price_feature(ledger)
    open_account(ledger)
    grant(ledger, credits=100)
    run(ledger, PlaceHold("acme", "job", "images", 30 * MICRO))
    captured = run(ledger, CaptureHold("acme", "job", "event-1", 12 * MICRO))
    (told,) = behind(ledger, captured.transaction_id).uses
    assert (told.price_micro, told.computed_micro, told.cost_micro) == (None, None, 12 * MICRO)
    assert sum(one.amount_micro for one in told.payments) == 12 * MICRO


def test_a_debit_that_two_people_let_happen_names_both(ledger: Ledger) -> None:
    open_account(ledger)
    given = approve(ledger, IssueGrant("acme", CreditType.REFERRAL, 200_000 * MICRO, REASON))
    found = behind(ledger, given.transaction_id)
    assert (found.asked_by, found.approved_by, found.payments) == (ADMIN.id, BEA.id, ())


def test_what_is_not_there_has_no_reason(ledger: Ledger) -> None:
    with pytest.raises(NotFound):
        explained(ledger, "nobody", datetime(2026, 1, 1, tzinfo=UTC))
    for number in (4711, -1, 10**30):
        with pytest.raises(NotFound):
            behind(ledger, number)
