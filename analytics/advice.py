"""What to buy: the package that covers expected use for the least money, with its arithmetic."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from babel import Locale

from analytics.frames.catalog import Bought
from analytics.outlook import Outlook
from analytics.words import money_text, rough_text
from ledger.core.amounts import MICRO
from ledger.core.packages import STANDARD_LIST, Fit, Package, in_force, package_that_fits

# How long credits that are bought now should last, unless said otherwise: as far as the forecast looks.
LAST_DAYS = 90


@dataclass(frozen=True, slots=True)
class Advice:
    """Why a package is suggested: need = expected use − credits that will be there for it, at least zero.

    ``fit`` is None when nothing is needed, or when no package for sale covers the need.
    """

    days: int
    expected_micro: int
    usable_micro: int
    fit: Fit | None

    @property
    def need_micro(self) -> int:
        """Credits that are missing for the days ahead."""
        return max(0, self.expected_micro - self.usable_micro)


def package_advice(
    versions: Iterable[Package],
    *,
    at: datetime,
    burn_a_day: float,
    usable_micro: int,
    wasted: float,
    bought: Bought | None,
    price_list: str | None = None,
    days: int = LAST_DAYS,
) -> Advice:
    """Which package makes the credits of one account last for some days.

    Args: every package version; expected use per day and what will expire unused, in credits (OUTLOOK); what can be
    used now or later, holds left out; what the account bought. Without a price list it goes on with its last one.
    Source: docs/accounting.md, rule 26.
    """
    packages = in_force(versions, at)
    chosen = price_list or price_list_of(packages, bought)
    expected = math.ceil(burn_a_day * days * MICRO)
    usable = max(0, usable_micro - round(wasted * MICRO))
    shop = [one for one in packages if one.price_list == chosen]
    fit = package_that_fits(expected - usable, shop, bought.times if bought else {})
    return Advice(days, expected, usable, fit)


def advice_for(
    found: Outlook,
    versions: Iterable[Package],
    *,
    at: datetime,
    bought: Bought | None,
    price_list: str | None = None,
    days: int = LAST_DAYS,
) -> Advice:
    """The same for one account by its outlook."""
    projection = found.projection
    return package_advice(
        versions,
        at=at,
        burn_a_day=found.forecast.mean_per_day,
        usable_micro=projection.available_micro + projection.scheduled_micro,
        wasted=float(projection.wasted["wasted_likely"].sum()),
        bought=bought,
        price_list=price_list,
        days=days,
    )


def sentence(
    advice: Advice, locale: Locale, *, typed: Callable[[str], str] = str, money: Callable[[str], str] = str
) -> str:
    """The advice with its sum: need, the package that covers it, what is saved.

    ``typed`` escapes labels that people typed, ``money`` amounts, where the reader takes their signs for something.
    """
    fit = advice.fit
    expected, usable = (rough_text(micro, locale) for micro in (advice.expected_micro, advice.usable_micro))
    if not advice.need_micro:
        return f"No top-up is needed: {expected} credits expected in {advice.days} days, {usable} there for them."
    need = rough_text(advice.need_micro, locale)
    sum_ = f"{expected} credits expected in {advice.days} days − {usable} there for them = {need} needed."
    if fit is None:
        return f"{sum_} No package for sale covers that."

    def times(package: Package, count: int) -> str:
        total = money_text(count * package.price.cents, package.price.currency, locale)
        return f"{f'{count} × ' if count > 1 else ''}{typed(package.label)} for {money(total)}"

    words = f"{sum_} {times(fit.package, fit.count)} covers it."
    if fit.saved.cents > 0:
        more = money(money_text(fit.saved.cents, fit.saved.currency, locale))
        words += f" With {times(fit.dearest, fit.dearest_count)} it would be {more} more."
    return words


def price_list_of(packages: Iterable[Package], bought: Bought | None) -> str:
    """The price list of the package that was bought last, when it still sells something; else the standard one."""
    lists = {one.code: one.price_list for one in packages}
    return STANDARD_LIST if bought is None else lists.get(bought.last_code, STANDARD_LIST)
