"""Transfers, gift codes and pools from the command line: `python -m service.cli transfer`, `… gift-codes VERB`, …"""

import uuid
from datetime import date

import click

from analytics import frames
from ledger import (
    ChangeCustomer,
    CreditType,
    DisableGiftCodes,
    GiftCredits,
    IssueGiftCodes,
    OpenPool,
    PoolMember,
    Reason,
    RedeemGiftCode,
    SetPoolMembers,
    TransferCredits,
    micro_to_text,
)
from ledger.codes import make_codes, prefix_fault
from ledger.core.lifecycle import end_of_day
from service import show
from service.cli_kit import me, opened_ledger, refusing_clearly, run
from service.cli_words import CREDITS, DAY

KEY = click.option("--key", help="The same key books once; a new one unless given.")
NOTE = click.option("--note", required=True, help="Why, in at least 10 characters.")
REASON_CODE = click.option("--reason", "code", default="contract", show_default=True, help="Reason code.")
TICKET = click.option("--ticket", default="")
UNPAID = click.Choice([kind.value for kind in CreditType if kind is not CreditType.PURCHASED])


@click.command()
@click.argument("account_id")
@click.argument("name")
@KEY
@refusing_clearly
def organisation(account_id: str, name: str, key: str | None) -> None:
    """Put a customer or a pool into an organisation; credits move between accounts of one. "" takes it out."""
    run(opened_ledger(), ChangeCustomer(account_id, organisation=name), key)


@click.command()
@click.argument("account_id")
@click.argument("to")
@click.argument("credits", type=CREDITS)
@click.option("--batch", type=int, help="Take from this batch alone; else in burn order.")
@click.option("--message", help="Makes it a gift; kept with the credits.")
@REASON_CODE
@NOTE
@TICKET
@KEY
@refusing_clearly
def transfer(
    account_id: str,
    to: str,
    credits: int,
    batch: int | None,
    message: str | None,
    code: str,
    note: str,
    ticket: str,
    key: str | None,
) -> None:
    """Move credits to another account; they keep type, dates, origin and cost."""
    reason = Reason(code, note, ticket)
    if message is None:
        run(opened_ledger(), TransferCredits(account_id, to, credits, reason, batch), key)
    else:
        run(opened_ledger(), GiftCredits(account_id, to, credits, reason, message, batch), key)


@click.group("gift-codes")
def gift_codes() -> None:
    """Codes that give credits once."""


@gift_codes.command()
@click.argument("label")
@click.argument("count", type=click.IntRange(1, 10_000))
@click.argument("credits", type=CREDITS)
@click.argument("credit_type", type=UNPAID, default="promotional")
@click.option("--prefix", default="", help="What the codes begin with.")
@click.option("--through", type=DAY, help="Last day on which they can be redeemed; no end unless given.")
@click.option("--days", type=int, help="Days that redeemed credits live; the default of the type unless given.")
@click.option("--per-customer", default=1, show_default=True, help="Codes that one customer may redeem.")
@REASON_CODE
@NOTE
@TICKET
@refusing_clearly
def issue(
    label: str,
    count: int,
    credits: int,
    credit_type: str,
    prefix: str,
    through: date | None,
    days: int | None,
    per_customer: int,
    code: str,
    note: str,
    ticket: str,
) -> None:
    """Make COUNT codes of CREDITS each. The codes go to standard output, once, and are stored nowhere."""
    if fault := prefix_fault(prefix):
        raise click.BadParameter(fault, param_hint="--prefix")
    ledger = opened_ledger()
    codes = make_codes(count, prefix=prefix)
    command = IssueGiftCodes(
        label,
        CreditType(credit_type),
        credits,
        tuple(one.code_hash for one in codes),
        tuple(one.hint for one in codes),
        Reason(code, note, ticket),
        valid_until=None if through is None else end_of_day(through, ledger.company_zone),
        expires_days=days,
        per_customer_limit=per_customer,
    )
    # No key can be given: codes are made anew each time, so no two calls are the same act.
    receipt = ledger.execute(command, actor=me(), key=f"cli:{uuid.uuid4()}")
    click.echo(f"{show.receipt_line(receipt)}; set {receipt.subject_id}", err=True)
    for one in codes:
        click.echo(one.text)


