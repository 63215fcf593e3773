"""What is sold here beside what a provider sells: which products have to be made, changed or archived there.

Pure: products in, differences out. Money in cents, credits in micro.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from ledger.core.amounts import Money, divide_rounding_half_up, micro_to_text
from ledger.core.packages import Package, saving_ppm
from ledger.core.pricing import PPM

_PERCENT = PPM // 100
# What the metadata of a product says when it sells credits.
PACKAGE_TYPE = "credit_package"


class Step(StrEnum):
    """What has to happen so that a provider sells what is sold here."""

    # The package is for sale here and unknown there.
    MAKE = "make"
    # Both know it, and it differs.
    CHANGE = "change"
    # Both agree; only the provider's names of it are not noted here.
    NOTE = "note"
    # Not for sale here any more.
    ARCHIVE = "archive"
    # Somebody else's, or a second one of a package: told, never touched.
    LEAVE = "leave"


@dataclass(frozen=True, slots=True)
class Sold:
    """A package as a provider sells it, or is to sell it. ``package`` is empty for a product made by hand there."""

    package: str
    label: str
    price: Money
    is_active: bool
    metadata: Mapping[str, str]
    product_ref: str | None = None
    price_ref: str | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """One package or product in which the two disagree: as it should be, as it is there, and in what they differ."""

    step: Step
    package: str
    wanted: Sold | None
    theirs: Sold | None
    package_id: int | None = None
    # In words: "price", "name", "metadata credits".
    differs_in: tuple[str, ...] = ()

    @property
    def is_pushed(self) -> bool:
        """Whether a push does something about it."""
        return self.step is not Step.LEAVE


def wanted_of(package: Package, packages: Iterable[Package]) -> Sold:
    """A package as a provider should sell it; ``packages`` are all that are for sale, for what it saves."""
    credits = micro_to_text(package.credits_micro)
    saved = divide_rounding_half_up(saving_ppm(package, packages), _PERCENT)
    metadata = {
        "package_type": PACKAGE_TYPE,
        "package": package.code,
        "package_id": str(package.id),
        # Both names are in use among those who read them.
        "credits": credits,
        "credits_amount": credits,
        "savings_percentage": str(saved),
    }
    return Sold(package.code, package.label, package.price, True, metadata)


def compare(
    for_sale: Iterable[Package], theirs: Iterable[Sold], noted: Mapping[int, tuple[str, str]]
) -> list[Difference]:
    """In what a provider's products differ from the packages for sale; nothing when they agree.

    ``noted`` are the provider's names, product and price, that are known here, by the id of a package's version.
    """
    packages = list(for_sale)
    by_code: dict[str, list[Sold]] = {}
    found: list[Difference] = []
    for one in theirs:
        if one.package:
            by_code.setdefault(one.package, []).append(one)
        else:
            found.append(Difference(Step.LEAVE, "", None, one, differs_in=("its metadata names no package",)))
    known_refs = {product_ref for product_ref, _ in noted.values()}
    for package in packages:
        of_package = sorted(by_code.pop(package.code, []), key=lambda one: _order(one, known_refs))
        found += [
            Difference(Step.LEAVE, package.code, None, one, differs_in=("a second product of that package",))
            for one in of_package[1:]
            if one.is_active
        ]
        theirs_now = of_package[0] if of_package else None
        found += _compare_one(package, wanted_of(package, packages), theirs_now, noted.get(package.id))
    for code, products in by_code.items():
        found += [_gone(code, one, known_refs) for one in products if one.is_active]
    return sorted(found, key=lambda one: (one.package, one.step, (one.theirs and one.theirs.product_ref) or ""))


def _compare_one(
    package: Package, wanted: Sold, theirs: Sold | None, noted: tuple[str, str] | None
) -> list[Difference]:
    if theirs is None:
        return [Difference(Step.MAKE, package.code, wanted, None, package.id)]
    words = _differences(wanted, theirs)
    if words:
        return [Difference(Step.CHANGE, package.code, wanted, theirs, package.id, words)]
    if noted != (theirs.product_ref, theirs.price_ref):
        return [Difference(Step.NOTE, package.code, wanted, theirs, package.id, ("its names are not noted here",))]
    return []


def _gone(code: str, theirs: Sold, known_refs: set[str]) -> Difference:
    """A product of a package that is not for sale here: ours to archive when it was pushed from here."""
    is_ours = theirs.product_ref in known_refs
    if not is_ours:
        return Difference(Step.LEAVE, code, None, theirs, differs_in=("no such package is for sale here",))
    return Difference(Step.ARCHIVE, code, None, theirs, differs_in=("no longer for sale here",))


def _differences(wanted: Sold, theirs: Sold) -> tuple[str, ...]:
    words = []
    if wanted.label != theirs.label:
        words.append("name")
    if wanted.price != theirs.price:
        words.append("price")
    if not theirs.is_active:
        words.append("archived there")
    for name, word in wanted.metadata.items():
        if theirs.metadata.get(name) != word:
            words.append(f"metadata {name}")
    return tuple(words)


def _order(product: Sold, known_refs: set[str]) -> tuple[bool, bool, str]:
    """Of several products of a package the one that we made, else one that is on sale, is taken for it."""
    return product.product_ref not in known_refs, not product.is_active, product.product_ref or ""
