"""What is sold: the price of a credit in a package, what a package saves, and which one fits a need.

All ratios are exact fractions or parts of a million; no float touches money.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from ledger.core.amounts import MICRO, Money, divide_rounding_half_up
from ledger.core.pricing import PPM

# The price list that packages belong to, and customers buy from, unless said otherwise.
STANDARD_LIST = "standard"


@dataclass(frozen=True, slots=True)
class Package:
    """One version of a package. For sale in [effective_at, ends_at); ``ends_at`` None means no end.

    ``per_customer_limit`` counts the purchases that one customer ever made of that code; None means any number.
    """

    id: int
    code: str
    label: str
    price_list: str
    credits_micro: int
    price: Money
    per_customer_limit: int | None
    effective_at: datetime
    ends_at: datetime | None

    def is_for_sale(self, at: datetime) -> bool:
        """Whether it can be bought at that instant, as far as time goes."""
        return self.effective_at <= at and (self.ends_at is None or at < self.ends_at)

    def left_for(self, bought: int) -> int | None:
        """How many more a customer may buy who bought it so many times; None means any number."""
        return None if self.per_customer_limit is None else max(0, self.per_customer_limit - bought)


@dataclass(frozen=True, slots=True)
class Fit:
    """The cheapest way to cover a need with packages of one kind, and what the dearest kind would have cost."""

    package: Package
    count: int
    need_micro: int
    dearest: Package
    dearest_count: int

    @property
    def credits_micro(self) -> int:
        """What is bought in all."""
        return self.count * self.package.credits_micro

    @property
    def price(self) -> Money:
        """What it costs in all."""
        return Money(self.count * self.package.price.cents, self.package.price.currency)

    @property
    def saved(self) -> Money:
        """What covering the same need with the dearest package would have cost more."""
        dearest = self.dearest_count * self.dearest.price.cents
        return Money(dearest - self.price.cents, self.package.price.currency)


def cents_per_credit(package: Package) -> Fraction:
    """The price of one credit in a package, in cents, exactly."""
    return Fraction(package.price.cents * MICRO, package.credits_micro)


def dearest_of(package: Package, others: Iterable[Package]) -> Package:
    """Of the packages of the same price list and currency, it included, the one whose credits cost most."""
    return max((package, *(one for one in others if _compares(package, one))), key=cents_per_credit)


def saving_ppm(package: Package, others: Iterable[Package]) -> int:
    """What a credit costs less than in the dearest package of its price list, in parts of a million, rounded half up.

    Source: docs/accounting.md, rule 26.
    """
    saved = 1 - cents_per_credit(package) / cents_per_credit(dearest_of(package, others))
    return divide_rounding_half_up(saved.numerator * PPM, saved.denominator)


def in_force(versions: Iterable[Package], at: datetime) -> list[Package]:
    """Of every code the newest version whose time had come, when it has not ended; by price list, cheapest first."""
    newest: dict[str, Package] = {}
    for one in sorted(versions, key=lambda version: version.effective_at):
        if one.effective_at <= at:
            newest[one.code] = one
    for_sale = (one for one in newest.values() if one.is_for_sale(at))
    return sorted(for_sale, key=_shop_order)


def package_that_fits(need_micro: int, packages: Sequence[Package], bought: Mapping[str, int]) -> Fit | None:
    """The package that covers a need for the least money, bought as often as it takes; None when none can, or no need.

    Args: credits needed, micro; packages for sale of one price list; how often the customer bought each code.
    Of equal prices the one with more credits. Packages are not mixed, so that the advice fits one sentence.
    """
    if need_micro <= 0:
        return None
    best: Fit | None = None
    for package in packages:
        count = _count(need_micro, package)
        left = package.left_for(bought.get(package.code, 0))
        if left is not None and count > left:
            continue
        dearest = dearest_of(package, packages)
        fit = Fit(package, count, need_micro, dearest, _count(need_micro, dearest))
        if best is None or (fit.price.cents, -fit.credits_micro) < (best.price.cents, -best.credits_micro):
            best = fit
    return best


def _shop_order(package: Package) -> tuple[bool, str, int, str]:
    return (package.price_list != STANDARD_LIST, package.price_list, package.price.cents, package.code)


def _count(need_micro: int, package: Package) -> int:
    return -(-need_micro // package.credits_micro)


def _compares(package: Package, other: Package) -> bool:
    return (package.price_list, package.price.currency) == (other.price_list, other.price.currency)
