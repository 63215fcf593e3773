"""A customer's plan beside another one: what each gives, and what the last periods would have cost there."""

from datetime import date, timedelta
from fractions import Fraction

import pandas as pd
import streamlit as st

from analytics import frames, plan_comparison
from analytics.plan_comparison import PlanCost
from ledger import MICRO
from ledger.core.packages import STANDARD_LIST, cents_per_credit, in_force
from pages.ui import address
from pages.ui.customer_overview import View
from pages.ui.guard import Visit
from pages.ui.price_list import PLAN_ROWS, plan_column
from pages.ui.text import credit_text, escape, money_text, unit_price_text

# As many complete periods are compared.
PERIODS = 6
PRICE_DAYS = 365


def draw(view: View, current: frames.PlanVersion, plans: list[frames.PlanVersion]) -> None:
    """The part of the tab; nothing when there is no other plan."""
    visit = view.visit
    others = {one.code: one for one in plans if one.code != current.code}
    if not others:
        return
    st.subheader("Against another plan", anchor=False)
    above = plan_comparison.next_tier(others.values(), current)
    labels = {code: one.label for code, one in others.items()}
    start = above.code if above else list(others)[-1]
    other = others[
        address.select("against", "Compare with", list(labels), default=start, format_func=labels.__getitem__)
    ]
    periods = _complete_periods(view)
    columns = {
        f"{escape(current.label)}, now": plan_column(visit, current),
        escape(other.label): plan_column(visit, other),
    }
    rows = PLAN_ROWS
    if not periods:
        st.caption("What the other plan would have cost is said once a whole period of this plan is over.")
    elif other.price.currency != current.price.currency:
        st.caption("The plans are sold in different currencies, so their costs are not compared.")
    else:
        used = plan_comparison.used_by_period(_usage(view, periods), periods)
        price, whose = _price_of_a_credit(view, current.price.currency)
        costs = [
            plan_comparison.cost(used, one, months=current.months, cents_per_credit=price) for one in (current, other)
        ]
        st.markdown(_finding(visit, used, current, other, costs))
        rows = rows + _cost_rows(len(periods))
        for column, one in zip(columns.values(), costs, strict=True):
            column += _cost_column(visit, one, current.price.currency)
        beyond = _price_words(visit, price, current.price.currency, whose)
        st.caption(
            f"Use on days of {escape(visit.zone.key)}; beyond the allowance {beyond}. Both at today's terms; credits "
            "that roll over are left out."
        )
    st.table(pd.DataFrame({"": rows, **columns}), hide_index=True, border="horizontal", alt="Two plans side by side")


def _complete_periods(view: View) -> list[tuple[date, date]]:
    """The last billing periods that are over and for which this customer was given an allowance, oldest first."""
    given = view.visit.ask(frames.load_allocations, account=view.account, at=view.visit.at)
    today = pd.Timestamp(view.visit.at.astimezone(view.customer.zone).date())
    over = given[(given["kind"] == "allowance") & (given["period_end"] <= today)]
    pairs = set(zip(over["period_start"].dt.date, over["period_end"].dt.date, strict=True))
    return sorted(pairs)[-PERIODS:]


def _usage(view: View, periods: list[tuple[date, date]]) -> pd.DataFrame:
    return view.visit.ask(frames.load_daily_usage, since=periods[0][0], until=periods[-1][1], account=view.account)


def _price_of_a_credit(view: View, currency: str) -> tuple[Fraction | None, str]:
    """Cents for a credit beyond the allowance, and where that is from: own top-ups, else the smallest package."""
    visit = view.visit
    since = visit.at - timedelta(days=PRICE_DAYS)
    bought = visit.ask(frames.load_top_ups, since=since, until=visit.at, account=view.account)
    bought = bought[bought["currency"] == currency]
    if credits := int(bought["granted_micro"].sum()):
        words = f"what this customer paid on average in {PRICE_DAYS} days"
        return Fraction(int(bought["cost_cents"].sum()) * MICRO, credits), words
    shop = [
        one
        for one in in_force(visit.ask(frames.load_packages), visit.at)
        if one.price_list == STANDARD_LIST and one.price.currency == currency
    ]
    if not shop:
        return None, ""
    smallest = min(shop, key=lambda one: one.credits_micro)
    return cents_per_credit(smallest), f"as in the package {escape(smallest.label)}"


def _finding(
    visit: Visit,
    used: list[int],
    current: frames.PlanVersion,
    other: frames.PlanVersion,
    costs: list[PlanCost | None],
) -> str:
    """Such as: at least 90 % of the allowance was used in 3 of the last 6 periods. Pro would have saved $38.00."""
    full, count = plan_comparison.used_up(used, current), len(used)
    if count == 1:
        words = f"At least 90\u00a0% of the allowance {'was' if full else 'was not'} used in the last period."
    else:
        words = f"At least 90\u00a0% of the allowance was used in **{full} of the last {count} periods**."
    here, there = costs
    if here is None or there is None:
        return words
    name, saved = f"**{escape(other.label)}**", here.cents - there.cents
    amount = escape(money_text(abs(saved), current.price.currency, visit.locale))
    if not saved:
        return f"{words} {name} would have cost the same."
    return f"{words} {name} would have " + (f"saved {amount}." if saved > 0 else f"cost {amount} more.")


def _cost_rows(count: int) -> list[str]:
    last = "last period" if count == 1 else f"last {count} periods"
    return [f"Price of the {last}", "Used beyond the allowance", "Price of that", "Together"]


def _cost_column(visit: Visit, one: PlanCost | None, currency: str) -> list[str]:
    if one is None:
        return ["–"] * 4

    def money(cents: int) -> str:
        return escape(money_text(cents, currency, visit.locale))

    beyond = credit_text(one.beyond_micro, visit.locale)
    return [money(one.plan_cents), beyond, money(one.beyond_cents), money(one.cents)]


def _price_words(visit: Visit, price: Fraction | None, currency: str, whose: str) -> str:
    if price is None:
        return "has no price, because no credits were bought and no package is for sale"
    return f"at {escape(unit_price_text(price, currency, visit.locale))} a credit, {whose}"
