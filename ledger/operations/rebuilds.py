"""Putting the totals of an account right when they are not what its entries say."""

from dataclasses import dataclass
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from ledger.commands import Before, Command, Outcome, Reason, effect, text_faults
from ledger.context import Context
from ledger.core.policy import Permission
from ledger.errors import Fault
from ledger.models import account, batch, usage_daily
from ledger.rebuild import Difference, differences
from ledger.statements import Prepared

_TABLES = {table.name: table for table in (account, batch, usage_daily)}


@dataclass(frozen=True, slots=True)
class RebuildTotals(Command):
    """Set the totals of an account, its batches and its daily rollup to what the entries say.

    Does nothing when they agree. The receipt notes each figure that was changed, with what it was before.
    """

    kind: ClassVar[str] = "rebuild"
    permission: ClassVar[Permission] = Permission.RUN_JOBS

    account: str
    reason: Reason

    def faults(self) -> list[Fault]:
        return text_faults("account", self.account) + self.reason.faults()


def rebuild_totals(context: Context, command: RebuildTotals) -> Outcome:
    state, _ = context.load(command.account)

    def ask(statement: sa.Select[Any]) -> list[tuple[Any, ...]]:
        return context.work.fetch((Prepared(statement), {}))[0]

    found = list(
        differences(
            ask,
            is_sqlite=not context.work.is_postgresql,
            zone=context.company_zone,
            account_name=command.account,
        )
    )
    for one in found:
        context.queue(*_repair(one, is_postgresql=context.work.is_postgresql))
    if found:
        touch = sa.update(account).where(account.c.id == state.id).values(version=account.c.version + 1)
        context.queue(Prepared(touch), {})
        nothing = (usage_daily.c.used_micro == 0) & (usage_daily.c.events == 0)
        context.queue(Prepared(sa.delete(usage_daily).where(usage_daily.c.account_id == state.id, nothing)), {})
    before = Before.of(state, context.at)
    notes = tuple(
        f"{one.table} {'/'.join(map(str, one.key))} {one.column}: {one.stated_micro} -> {one.proven_micro}"
        for one in found
    )
    receipt = effect(command.kind, state, context.at, before, notes=notes)
    return Outcome(receipt, state.id, context.at, command.reason, nothing_to_do=not found)


def _repair(one: Difference, *, is_postgresql: bool) -> tuple[Prepared, dict[str, Any]]:
    table = _TABLES[one.table]
    columns = list(table.primary_key.columns)
    if one.table != usage_daily.name:
        change = sa.update(table).where(columns[0] == one.key[0]).values({one.column: one.proven_micro})
        return Prepared(change), {}
    # The row of a day may be missing altogether.
    values = {column.name: part for column, part in zip(columns, one.key, strict=True)}
    insert = (postgresql if is_postgresql else sqlite).insert(table)
    other = "events" if one.column == "used_micro" else "used_micro"
    row = insert.values({**values, one.column: one.proven_micro, other: 0}).on_conflict_do_update(
        index_elements=columns, set_={one.column: one.proven_micro}
    )
    return Prepared(row), {}
