"""Idempotency keys, receipts, corrections from the shelf, expiry, and changes of what is not credits."""

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest

from ledger import (
    MICRO,
    SYSTEM,
    AccountType,
    Actor,
    AdjustBalance,
    BatchClosed,
    ChangeCustomer,
    Command,
    CreditType,
    ExpireDue,
    InsufficientCredits,
    InvalidCommand,
    IssueGrant,
    KeyReused,
    Ledger,
    Money,
    NotFound,
    NotPermitted,
    OpenAccount,
    RecordTopUp,
    RecordUsage,
    RecordUsageBulk,
    SetFeaturePrice,
    UsageEvent,
)
from ledger.clock import FixedClock
from tests.kit.factories import ADMIN, NOW, REASON, adjust, grant, open_account, price_feature, top_up, use
from tests.operations.books import all_rows, row_counts

EVENTS = tuple(UsageEvent(f"e-{n}", "images", NOW, MICRO) for n in range(30))
COMMANDS = [
    pytest.param(OpenAccount("bolt", "Bolt"), id="open-account"),
    pytest.param(ChangeCustomer("acme", tier="basic"), id="change-customer"),
    pytest.param(SetFeaturePrice("words", 2 * MICRO), id="set-feature-price"),
    pytest.param(IssueGrant("acme", CreditType.REFERRAL, 7 * MICRO, REASON), id="grant"),
    pytest.param(RecordTopUp("acme", 9 * MICRO, Money(900, "EUR"), "INV-9", REASON), id="top-up"),
    pytest.param(AdjustBalance("acme", -20 * MICRO, REASON), id="adjust"),
    pytest.param(RecordUsage("acme", EVENTS[0]), id="usage"),
    pytest.param(RecordUsageBulk("acme", (*EVENTS, UsageEvent("no", "x", NOW))), id="usage-bulk"),
    pytest.param(ExpireDue("acme"), id="expire"),
]


@pytest.fixture
def prepared(ledger: Ledger, clock: FixedClock) -> Ledger:
    """Acme with 10 credits that have just expired, 10 that end soon and 100 bought ones."""
    open_account(ledger)
    price_feature(ledger)
    grant(ledger, credits=10)
    clock.advance(timedelta(days=100))
    grant(ledger, credits=10)
    top_up(ledger, credits=100)
    clock.set(clock.now() + timedelta(hours=1))
    return ledger


@pytest.mark.parametrize("command", COMMANDS)
def test_a_key_gives_its_first_receipt_again(prepared: Ledger, clock: FixedClock, command: Command) -> None:
    first = prepared.execute(command, actor=ADMIN, key="k")
    assert first.transaction_id is not None and not first.replayed
    before = all_rows(prepared)
    clock.advance(timedelta(days=400))
    again = prepared.execute(command, actor=ADMIN, key="k")
    assert again == first.as_replayed() == prepared.receipt(actor=ADMIN, key="k")
    assert all_rows(prepared) == before


@pytest.mark.parametrize("command", COMMANDS)
def test_a_key_stands_for_one_command_only(prepared: Ledger, command: Command) -> None:
    grant(prepared, key="k")
    before = all_rows(prepared)
    with pytest.raises(KeyReused, match="'k' was used before for something else"):
        prepared.execute(command, actor=ADMIN, key="k")
    assert all_rows(prepared) == before


@pytest.mark.parametrize("command", COMMANDS)
def test_every_preview_tells_the_effect_and_leaves_nothing(prepared: Ledger, command: Command) -> None:
    before = all_rows(prepared)
    shown = prepared.preview(command, actor=ADMIN)
    assert all_rows(prepared) == before
    done = prepared.execute(command, actor=ADMIN, key="k")
    for name in ("kind", "account", "available_after_micro", "balance_after_micro", "takes", "events_recorded"):
        assert getattr(shown, name) == getattr(done, name)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_needs_its_permission_and_a_key(
    prepared: Ledger, finance: Actor, manager: Actor, command: Command
) -> None:
    before = row_counts(prepared)
    for actor in (finance, manager):
        with pytest.raises(NotPermitted):
            prepared.execute(command, actor=actor, key="k")
    for key in ("", "  ", "x" * 201, "a\x00b"):
        with pytest.raises(InvalidCommand, match="key"):
            prepared.execute(command, actor=ADMIN, key=key)
    assert row_counts(prepared) == before


