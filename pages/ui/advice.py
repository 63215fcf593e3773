"""Which package to suggest to a customer, with the arithmetic in words."""

import pandas as pd

from analytics import frames
from analytics.advice import LAST_DAYS, Advice, package_advice
from ledger.core.packages import Package
from pages.ui import outlook
from pages.ui.figures import rough_text
from pages.ui.guard import Visit
from pages.ui.text import escape, money_text


def for_customer(visit: Visit, account: str, *, price_list: str | None = None, days: int = LAST_DAYS) -> Advice:
    """What would make the credits of a customer last, by the forecast of its use."""
    found = outlook.of_customer(visit, account)
    projection = found.projection
    return package_advice(
        visit.ask(frames.load_packages),
        at=visit.at,
        burn_a_day=found.forecast.mean_per_day,
        usable_micro=projection.available_micro + projection.scheduled_micro,
        wasted=float(projection.wasted["wasted_likely"].sum()),
        bought=visit.ask(frames.load_bought, account=account).get(account),
        price_list=price_list,
        days=days,
    )


def sentence(visit: Visit, advice: Advice) -> str:
    """The advice with its sum: need, the package that covers it, what is saved."""
    locale, fit = visit.locale, advice.fit
    expected, usable = (rough_text(micro, locale) for micro in (advice.expected_micro, advice.usable_micro))
    if not advice.need_micro:
        return f"No top-up is needed: {expected} credits expected in {advice.days} days, {usable} there for them."
    need = rough_text(advice.need_micro, locale)
    sum_ = f"{expected} credits expected in {advice.days} days − {usable} there for them = {need} needed."
    if fit is None:
        return f"{sum_} No package for sale covers that."
    words = f"{sum_} {_times(visit, fit.count, fit.package)} covers it."
    if fit.saved.cents > 0:
        other = _times(visit, fit.dearest_count, fit.dearest)
        words += f" With {other} it would be {escape(money_text(fit.saved.cents, fit.saved.currency, locale))} more."
    return words


def column(visit: Visit, found: pd.DataFrame) -> list[str]:
    """The suggested package of each row, or nothing where none is needed.

    The rows have account, burn_a_day and wasted of outlook.OUTLOOK, balance_micro and held_micro of frames.CUSTOMERS.
    """
    packages, bought = visit.ask(frames.load_packages), visit.ask(frames.load_bought)
    words = []
    for row in found.to_dict("records"):
        advice = package_advice(
            packages,
            at=visit.at,
            burn_a_day=row["burn_a_day"],
            usable_micro=row["balance_micro"] - row["held_micro"],
            wasted=row["wasted"],
            bought=bought.get(row["account"]),
        )
        fit = advice.fit
        if fit is None:
            words.append("")
        else:
            words.append(f"{f'{fit.count} × ' if fit.count > 1 else ''}{fit.package.label}")
    return words


def _times(visit: Visit, count: int, package: Package) -> str:
    total = money_text(count * package.price.cents, package.price.currency, visit.locale)
    return f"{f'{count} × ' if count > 1 else ''}{escape(package.label)} for {escape(total)}"
