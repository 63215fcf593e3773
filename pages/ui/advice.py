"""Which package to suggest to a customer, with the arithmetic in words."""

import pandas as pd

from analytics import frames
from analytics.advice import LAST_DAYS, Advice, advice_for, package_advice
from analytics.advice import sentence as words_of
from pages.ui import outlook
from pages.ui.guard import Visit
from pages.ui.text import escape


def for_customer(visit: Visit, account: str, *, price_list: str | None = None, days: int = LAST_DAYS) -> Advice:
    """What would make the credits of a customer last, by the forecast of its use."""
    found = outlook.of_customer(visit, account)
    return advice_for(
        found,
        visit.ask(frames.load_packages),
        at=visit.at,
        bought=visit.ask(frames.load_bought, account=account).get(account),
        price_list=price_list,
        days=days,
    )


def sentence(visit: Visit, advice: Advice) -> str:
    """The advice with its sum: need, the package that covers it, what is saved."""
    return words_of(advice, visit.locale, typed=escape, money=escape)


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