def test_a_refused_command_leaves_its_key_free(prepared: Ledger) -> None:
    wish = RecordUsage("acme", UsageEvent("e", "images", NOW, 200 * MICRO))
    with pytest.raises(InsufficientCredits):
        prepared.execute(wish, actor=ADMIN, key="k")
    assert prepared.receipt(actor=ADMIN, key="k") is None
    top_up(prepared, credits=500)
    assert not prepared.execute(wish, actor=ADMIN, key="k").replayed


def test_the_same_instant_written_in_another_zone_is_the_same_command(prepared: Ledger) -> None:
    starts = datetime(2026, 12, 1, tzinfo=UTC)
    local = starts.astimezone(timezone(timedelta(hours=-5)))
    grant(prepared, effective_at=starts, key="k")
    assert grant(prepared, effective_at=local, key="k").replayed


def batch_ids(ledger: Ledger) -> list[int]:
    return [row["id"] for row in all_rows(ledger)["batch"]]


def test_a_correction_takes_in_burn_order(prepared: Ledger) -> None:
    _, soon, bought = batch_ids(prepared)
    receipt = adjust(prepared, credits=-15)
    assert [(take.batch_id, take.amount_micro) for take in receipt.takes] == [(soon, 10 * MICRO), (bought, 5 * MICRO)]
    assert (receipt.available_after_micro, receipt.balance_after_micro) == (95 * MICRO, 95 * MICRO)
    removed = [row for row in all_rows(prepared)["entry"] if row["to_bucket"] == "removed"]
    assert [row["amount_micro"] for row in removed] == [10 * MICRO, 5 * MICRO]


def test_a_correction_may_name_its_batch(prepared: Ledger) -> None:
    _, _, bought = batch_ids(prepared)
    receipt = adjust(prepared, credits=-100, batch_id=bought)
    assert [(take.batch_id, take.amount_micro) for take in receipt.takes] == [(bought, 100 * MICRO)]


def test_a_correction_may_name_a_batch_that_is_not_effective_yet(ledger: Ledger, clock: FixedClock) -> None:
    open_account(ledger)
    (new,) = grant(ledger, credits=10, effective_at=NOW + timedelta(days=9)).new_batches
    with pytest.raises(InsufficientCredits):
        adjust(ledger, credits=-4)
    receipt = adjust(ledger, credits=-4, batch_id=new.id)
    assert (receipt.available_after_micro, receipt.balance_after_micro) == (0, 6 * MICRO)


@pytest.mark.parametrize(
    ("which", "credits", "error", "why"),
    [
        pytest.param(0, 1, BatchClosed, "it has expired", id="expired-but-unbooked"),
        pytest.param(1, 11, BatchClosed, r"it has fewer credits \(10 left\)", id="too-few"),
        pytest.param(None, 1, NotFound, "no batch with credits left in acme", id="unknown"),
        pytest.param("bolt", 1, NotFound, "no batch with credits left in acme", id="of-another-account"),
    ],
)
def test_a_correction_cannot_take_what_is_not_there(
    prepared: Ledger, which: int | str | None, credits: int, error: type[Exception], why: str
) -> None:
    open_account(prepared, "bolt")
    (foreign,) = grant(prepared, "bolt").new_batches
    batch_id = {None: 10**9, "bolt": foreign.id}.get(which) or batch_ids(prepared)[int(which or 0)]
    before = all_rows(prepared)
    with pytest.raises(error, match=why):
        adjust(prepared, credits=-credits, batch_id=batch_id)
    assert all_rows(prepared) == before


def test_the_sweep_books_an_expiry_at_the_batchs_own_end(prepared: Ledger, clock: FixedClock) -> None:
    clock.advance(timedelta(days=100))
    receipt = prepared.execute(ExpireDue("acme"), actor=SYSTEM, key="sweep")
    first, second, _ = all_rows(prepared)["batch"]
    expired = [row for row in all_rows(prepared)["entry"] if row["to_bucket"] == "expired"]
    assert [(row["batch_id"], row["effective_at"]) for row in expired] == [
        (first["id"], first["expires_at"]),
        (second["id"], second["expires_at"]),
    ]
    assert sum(take.amount_micro for take in receipt.takes) == 20 * MICRO
    # Nobody could use them any more: for people the sweep changes nothing.
    assert receipt.available_before_micro == receipt.available_after_micro == 100 * MICRO
    assert receipt.balance_before_micro == receipt.balance_after_micro == 100 * MICRO


