"""Whether a use would be charged now, before it happens: a read that refuses as the charge would."""

from zoneinfo import ZoneInfo

import sqlalchemy as sa

from ledger.commands import text_faults
from ledger.core.amounts import MICRO
from ledger.core.limits import Member
from ledger.core.records import AccountKind
from ledger.errors import Fault, InsufficientCredits, InvalidCommand, NotAllowedNow, NotFound
from ledger.estimates import Estimate, estimate_cost
from ledger.facade import Ledger
from ledger.models import account as account_table
from ledger.operations.pools import member_at, refuse_beyond_limit


def require_affordable(
    ledger: Ledger,
    account: str,
    feature: str,
    *,
    quantity_micro: int = MICRO,
    complexity: str = "",
    member: str = "",
) -> Estimate:
    """What a use would cost now and which batches would pay; live holds keep their credits, an overdraft is counted.

    Raises what the charge would: InsufficientCredits, LimitReached for a member of a pool, NotFound, InvalidCommand,
    NotAllowedNow. Between this answer and the charge others may use the credits; a hold keeps them.
    """
    if faults := text_faults("account", account) + text_faults("member", member, required=False, longest=200):
        raise InvalidCommand(faults)
    estimate = estimate_cost(ledger, feature, quantity_micro=quantity_micro, complexity=complexity, account=account)
    who = _member(ledger, account, member, estimate)
    # As far as this cost goes: what batches and the overdraft would pay of it.
    usable = estimate.cost_micro - estimate.short_micro
    refuse_beyond_limit(who, estimate.cost_micro, available_micro=usable)
    if estimate.short_micro:
        raise InsufficientCredits(
            account=account,
            required_micro=estimate.cost_micro,
            available_micro=usable,
        )
    return estimate


def _member(ledger: Ledger, account: str, name: str, estimate: Estimate) -> Member | None:
    """Who of a pool would use it; None when the account is no pool."""
    with ledger.database.reading() as connection:
        found = connection.execute(
            sa.select(account_table.c.id, account_table.c.kind, account_table.c.zone).where(
                account_table.c.external_id == account
            )
        ).one()
        if found.kind != AccountKind.POOL:
            return None
        if not name:
            raise InvalidCommand([Fault("member", f"say who of the pool {account} it is; a pool needs a member")])
        member = member_at(connection, pool_id=found.id, zone=ZoneInfo(found.zone), name=name, at=estimate.at)
    if member is None:
        raise NotFound(what=f"member of {account},", id=name)
    if not member.is_active:
        raise NotAllowedNow(f"{name} is not active in the pool {account}; make the member active first.")
    return member
