"""Credits that move to another account stay what they are, and nothing is lost or made on the way."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger import (
    MICRO,
    Actor,
    BatchClosed,
    Command,
    CreditType,
    GiftCredits,
    InsufficientCredits,
    InvalidCommand,
    IssueGrant,
    Ledger,
    Money,
    NotAllowedNow,
    NotFound,
    NotPermitted,
    Permission,
    PlaceHold,
    Reason,
    Role,
    TransferCredits,
)
from ledger.clock import FixedClock
from ledger.context import Rules
from ledger.core.amounts import share_of_cost_cents
from tests.kit.factories import ADMIN, NOW, REASON, allow_overdraft, fresh_key, grant, price_feature, top_up, use
from tests.kit.sharing import gift, open_sister, transfer
from tests.operations.books import all_rows, audit, row_counts


@pytest.fixture
def sisters(ledger: Ledger) -> Ledger:
    """Acme and bolt of one organisation, acme with 100 paid credits for 10.00 EUR, and a price."""
    open_sister(ledger, "acme")
    open_sister(ledger, "bolt", zone="Asia/Tokyo")
    price_feature(ledger)
    top_up(ledger, credits=100, price=Money(1000, "EUR"), reference="INV-1")
    return ledger


def batches_of(ledger: Ledger, account: str) -> list[dict[str, Any]]:
    rows = all_rows(ledger)
    (id_,) = (row["id"] for row in rows["account"] if row["external_id"] == account)
    return [row for row in rows["batch"] if row["account_id"] == id_]


def test_credits_arrive_as_what_they_were(sisters: Ledger) -> None:
    command = IssueGrant(
        "acme",
        CreditType.PROMOTIONAL,
        30 * MICRO,
        REASON,
        campaign="Spring",
        source="fair",
        expires_on=date(2026, 5, 1),
        priority=-2,
        features=("images",),
        details={"booth": 7},
    )
    sisters.execute(command, actor=ADMIN, key="scoped")
    receipt = transfer(sisters, credits=50)
    assert [(take.credit_type.value, take.amount_micro) for take in receipt.takes] == [
        ("promotional", 30 * MICRO),
        ("purchased", 20 * MICRO),
    ]
    assert (receipt.available_before_micro, receipt.available_after_micro) == (130 * MICRO, 80 * MICRO)
    assert receipt.counterpart == "bolt"
    assert (receipt.counterpart_before_micro, receipt.counterpart_available_micro) == (0, 50 * MICRO)
    kept = ("credit_type", "effective_at", "expires_at", "priority", "features", "campaign", "source", "reference")
    for there, here in zip(batches_of(sisters, "bolt"), batches_of(sisters, "acme")[::-1], strict=True):
        assert [there[name] for name in kept] == [here[name] for name in kept]
        assert there["parent_id"] == here["id"]
        assert there["details"] == here["details"] | {"transfer": {"kind": "transfer", "from": "acme"}}
        assert there["granted_at"] == NOW
    assert [row["cost_cents"] for row in batches_of(sisters, "bolt")] == [None, 200]
    assert [new.id for new in receipt.new_batches] == [row["id"] for row in batches_of(sisters, "bolt")]


def test_both_sides_are_in_one_transaction(sisters: Ledger) -> None:
    receipt = transfer(sisters, credits=10)
    names = {row["id"]: row["external_id"] for row in all_rows(sisters)["account"]}
    lines = [
        (names[row["account_id"]], row["from_bucket"], row["to_bucket"], row["amount_micro"])
        for row in all_rows(sisters)["entry"]
        if row["transaction_id"] == receipt.transaction_id
    ]
    assert lines == [
        ("acme", "available", "transferred", 10 * MICRO),
        ("bolt", "transferred", "available", 10 * MICRO),
    ]


def test_a_gift_keeps_its_message_with_the_credits(sisters: Ledger) -> None:
    gift(sisters, message=" Happy birthday ")
    (row,) = batches_of(sisters, "bolt")
    assert row["details"]["transfer"] == {"kind": "gift", "from": "acme", "message": "Happy birthday"}


def test_credits_can_be_taken_from_one_batch(sisters: Ledger, clock: FixedClock) -> None:
    early = grant(sisters, credits=5).new_batches[0]
    later = grant(sisters, credits=7, effective_at=NOW + timedelta(days=3)).new_batches[0]
    paid = batches_of(sisters, "acme")[0]["id"]
    assert [take.batch_id for take in transfer(sisters, credits=1).takes] == [early.id]
    assert [take.batch_id for take in transfer(sisters, credits=1, batch_id=paid).takes] == [paid]
    # Credits that are not effective yet move when they are named, and stay so.
    (moved,) = transfer(sisters, credits=7, batch_id=later.id).new_batches
    assert moved.effective_at == later.effective_at
    clock.advance(timedelta(days=100))
    with pytest.raises(BatchClosed, match="it has expired"):
        transfer(sisters, credits=1, batch_id=early.id)
    with pytest.raises(NotFound, match="batch of acme, '999'"):
        transfer(sisters, credits=1, batch_id=999)


def test_what_is_held_stays(sisters: Ledger) -> None:
    sisters.execute(PlaceHold("acme", "job-1", "images", 60 * MICRO), actor=ADMIN, key="hold")
    with pytest.raises(InsufficientCredits) as refused:
        transfer(sisters, credits=41)
    assert refused.value.available_micro == 40 * MICRO
    with pytest.raises(BatchClosed, match="the rest is held"):
        transfer(sisters, credits=41, batch_id=batches_of(sisters, "acme")[0]["id"])
    assert transfer(sisters, credits=40).available_after_micro == 0


def owe(ledger: Ledger, account: str, credits: int) -> None:
    """Let an account use more than it has."""
    allow_overdraft(ledger, account, credits)
    use(ledger, account, quantity=credits)


def test_the_receiver_repays_its_debt_first(sisters: Ledger) -> None:
    owe(sisters, "bolt", 15)
    receipt = transfer(sisters, credits=20)
    assert receipt.counterpart_available_micro == 5 * MICRO
    (row,) = (row for row in all_rows(sisters)["account"] if row["external_id"] == "bolt")
    assert row["owed_micro"] == 0


def test_who_owes_cannot_give(sisters: Ledger) -> None:
    transfer(sisters, credits=100)
    owe(sisters, "acme", 15)
    before = row_counts(sisters)
    with pytest.raises(NotAllowedNow, match="owes 15 credits"):
        transfer(sisters, credits=1)
    assert row_counts(sisters) == before


@pytest.mark.parametrize(("mine", "theirs"), [("", ""), ("north", ""), ("north", "south")])
def test_only_accounts_of_one_organisation_exchange_credits(ledger: Ledger, mine: str, theirs: str) -> None:
    open_sister(ledger, "acme", organisation=mine)
    open_sister(ledger, "bolt", organisation=theirs)
    grant(ledger)
    before = row_counts(ledger)
    with pytest.raises(NotAllowedNow, match="TRANSFER_SCOPE=company"):
        transfer(ledger)
    assert row_counts(ledger) == before
    ledger.rules = Rules(transfer_scope="company")
    assert transfer(ledger).counterpart_available_micro == 10 * MICRO


GOOD = TransferCredits("acme", "bolt", MICRO, REASON)
WRONG: list[tuple[Command, str]] = [
    (TransferCredits("acme", "acme", MICRO, REASON), "to: is the account itself"),
    (TransferCredits("acme", "", MICRO, REASON), "to: must not be empty"),
    (TransferCredits("acme", "bolt", 0, REASON), "amount: must be more than 0"),
    (TransferCredits("acme", "bolt", MICRO, Reason("", "short")), "reason: choose"),
    (GiftCredits("acme", "bolt", MICRO, REASON, " "), "message: must not be empty"),
    (GiftCredits("acme", "bolt", MICRO, REASON, "x" * 501), "message: has 501"),
]


@pytest.mark.parametrize(("command", "complaint"), WRONG, ids=lambda one: one if isinstance(one, str) else "")
def test_a_wrong_command_is_refused(untouched: Ledger, command: Command, complaint: str) -> None:
    before = row_counts(untouched)
    with pytest.raises(InvalidCommand, match=complaint):
        untouched.execute(command, actor=ADMIN, key=fresh_key())
    assert row_counts(untouched) == before


def test_an_unknown_account_is_refused_on_either_side(untouched: Ledger) -> None:
    for command in (TransferCredits("nobody", "acme", MICRO, REASON), TransferCredits("acme", "nobody", MICRO, REASON)):
        with pytest.raises(NotFound, match="nobody"):
            untouched.execute(command, actor=ADMIN, key=fresh_key())


@pytest.mark.parametrize("role", Role)
def test_roles(sisters: Ledger, role: Role) -> None:
    actor = Actor(f"{role}@example.com", role)
    if role in (Role.ADMIN, Role.SYSTEM):
        sisters.execute(GOOD, actor=actor, key="k")
        return
    with pytest.raises(NotPermitted):
        sisters.execute(GOOD, actor=actor, key="k")
    # An account manager may see what would happen, to ask for it.
    if role is Role.ACCOUNT_MANAGER:
        assert sisters.preview(GOOD, actor=actor).needs_approval
    assert Permission.TRANSFER is GOOD.permission


def test_a_preview_says_what_execution_does_and_a_key_is_used_once(sisters: Ledger) -> None:
    before = row_counts(sisters)
    preview = sisters.preview(GOOD, actor=ADMIN)
    assert row_counts(sisters) == before
    receipt = sisters.execute(GOOD, actor=ADMIN, key="k")
    # The rolled back preview used up ids on PostgreSQL, nothing else differs.
    assert (preview.takes, preview.counterpart_available_micro) == (receipt.takes, receipt.counterpart_available_micro)
    booked = all_rows(sisters)
    assert sisters.execute(GOOD, actor=ADMIN, key="k") == receipt.as_replayed()
    assert sisters.receipt(actor=ADMIN, key="k") == receipt.as_replayed()
    assert all_rows(sisters) == booked


def test_a_transfer_weighs_what_it_moves(sisters: Ledger) -> None:
    sisters.rules = Rules(approval_limit_micro=9 * MICRO)
    assert sisters.preview(TransferCredits("acme", "bolt", 10 * MICRO, REASON), actor=ADMIN).needs_approval
    assert not sisters.preview(TransferCredits("acme", "bolt", 9 * MICRO, REASON), actor=ADMIN).needs_approval


def cost_left(ledger: Ledger) -> int:
    """Cost basis of everything paid that is left anywhere, in cents."""
    return sum(
        share_of_cost_cents(row["cost_cents"], part_micro=row["remaining_micro"], whole_micro=row["granted_micro"])
        for row in all_rows(ledger)["batch"]
        if row["cost_cents"] is not None
    )


MOVES = st.lists(
    st.tuples(st.sampled_from(["acme", "bolt", "core"]), st.sampled_from(["acme", "bolt", "core"]), st.integers(1, 60)),
    max_size=12,
)


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(MOVES)
def test_chains_of_transfers_lose_neither_credits_nor_cents(ledger: Ledger, moves: list[tuple[str, str, int]]) -> None:
    names = {name: f"{name}-{fresh_key()}" for name in ("acme", "bolt", "core")}
    for name in names.values():
        open_sister(ledger, name)
    # Prices that no part divides evenly.
    top_up(ledger, names["acme"], credits=97, price=Money(1009, "EUR"))
    top_up(ledger, names["bolt"], credits=31, price=Money(7, "EUR"), expires_on=date(2026, 6, 1))
    grant(ledger, names["core"], credits=11)
    micro, cents = on_shelves(ledger), cost_left(ledger)
    for account, to, credits in moves:
        if account != to:
            try:
                transfer(ledger, names[account], names[to], credits)
            except InsufficientCredits:
                continue
        assert (on_shelves(ledger), cost_left(ledger)) == (micro, cents)
    assert audit(ledger) == []


def on_shelves(ledger: Ledger) -> int:
    return sum(row["available_micro"] for row in all_rows(ledger)["account"])


def test_credits_that_came_back_are_used_like_any_other(sisters: Ledger, clock: FixedClock) -> None:
    transfer(sisters, credits=30)
    transfer(sisters, "bolt", "acme", 10)
    assert cost_left(sisters) == 1000
    use(sisters, quantity=80)
    use(sisters, "bolt", quantity=20)
    assert cost_left(sisters) == 0
    clock.set(datetime.fromisoformat("2027-06-01T00:00+00:00"))
    assert audit(sisters) == []