def test_a_sweep_with_nothing_to_do_writes_nothing_and_keeps_its_key(prepared: Ledger, clock: FixedClock) -> None:
    prepared.execute(ExpireDue("acme"), actor=SYSTEM, key="first")
    before = all_rows(prepared)
    idle = prepared.execute(ExpireDue("acme"), actor=SYSTEM, key="second")
    assert (idle.transaction_id, idle.replayed, idle.takes) == (None, False, ())
    assert all_rows(prepared) == before
    clock.advance(timedelta(days=100))
    assert prepared.execute(ExpireDue("acme"), actor=SYSTEM, key="second").transaction_id is not None


def test_only_what_is_left_expires(ledger: Ledger, clock: FixedClock) -> None:
    open_account(ledger)
    price_feature(ledger)
    grant(ledger, credits=10)
    use(ledger, quantity=4)
    clock.advance(timedelta(days=100))
    receipt = ledger.execute(ExpireDue("acme"), actor=SYSTEM, key="sweep")
    assert [take.amount_micro for take in receipt.takes] == [6 * MICRO]


def test_the_version_of_an_account_moves_with_every_write(prepared: Ledger) -> None:
    def version() -> int:
        return next(row["version"] for row in all_rows(prepared)["account"] if row["external_id"] == "acme")

    seen = [version()]
    for number, command in enumerate(COMMANDS):
        (content,) = command.values
        prepared.execute(content, actor=ADMIN, key=f"k{number}")
        seen.append(version())
    # Opening another account and pricing a feature touch nothing of this one.
    assert [b - a for a, b in pairwise(seen)] == [0, 1, 0, 1, 1, 1, 1, 1, 1]


def test_a_customer_keeps_what_was_not_changed(ledger: Ledger) -> None:
    open_account(ledger, name="Acme")
    ledger.execute(
        ChangeCustomer("acme", name="  Acme Corp ", account_type=AccountType.HYBRID, details={"size": 5}),
        actor=ADMIN,
        key="k",
    )
    (row,) = all_rows(ledger)["customer"]
    changed = (row["name"], row["account_type"], row["details"], row["tier"], row["email"])
    assert changed == ("Acme Corp", "hybrid", {"size": 5}, "pro", "billing@acme.example")


SETUP_FAULTS = [
    pytest.param(OpenAccount("acme", "Again"), {"account"}, id="account-exists"),
    pytest.param(OpenAccount("", ""), {"account", "name"}, id="no-id-and-no-name"),
    pytest.param(OpenAccount(" bolt", "Bolt"), {"account"}, id="space-before-the-id"),
    pytest.param(OpenAccount("bolt", "Bolt", zone="Europe/Atlantis"), {"zone"}, id="unknown-zone"),
    pytest.param(OpenAccount("bolt", "Bolt", email="nobody"), {"email"}, id="no-address"),
    pytest.param(OpenAccount("bolt", "Bolt", stripe_id="cus_1"), {"stripe_id"}, id="open-with-a-taken-stripe-id"),
    pytest.param(ChangeCustomer("acme", stripe_id="cus_1"), {"stripe_id"}, id="change-to-a-taken-stripe-id"),
    pytest.param(ChangeCustomer("acme", name=" ", email="x"), {"name", "email"}, id="change-to-nothing"),
    pytest.param(SetFeaturePrice("", 0, unit=""), {"feature", "price", "unit"}, id="price-of-nothing"),
    pytest.param(SetFeaturePrice("images", MICRO, effective_at=NOW), {"effective_at"}, id="a-second-price-at-once"),
]


@pytest.mark.parametrize(("command", "fields"), SETUP_FAULTS)
def test_setting_up_is_refused_with_its_faults(untouched: Ledger, command: Command, fields: set[str]) -> None:
    before = all_rows(untouched)
    with pytest.raises(InvalidCommand) as refused:
        untouched.execute(command, actor=ADMIN, key="k")
    assert {fault.field for fault in refused.value.faults} == fields
    assert all_rows(untouched) == before


def test_a_customer_may_keep_its_own_stripe_id(ledger: Ledger) -> None:
    ledger.execute(OpenAccount("core", "Core", stripe_id="cus_1"), actor=ADMIN, key="1")
    ledger.execute(ChangeCustomer("core", stripe_id="cus_1", tier="pro"), actor=ADMIN, key="2")
    assert all_rows(ledger)["customer"][0]["tier"] == "pro"


def test_changing_an_unknown_customer_is_refused(ledger: Ledger) -> None:
    with pytest.raises(NotFound, match="no account 'nobody'"):
        ledger.execute(ChangeCustomer("nobody", tier="pro"), actor=ADMIN, key="k")
