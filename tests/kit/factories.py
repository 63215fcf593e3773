"""Accounts, credits and usage with safe defaults: a test names only what it is about.

Amounts here are whole credits, the way a person says them; the ledger's own micro-credits appear in assertions.
"""

from datetime import UTC, date, datetime, timedelta
from itertools import count

from ledger import (
    MICRO,
    AccountType,
    Actor,
    AdjustBalance,
    ApproveOverdraft,
    AskApproval,
    Batch,
    Command,
    CreditType,
    DecideApproval,
    ExtendExpiry,
    IssueGrant,
    Ledger,
    Money,
    OpenAccount,
    Reason,
    Receipt,
    RecordTopUp,
    RecordUsage,
    RefundPurchase,
    ReverseTransaction,
    Role,
    SetFeaturePrice,
    StartPlan,
    UsageEvent,
    VoidBatch,
)

# The instant of the `clock` fixture.
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
ADMIN = Actor("ada@example.com", Role.ADMIN)
# The other admin, who decides about what ada asks for.
BEA = Actor("bea@example.com", Role.ADMIN)
REASON = Reason("goodwill", "an example in a test")

_numbers = count(1)


def fresh_key(what: str = "test") -> str:
    """A key that nobody used before, because most tests are not about keys."""
    return f"{what}-{next(_numbers)}"


def make_batch(
    *,
    id: int | None = None,
    credit_type: CreditType = CreditType.PURCHASED,
    credits: int = 100,
    held: int = 0,
    expires_in_days: float | None = 30,
    starts_in_days: float = -30,
    priority: int = 0,
    at: datetime = NOW,
) -> Batch:
    """A batch for the pure core, without a database."""
    return Batch(
        id=next(_numbers) if id is None else id,
        credit_type=credit_type,
        remaining_micro=credits * MICRO,
        held_micro=held * MICRO,
        priority=priority,
        effective_at=at + timedelta(days=starts_in_days),
        expires_at=None if expires_in_days is None else at + timedelta(days=expires_in_days),
    )


def open_account(
    ledger: Ledger,
    account: str = "acme",
    *,
    name: str | None = None,
    zone: str = "Europe/Berlin",
    tier: str = "pro",
    owner: str = "mara@example.com",
    account_type: AccountType = AccountType.PREPAID,
    key: str | None = None,
) -> Receipt:
    """Open an account for a customer."""
    command = OpenAccount(
        account=account,
        name=account.replace("-", " ").title() if name is None else name,
        email=f"billing@{account}.example",
        zone=zone,
        tier=tier,
        owner=owner,
        account_type=account_type,
    )
    return ledger.execute(command, actor=ADMIN, key=key or fresh_key("open"))


def grant(
    ledger: Ledger,
    account: str = "acme",
    credits: int = 100,
    *,
    credit_type: CreditType = CreditType.PROMOTIONAL,
    expires_on: date | None = None,
    never_expires: bool = False,
    effective_at: datetime | None = None,
    priority: int = 0,
    features: tuple[str, ...] = (),
    campaign: str = "",
    reason: Reason = REASON,
    actor: Actor = ADMIN,
    key: str | None = None,
) -> Receipt:
    """Give credits that nobody pays for."""
    command = IssueGrant(
        account=account,
        credit_type=credit_type,
        amount_micro=credits * MICRO,
        reason=reason,
        campaign=campaign,
        expires_on=expires_on,
        never_expires=never_expires,
        effective_at=effective_at,
        priority=priority,
        features=features,
    )
    return ledger.execute(command, actor=actor, key=key or fresh_key("grant"))


def top_up(
    ledger: Ledger,
    account: str = "acme",
    credits: int = 100,
    *,
    price: Money | None = None,
    reference: str | None = None,
    expires_on: date | None = None,
    key: str | None = None,
) -> Receipt:
    """Book credits that were paid for; one cent each unless a price is given."""
    command = RecordTopUp(
        account=account,
        amount_micro=credits * MICRO,
        price=Money(credits, "EUR") if price is None else price,
        reference=fresh_key("transfer") if reference is None else reference,
        reason=REASON,
        expires_on=expires_on,
    )
    return ledger.execute(command, actor=ADMIN, key=key or fresh_key("top-up"))


