"""A plan of the demo company that the mock provider bills: subscribed and renewed through the doors that all use."""

from collections.abc import Callable, Iterator
from functools import partial

import sqlalchemy as sa

from ledger.commands import Command
from ledger.core.amounts import Money
from ledger.core.payments import Provider
from ledger.demo_cast import DAYS
from ledger.facade import Ledger
from ledger.gateways import registry
from ledger.models import plan
from ledger.operations.billed_plans import LinkPlanPrice
from ledger.selling.settling import settle_due

ACCOUNT, PLAN = "cus_semester", "pro"
_FIRST_DAY = DAYS - 45
# Later than a month of any length.
_RENEWAL_DAY = _FIRST_DAY + 31
_METERED_CENTS_PER_THOUSAND = 1_200
Act = tuple[int, int, Callable[[], object]]


def acts(run: Callable[[Command], object], ledger: Ledger, first: int, last: int) -> Iterator[Act]:
    """What happens to the subscription on the days [first, last): day, hour and act."""
    everything: tuple[Act, ...] = (
        (_FIRST_DAY, 12, partial(_subscribe, run, ledger)),
        (_RENEWAL_DAY, 13, partial(_renew, ledger)),
    )
    yield from (act for act in everything if first <= act[0] < last)


def _subscribe(run: Callable[[Command], object], ledger: Ledger) -> None:
    mock = registry.mock(ledger)
    with ledger.database.reading() as connection:
        newest = sa.select(plan).where(plan.c.code == PLAN).order_by(plan.c.effective_at.desc()).limit(1)
        terms = connection.execute(newest).one()
    price = mock.make_price(
        terms.label,
        Money(terms.price_cents, terms.currency),
        months=terms.months,
        metered_cents_per_thousand=_METERED_CENTS_PER_THOUSAND,
    )
    run(LinkPlanPrice(Provider.MOCK, price, PLAN))
    mock.subscribe(ACCOUNT, price)
    settle_due(ledger)


def _renew(ledger: Ledger) -> None:
    mock = registry.mock(ledger)
    for facts in mock.subscriptions():
        mock.renew(facts.ref)
    settle_due(ledger)
