"""The packages for sale as a provider's products: compared first, pushed when somebody decides to.

A push changes the provider first and then notes its names here. A crash in between is mended by the next push: it finds
the products that were made and notes them. Pushed twice, the second finds nothing to do.
"""

import hashlib
from collections.abc import Iterator

import sqlalchemy as sa

from ledger import queries
from ledger.core.amounts import Money
from ledger.core.packages import Package, in_force
from ledger.core.payments import Provider
from ledger.core.policy import Actor, Permission
from ledger.core.selling import Difference, Sold, Step, compare
from ledger.facade import Ledger
from ledger.gateways import registry
from ledger.gateways.provider import Gateway, Product
from ledger.models import provider_price
from ledger.operations.provider_prices import NoteProviderPrices, ProviderPrice


def compare_catalog(ledger: Ledger, provider: Provider) -> list[Difference]:
    """In what a provider's products differ from the packages for sale now; nothing is changed, here or there.

    Raises ProviderNotSetUp, ProviderUnavailable, ProviderRefused.
    """
    return _compare(ledger, registry.gateway(ledger, provider))


def push_catalog(ledger: Ledger, provider: Provider, *, actor: Actor) -> list[Difference]:
    """Make the provider sell what is for sale here, and note its names; answers what was done, empty: nothing.

    What is not ours there is left alone. Raises NotPermitted, ProviderNotSetUp, ProviderUnavailable, ProviderRefused:
    push again, what was done before counts.
    """
    ledger.require(actor, Permission.MANAGE_CATALOG)
    gateway = registry.gateway(ledger, provider)
    steps = [one for one in _compare(ledger, gateway) if one.is_pushed]
    if not steps:
        return []
    prices = tuple(price for one in steps for price in _push(gateway, one))
    archived = tuple(one.package for one in steps if one.step is Step.ARCHIVE)
    # The same names may come again after others: each push is an act of its own, at its own time.
    key = f"catalog:{provider}:{ledger.clock.now().isoformat()}:{_digest(prices, archived)}"
    ledger.execute(NoteProviderPrices(provider, prices, archived), actor=actor, key=key)
    return steps


def _compare(ledger: Ledger, gateway: Gateway) -> list[Difference]:
    theirs = list(map(_sold, gateway.products()))
    noted = (
        sa.select(provider_price.c.package_id, provider_price.c.product_ref, provider_price.c.price_ref)
        .where(provider_price.c.provider == gateway.provider.value)
        .order_by(provider_price.c.package_id)
    )
    with ledger.database.reading() as connection:
        versions = [_package(row) for row in connection.execute(queries.packages())]
        refs = {row.package_id: (row.product_ref, row.price_ref) for row in connection.execute(noted)}
    return compare(in_force(versions, ledger.clock.now()), theirs, refs)


def _push(gateway: Gateway, one: Difference) -> Iterator[ProviderPrice]:
    """Do at the provider what one difference asks for; answers the names to be noted."""
    if one.step is Step.ARCHIVE:
        assert one.theirs is not None
        gateway.put_product(_product(one.theirs, is_active=False), key=_key(one))
        return
    assert one.wanted is not None
    assert one.package_id is not None
    theirs = one.theirs
    if one.step is not Step.NOTE:
        made = gateway.put_product(_product(one.wanted, ref=theirs.product_ref if theirs else None), key=_key(one))
        theirs = _sold(made)
    assert theirs is not None
    yield ProviderPrice(one.package_id, theirs.product_ref or "", theirs.price_ref or "")


def _key(one: Difference) -> str:
    """The provider does one change once; another change of the same package is another one."""
    return f"{one.package}:{_digest(one.step, one.wanted, one.theirs)}"


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _sold(product: Product) -> Sold:
    return Sold(
        product.package,
        product.label,
        product.price,
        product.is_active,
        dict(product.metadata),
        product.product_ref,
        product.price_ref,
    )


def _product(sold: Sold, *, ref: str | None = None, is_active: bool = True) -> Product:
    return Product(
        sold.package,
        sold.label,
        sold.price,
        sold.metadata.get("credits", ""),
        is_active=is_active,
        product_ref=ref or sold.product_ref,
        price_ref=sold.price_ref,
        metadata=sold.metadata,
    )


def _package(row: sa.Row[tuple[object, ...]]) -> Package:
    named = dict(row._mapping)
    price = Money(named.pop("price_cents"), named.pop("currency"))
    return Package(id=named.pop("package_id"), price=price, **named)
