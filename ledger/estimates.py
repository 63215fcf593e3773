"""What a use would cost and who would pay for it, before it happens: a read, nothing is booked or held."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

import sqlalchemy as sa

from ledger import queries
from ledger.commands import amount_faults, instant_faults, text_faults
from ledger.core.amounts import MICRO
from ledger.core.burn import available_micro, plan_consumption
from ledger.core.pricing import usage_cost_micro
from ledger.core.records import Batch, CreditType, Plan, Take
from ledger.errors import InvalidCommand, NotFound
from ledger.facade import Ledger
from ledger.models import account as account_table
from ledger.operations.charging import BUNDLE_IN_FORCE, PRICE_IN_FORCE, Price, price_of


@dataclass(frozen=True, slots=True)
class Estimate:
    """The cost of a use at an instant: the price version, the factor of its complexity, the discount of a bundle.

    Who would pay is known only of an account: ``available_micro`` serves the feature, ``takes`` in burn order, then
    ``owed_micro`` out of an approved overdraft; ``short_micro`` is what would be missing, so that the use is refused.
    """

    feature: str
    quantity_micro: int
    complexity: str
    at: datetime
    price_id: int
    price_micro: int
    factor_micro: int
    bundle_id: int | None
    discount_ppm: int
    cost_micro: int
    account: str | None = None
    available_micro: int = 0
    takes: tuple[Take, ...] = ()
    owed_micro: int = 0
    short_micro: int = 0

    @property
    def saved_micro(self) -> int:
        """What the bundle takes off."""
        full = usage_cost_micro(self.price_micro, self.quantity_micro, factor_micro=self.factor_micro)
        return full - self.cost_micro


def estimate_cost(
    ledger: Ledger,
    feature: str,
    *,
    quantity_micro: int = MICRO,
    complexity: str = "",
    account: str | None = None,
    at: datetime | None = None,
) -> Estimate:
    """What a use of a feature would cost at an instant (None: now), and which batches of an account would pay.

    The same prices and the same burn order as a charge; live holds keep their credits. Of a later instant it says what
    the batches of today would pay then. Limits of members of a pool are not looked at.

    Raises: InvalidCommand, also for a complexity that the price does not know; NotFound for an unknown account, and for
    a feature that is not for sale at that instant. Source: docs/accounting.md, rule 26.
    """
    faults = text_faults("feature", feature, longest=120) + amount_faults("quantity", quantity_micro)
    if faults := faults + instant_faults("at", at):
        raise InvalidCommand(faults)
    when = at or ledger.clock.now()
    with ledger.database.reading() as connection:
        price = _price(connection, feature, when)
        cost = price.cost_micro(feature, quantity_micro, complexity)
        estimate = Estimate(
            feature,
            quantity_micro,
            complexity,
            when,
            price.id,
            price.price_micro,
            price.factors[complexity] if complexity else MICRO,
            price.bundle_id,
            price.discount_ppm,
            cost,
        )
        return estimate if account is None else _with_payers(connection, estimate, account)


def _price(connection: sa.Connection, feature: str, at: datetime) -> Price:
    wanted = {"feature": feature, "at": at}
    row, best = (
        connection.execute(cast(sa.Select[Any], one.statement), wanted).one_or_none()
        for one in (PRICE_IN_FORCE, BUNDLE_IN_FORCE)
    )
    is_for_sale = row is not None and (row.ends_at is None or at < row.ends_at)
    return price_of(tuple(row) if row is not None and is_for_sale else None, tuple(best) if best else None, feature)


def load_debt(connection: sa.Connection, account: str) -> Any:
    """What an account owes and may owe: owed_micro, overdraft_limit_micro, overdraft_until. Raises NotFound."""
    wanted = sa.select(
        account_table.c.owed_micro, account_table.c.overdraft_limit_micro, account_table.c.overdraft_until
    ).where(account_table.c.external_id == account)
    found = connection.execute(wanted).one_or_none()
    if found is None:
        raise NotFound(what="account", id=account)
    return found


def _with_payers(connection: sa.Connection, estimate: Estimate, account: str) -> Estimate:
    found = load_debt(connection, account)
    rows = connection.execute(queries.spendable(at=estimate.at, account_name=account))
    batches = [
        Batch(
            row.batch_id,
            CreditType(row.credit_type),
            row.remaining_micro,
            row.held_micro,
            row.priority,
            row.effective_at,
            row.expires_at,
            None if row.features is None else frozenset(row.features),
        )
        for row in rows
    ]
    batches, owed = _after_debt(batches, found.owed_micro, estimate.at)
    plan = plan_consumption(batches, estimate.cost_micro, at=estimate.at, feature=estimate.feature)
    is_over = found.overdraft_until is not None and found.overdraft_until <= estimate.at
    line = 0 if is_over else max(0, found.overdraft_limit_micro - owed)
    missing = plan.shortfall_micro
    return replace(
        estimate,
        account=account,
        available_micro=available_micro(batches, at=estimate.at, feature=estimate.feature),
        takes=plan.takes,
        owed_micro=missing if missing <= line else 0,
        short_micro=max(0, missing - line),
    )


def _after_debt(batches: Sequence[Batch], owed_micro: int, at: datetime) -> tuple[list[Batch], int]:
    """The batches and the debt as they are once open credits have repaid what they can, as any charge does first."""
    unscoped = [one for one in batches if one.features is None]
    repaid = min(owed_micro, available_micro(unscoped, at=at))
    plan = plan_consumption(unscoped, repaid, at=at) if repaid else Plan((), 0)
    gone = {take.batch_id: take.amount_micro for take in plan.takes}
    left = [replace(one, remaining_micro=one.remaining_micro - gone.get(one.id, 0)) for one in batches]
    return left, owed_micro - repaid