def adjust(
    ledger: Ledger, account: str = "acme", credits: int = -10, *, batch_id: int | None = None, key: str | None = None
) -> Receipt:
    """Correct a balance by hand, down unless the number is positive."""
    command = AdjustBalance(account=account, amount_micro=credits * MICRO, reason=REASON, batch_id=batch_id)
    return ledger.execute(command, actor=ADMIN, key=key or fresh_key("adjust"))


def price_feature(
    ledger: Ledger, feature: str = "images", credits: int = 1, *, effective_at: datetime | None = None
) -> Receipt:
    """Set what one use of a feature costs; in force since long ago unless said otherwise."""
    since = datetime(2020, 1, 1, tzinfo=UTC) if effective_at is None else effective_at
    command = SetFeaturePrice(feature=feature, price_micro=credits * MICRO, effective_at=since)
    return ledger.execute(command, actor=ADMIN, key=fresh_key("price"))


def use(
    ledger: Ledger,
    account: str = "acme",
    quantity: int = 1,
    *,
    feature: str = "images",
    occurred_at: datetime | None = None,
    event_id: str | None = None,
    key: str | None = None,
) -> Receipt:
    """Use a feature, which `price_feature` has to have priced."""
    event = UsageEvent(
        event_id=fresh_key("event") if event_id is None else event_id,
        feature=feature,
        occurred_at=ledger.clock.now() if occurred_at is None else occurred_at,
        quantity_micro=quantity * MICRO,
    )
    return ledger.execute(RecordUsage(account=account, event=event), actor=ADMIN, key=key or fresh_key("use"))


def approve(ledger: Ledger, command: Command, *, asker: Actor = ADMIN, decider: Actor = BEA) -> Receipt:
    """One person asks for a command and another lets it happen; the receipt is the command's."""
    asked = ledger.execute(AskApproval(command), actor=asker, key=fresh_key("ask"))
    assert asked.approval_id is not None
    return decide(ledger, asked.approval_id, actor=decider)


def decide(ledger: Ledger, request: int, *, approve: bool = True, actor: Actor = BEA) -> Receipt:
    """Another person decides about a request."""
    return ledger.execute(DecideApproval(request, approve, "decided in a test"), actor=actor, key=fresh_key("decide"))


def allow_overdraft(
    ledger: Ledger, account: str = "acme", credits: int = 100, *, until: datetime | None = None
) -> Receipt:
    """Let an account owe so many credits, as two people do it."""
    return approve(ledger, ApproveOverdraft(account, credits * MICRO, until, REASON))


def refund(
    ledger: Ledger, account: str = "acme", batch_id: int = 1, credits: int | None = None, *, key: str | None = None
) -> Receipt:
    """Refund credits of a paid batch, all that is free unless a number is given."""
    amount = None if credits is None else credits * MICRO
    return ledger.execute(
        RefundPurchase(account, batch_id, amount, REASON), actor=ADMIN, key=key or fresh_key("refund")
    )


def void(ledger: Ledger, account: str = "acme", batch_id: int = 1, *, key: str | None = None) -> Receipt:
    """Take away what is left of a batch."""
    return ledger.execute(VoidBatch(account, batch_id, REASON), actor=ADMIN, key=key or fresh_key("void"))


def reverse(ledger: Ledger, booked: Receipt | int, *, key: str | None = None) -> Receipt:
    """Take back what a transaction did, given by its receipt or its number."""
    number = booked if isinstance(booked, int) else booked.transaction_id
    assert number is not None
    return ledger.execute(ReverseTransaction(number, REASON), actor=ADMIN, key=key or fresh_key("reverse"))


def extend(
    ledger: Ledger,
    account: str = "acme",
    batch_id: int = 1,
    *,
    expires_on: date | None = None,
    key: str | None = None,
) -> Receipt:
    """Let a batch live through a day, or for ever when none is given."""
    command = ExtendExpiry(account, batch_id, REASON, expires_on=expires_on, never_expires=expires_on is None)
    return ledger.execute(command, actor=ADMIN, key=key or fresh_key("extend"))


def run(ledger: Ledger, command: Command, *, actor: Actor = ADMIN) -> Receipt:
    """Carry out a command under a key of its own."""
    return ledger.execute(command, actor=actor, key=fresh_key("run"))


def start_plan(ledger: Ledger, account: str = "acme", *, plan: str = "basic", anchor_day: int | None = None) -> Receipt:
    """Put a customer on a plan, which `seed_plans` has to have defined."""
    return run(ledger, StartPlan(account, plan, REASON, anchor_day=anchor_day))
