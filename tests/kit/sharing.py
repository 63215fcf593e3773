"""What goes between customers, with safe defaults: transfers, gift codes, pools with members."""

from datetime import datetime

from ledger import (
    MICRO,
    Actor,
    CreditType,
    GiftCredits,
    IssueGiftCodes,
    Ledger,
    OpenAccount,
    OpenPool,
    PoolMember,
    Receipt,
    RecordUsage,
    RedeemGiftCode,
    SetPoolMembers,
    TransferCredits,
    UsageEvent,
)
from ledger.codes import make_codes
from tests.kit.factories import ADMIN, REASON, fresh_key

ORGANISATION = "north"


def open_sister(ledger: Ledger, account: str, *, zone: str = "Europe/Berlin", organisation: str = ORGANISATION) -> None:
    """Open an account of an organisation whose accounts may exchange credits."""
    command = OpenAccount(account, account.title(), zone=zone, organisation=organisation)
    ledger.execute(command, actor=ADMIN, key=fresh_key("open"))


def transfer(
    ledger: Ledger,
    account: str = "acme",
    to: str = "bolt",
    credits: int = 10,
    *,
    batch_id: int | None = None,
    key: str | None = None,
) -> Receipt:
    """Move credits to another account."""
    command = TransferCredits(account, to, credits * MICRO, REASON, batch_id)
    return ledger.execute(command, actor=ADMIN, key=key or fresh_key("transfer"))


def gift(ledger: Ledger, credits: int = 10, *, message: str = "Thank you for the workshop") -> Receipt:
    """Give credits of acme to bolt, with a message."""
    command = GiftCredits("acme", "bolt", credits * MICRO, REASON, message)
    return ledger.execute(command, actor=ADMIN, key=fresh_key("gift"))


def issue_codes(
    ledger: Ledger,
    count: int = 3,
    credits: int = 50,
    *,
    label: str = "Spring fair",
    credit_type: CreditType = CreditType.PROMOTIONAL,
    valid_until: datetime | None = None,
    expires_days: int | None = None,
    per_customer_limit: int = 1,
    actor: Actor = ADMIN,
) -> tuple[int, list[str]]:
    """A set of gift codes: its id and the codes."""
    codes = make_codes(count)
    command = IssueGiftCodes(
        label,
        credit_type,
        credits * MICRO,
        tuple(code.code_hash for code in codes),
        tuple(code.hint for code in codes),
        REASON,
        valid_until=valid_until,
        expires_days=expires_days,
        per_customer_limit=per_customer_limit,
    )
    receipt = ledger.execute(command, actor=actor, key=fresh_key("codes"))
    assert receipt.subject_id is not None
    return receipt.subject_id, [code.text for code in codes]


def redeem(ledger: Ledger, code: str, account: str = "acme", *, key: str | None = None) -> Receipt:
    """Redeem a gift code."""
    return ledger.execute(RedeemGiftCode(account, code), actor=ADMIN, key=key or fresh_key("redeem"))


def limited(
    member: str, hour: int | None = None, day: int | None = None, month: int | None = None, *, is_active: bool = True
) -> PoolMember:
    """A member with limits in whole credits."""
    limits = [None if one is None else one * MICRO for one in (hour, day, month)]
    return PoolMember(member, member.title(), *limits, is_active=is_active)  # type: ignore[misc]


def open_pool(
    ledger: Ledger,
    *members: PoolMember,
    pool: str = "pool",
    zone: str = "Europe/Berlin",
    organisation: str = ORGANISATION,
) -> None:
    """Open a pool with members."""
    command = OpenPool(pool, pool.title(), organisation=organisation, zone=zone)
    ledger.execute(command, actor=ADMIN, key=fresh_key("pool"))
    if members:
        set_members(ledger, *members, pool=pool)


def set_members(ledger: Ledger, *members: PoolMember, pool: str = "pool") -> Receipt:
    """Add or change members."""
    return ledger.execute(SetPoolMembers(pool, members), actor=ADMIN, key=fresh_key("members"))


def use_as(
    ledger: Ledger, member: str, quantity: int = 1, *, pool: str = "pool", event_id: str | None = None
) -> Receipt:
    """Use a feature as a member of a pool."""
    event = UsageEvent(event_id or fresh_key("event"), "images", ledger.clock.now(), quantity * MICRO, member=member)
    return ledger.execute(RecordUsage(pool, event), actor=ADMIN, key=fresh_key("use"))
