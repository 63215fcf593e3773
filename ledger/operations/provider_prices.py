"""What packages are called at a provider, noted when the catalogue was pushed there."""

from dataclasses import dataclass
from typing import ClassVar

import sqlalchemy as sa

from ledger.commands import Command, Outcome, text_faults
from ledger.context import Context
from ledger.core.payments import Provider
from ledger.core.policy import Permission
from ledger.errors import Fault, NotFound
from ledger.models import package, provider_price
from ledger.receipt import Receipt
from ledger.statements import Prepared

REF_MAX_CHARS = 200

_CODES = Prepared(sa.select(package.c.id, package.c.code))
_NOTED = Prepared(
    sa.select(provider_price.c.package_id, provider_price.c.product_ref, provider_price.c.price_ref).where(
        provider_price.c.provider == sa.bindparam("of_provider")
    )
)
_INSERT = Prepared(sa.insert(provider_price))
_CHANGE = Prepared(
    sa.update(provider_price)
    .where(
        provider_price.c.provider == sa.bindparam("of_provider"),
        provider_price.c.package_id == sa.bindparam("of_package"),
    )
    .values(
        product_ref=sa.bindparam("new_product"),
        price_ref=sa.bindparam("new_price"),
        synced_at=sa.bindparam("new_at"),
    )
)


@dataclass(frozen=True, slots=True)
class ProviderPrice:
    """The provider's names of one version of a package."""

    package_id: int
    product_ref: str
    price_ref: str


@dataclass(frozen=True, slots=True)
class NoteProviderPrices(Command):
    """Note what packages are called at a provider, after they were pushed there; ``archived`` are those taken off.

    Purchases are then made at those prices. `ledger.selling.catalog_sync.push_catalog` executes it.
    """

    kind: ClassVar[str] = "note_provider_prices"
    permission: ClassVar[Permission] = Permission.MANAGE_CATALOG

    provider: Provider
    prices: tuple[ProviderPrice, ...]
    archived: tuple[str, ...] = ()

    def faults(self) -> list[Fault]:
        found: list[Fault] = []
        for one in self.prices:
            found += text_faults("product_ref", one.product_ref, longest=REF_MAX_CHARS)
            found += text_faults("price_ref", one.price_ref, longest=REF_MAX_CHARS)
        if len({one.package_id for one in self.prices}) < len(self.prices):
            found.append(Fault("prices", "names a version of a package twice"))
        if not self.prices and not self.archived:
            found.append(Fault("prices", "name at least one package that was pushed or archived"))
        return found


def note_provider_prices(context: Context, command: NoteProviderPrices) -> Outcome:
    provider = command.provider.value
    packages, rows = context.begin((_CODES, {}), (_NOTED, {"of_provider": provider}))
    codes: dict[int, str] = dict(packages)
    noted = {id_: (product, price) for id_, product, price in rows}
    notes = []
    for one in command.prices:
        if one.package_id not in codes:
            raise NotFound(what="version of a package", id=str(one.package_id))
        if noted.get(one.package_id) == (one.product_ref, one.price_ref):
            continue
        notes.append(f"{codes[one.package_id]} is {one.product_ref} at {provider}")
        if one.package_id in noted:
            named = {"of_provider": provider, "of_package": one.package_id}
            new = {"new_product": one.product_ref, "new_price": one.price_ref, "new_at": context.at}
            context.queue(_CHANGE, named | new)
        else:
            context.queue(
                _INSERT,
                {
                    "provider": provider,
                    "package_id": one.package_id,
                    "product_ref": one.product_ref,
                    "price_ref": one.price_ref,
                    "synced_at": context.at,
                },
            )
    notes += [f"{code} is no longer sold at {provider}" for code in command.archived]
    receipt = Receipt(command.kind, None, context.at, notes=tuple(notes))
    return Outcome(receipt, None, context.at, nothing_to_do=not notes)