@gift_codes.command()
@click.argument("account_id")
@click.argument("gift_code")
@KEY
@refusing_clearly
def redeem(account_id: str, gift_code: str, key: str | None) -> None:
    """Give a customer the credits of a code."""
    run(opened_ledger(), RedeemGiftCode(account_id, gift_code), key)


@gift_codes.command()
@click.argument("set_id", type=int)
@click.option("--code-no", type=int, help="Only this code, by its number in `list SET_ID`.")
@REASON_CODE
@NOTE
@TICKET
@KEY
@refusing_clearly
def disable(set_id: int, code_no: int | None, code: str, note: str, ticket: str, key: str | None) -> None:
    """Make what is left of a set, or one code, worthless."""
    run(opened_ledger(), DisableGiftCodes(set_id, Reason(code, note, ticket), code_no), key)


@gift_codes.command("list")
@click.argument("set_id", type=int, required=False)
@refusing_clearly
def list_codes(set_id: int | None) -> None:
    """Sets with what is left of them, or the codes of one set by their last characters."""
    ledger = opened_ledger()
    with ledger.database.reading() as connection:
        if set_id is not None:
            found = frames.load_codes(connection, set_id, limit=None)
            names = {"code_id": "no.", "hint": "ends in", "state": "state", "account": "redeemed by"}
            show.table(found, names | {"redeemed_at": "redeemed"})
            return
        found = frames.load_code_sets(connection, at=ledger.clock.now(), limit=None)
    show.table(
        found,
        {
            "set_id": "set",
            "label": "for",
            "state": "state",
            "amount_micro": "credits each",
            "codes": "codes",
            "redeemed": "redeemed",
            "left": "left",
            "valid_until": "until",
        },
    )


@click.group()
def pool() -> None:
    """Accounts that members share, each within limits."""


@pool.command("open")
@click.argument("account_id")
@click.argument("name")
@click.option("--organisation", default="", help="Credits move between accounts of one organisation.")
@click.option("--zone", default="UTC", show_default=True, help="Hours, days and months of limits are cut in it.")
@click.option("--owner", default="", help="E-mail of the account manager.")
@KEY
@refusing_clearly
def open_pool(account_id: str, name: str, organisation: str, zone: str, owner: str, key: str | None) -> None:
    """Open a pool."""
    run(opened_ledger(), OpenPool(account_id, name, organisation, zone, owner), key)


@pool.command("member")
@click.argument("account_id")
@click.argument("member")
@click.option("--label", default="", help="Name for people.")
@click.option("--hour", type=CREDITS, help="Limit per hour; none unless given.")
@click.option("--day", type=CREDITS, help="Limit per day; none unless given.")
@click.option("--month", type=CREDITS, help="Limit per month; none unless given.")
@click.option("--inactive", is_flag=True, help="May not use the pool.")
@KEY
@refusing_clearly
def set_member(
    account_id: str,
    member: str,
    label: str,
    hour: int | None,
    day: int | None,
    month: int | None,
    inactive: bool,
    key: str | None,
) -> None:
    """Add a member or change one: all limits as given here."""
    one = PoolMember(member, label, hour, day, month, is_active=not inactive)
    run(opened_ledger(), SetPoolMembers(account_id, (one,)), key)


@pool.command("list")
@click.argument("account_id", required=False)
@refusing_clearly
def list_pools(account_id: str | None) -> None:
    """Pools with what they have, or the members of one pool with limits and use."""
    ledger = opened_ledger()
    at = ledger.clock.now()
    since = frames.today(at, ledger.company_zone).replace(day=1)
    with ledger.database.reading() as connection:
        if account_id is None:
            found = frames.load_pools(connection, at=at, since=since)
            names = {"account": "pool", "name": "name", "organisation": "organisation", "members": "members"}
            show.table(found, names | {"available_micro": "available", "used_micro": "used this month"})
            click.echo(f"available: {micro_to_text(int(found['available_micro'].sum()))}")
            return
        zone = frames.load_customer(connection, account_id).zone
        members = frames.load_members(connection, account=account_id, at=at, zone=zone)
    columns = {"member": "member", "label": "name", "is_active": "active"}
    for period in ("hour", "day", "month"):
        columns |= {f"{period}_used_micro": f"used {period}", f"{period}_limit_micro": f"limit {period}"}
    show.table(members, columns)
