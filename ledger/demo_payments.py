"""Payments of the demo company at the mock provider: one of every kind of ending, through the doors that all use."""

from collections.abc import Callable, Iterator
from functools import partial

import sqlalchemy as sa

from ledger import seeds
from ledger.commands import Reason
from ledger.core.amounts import MICRO, Money
from ledger.core.payments import Provider, RechargeTerms
from ledger.core.policy import Actor, Role
from ledger.demo_cast import DAYS
from ledger.facade import Ledger
from ledger.gateways import registry
from ledger.gateways.mock import DECLINED_CARD, GOOD_CARD, LATER_DECLINED_CARD
from ledger.gateways.provider import CheckoutRequest, Offer
from ledger.models import account as account_table
from ledger.models import package as package_table
from ledger.operations.recharge import SetRechargeRule
from ledger.selling.checkout import Sale, cancel, sell
from ledger.selling.recharging import recharge_due
from ledger.selling.settling import settle_due
from ledger.settings import settings

SMALL, MIDDLE = "starter", "professional"
MANAGER = Actor("max@example.com", Role.ACCOUNT_MANAGER)
ADMIN = Actor("ada.admin@demo.example", Role.ADMIN)
_AGREED = Reason("contract", "Agreed with the customer on the phone")
_PRICE = (
    sa.select(package_table.c.price_cents)
    .where(package_table.c.code == sa.bindparam("package"))
    .order_by(package_table.c.effective_at.desc())
    .limit(1)
)
Act = tuple[int, int, Callable[[], object]]


def acts(ledger: Ledger, first: int, last: int) -> Iterator[Act]:
    """What is bought by card on the days [first, last): day, hour and act."""
    everything: tuple[Act, ...] = (
        (0, 0, partial(_open_books, ledger)),
        (DAYS - 9, 9, partial(_pay, ledger, "cus_pixelforge", SMALL, saves_card=True)),
        (DAYS - 8, 9, partial(_refunded, ledger, "cus_northwind", MIDDLE, share=3)),
        (DAYS - 7, 9, partial(_disputed, ledger, "cus_harbor", MIDDLE, is_won=True)),
        (DAYS - 6, 9, partial(_disputed, ledger, "cus_bluebell", SMALL, is_won=False)),
        (DAYS - 5, 9, partial(_disputed, ledger, "cus_meridian", SMALL)),
        (DAYS - 4, 9, partial(_twice, ledger, "cus_sundial", seeds.HOLIDAY[0])),
        (DAYS - 3, 9, partial(_given_up, ledger, "cus_copper", MIDDLE)),
        (DAYS - 3, 10, partial(_recharged, ledger, "cus_pixelforge", SMALL)),
        (DAYS - 2, 9, partial(_elsewhere, ledger)),
        (DAYS - 2, 10, partial(_stopped, ledger, "cus_copper", SMALL)),
    )
    yield from (act for act in everything if first <= act[0] < last)


def leave_open(ledger: Ledger) -> None:
    """A checkout of this very hour: its first card was declined, and it waits for another."""
    _paid(ledger, _sell(ledger, "cus_semester", MIDDLE), DECLINED_CARD)


def _open_books(ledger: Ledger) -> None:
    """A company that begins anew meets a provider that does, too: its names of payments are the same every time."""
    registry.mock(ledger).store.clear()


def _sell(ledger: Ledger, account: str, package: str, *, attempt: int = 1, saves_card: bool = False) -> Sale:
    key = f"demo-sale-{account}-{attempt}"
    return sell(ledger, account, package, actor=MANAGER, key=key, saves_card=saves_card)


def _paid(ledger: Ledger, sale: Sale, card: str = GOOD_CARD) -> str:
    """What the customer does on the page; the mock's name of the payment."""
    assert sale.checkout_ref is not None
    facts = registry.mock(ledger).pay(sale.checkout_ref, card)
    settle_due(ledger)
    assert facts.payment_ref is not None
    return facts.payment_ref


def _pay(ledger: Ledger, account: str, package: str, *, saves_card: bool = False) -> str:
    return _paid(ledger, _sell(ledger, account, package, saves_card=saves_card))


def _refunded(ledger: Ledger, account: str, package: str, *, share: int) -> None:
    """Somebody refunds a part in the provider's own dashboard."""
    ref = _pay(ledger, account, package)
    mock = registry.mock(ledger)
    facts = mock.look(payment_ref=ref)
    assert facts is not None
    mock.give_back(ref, facts.total.cents // share)
    settle_due(ledger)


def _disputed(ledger: Ledger, account: str, package: str, *, is_won: bool | None = None) -> None:
    """The customer's bank takes the money back; ``is_won`` None: nothing is decided yet."""
    ref = _pay(ledger, account, package)
    mock = registry.mock(ledger)
    dispute = mock.dispute(ref)
    settle_due(ledger)
    if is_won is not None:
        mock.close_dispute(ref, dispute, is_won=is_won)
        settle_due(ledger)


def _twice(ledger: Ledger, account: str, package: str) -> None:
    """Two checkouts of what is sold once to each: both are paid, the second waits for a decision."""
    for sale in [_sell(ledger, account, package, attempt=attempt) for attempt in (1, 2)]:
        _paid(ledger, sale)


def _given_up(ledger: Ledger, account: str, package: str) -> None:
    cancel(ledger, _sell(ledger, account, package).payment, actor=MANAGER)
    settle_due(ledger)


def _recharged(ledger: Ledger, account: str, package: str, *, stop_after: int = 3) -> None:
    """A rule whose line lies just above what is left: the saved card is charged by itself."""
    with ledger.database.reading() as connection:
        known = account_table.c.external_id == account
        left = connection.execute(sa.select(account_table.c.available_micro).where(known)).scalar_one()
        price = connection.execute(_PRICE, {"package": package}).scalar_one()
    line = (left // (100 * MICRO) + 1) * 100 * MICRO
    terms = RechargeTerms(package, line, None, 2 * price, 5 * price, stop_after=stop_after)
    rule = SetRechargeRule(account, terms, Provider.MOCK, _AGREED)
    ledger.execute(rule, actor=ADMIN, key=f"demo-recharge-{account}")
    recharge_due(ledger)
    settle_due(ledger)


def _stopped(ledger: Ledger, account: str, package: str) -> None:
    """A card that pays at the checkout and is declined later: its rule has stopped."""
    _paid(ledger, _sell(ledger, account, package, attempt=2, saves_card=True), LATER_DECLINED_CARD)
    _recharged(ledger, account, package, stop_after=1)


def _elsewhere(ledger: Ledger) -> None:
    """Somebody sold a package at the provider itself, past this product: the comparison finds what is missing here."""
    mock = registry.mock(ledger)
    offer = Offer(SMALL, "Starter", 1_000 * MICRO, 1, Money(1_000, "USD"))
    address = settings().page_address("")
    made = mock.open_checkout(
        CheckoutRequest("sold-by-hand", "cus_cobalt", offer, address, address, name="Cobalt Care")
    )
    mock.pay(made.ref, GOOD_CARD)
    settle_due(ledger)
