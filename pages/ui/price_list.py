"""What features cost: versions of prices with the next one scheduled, bundles, plans side by side."""

from datetime import datetime, time, timedelta
from fractions import Fraction

import pandas as pd
import streamlit as st

from analytics import frames
from analytics.frames.catalog import Bundle, PlanVersion
from ledger import MICRO
from ledger.core.packages import cents_per_credit, in_force, saving_ppm
from ledger.core.pricing import PPM
from pages.ui import package_cards, parts
from pages.ui.guard import Visit
from pages.ui.text import (
    credit_text,
    day_text,
    escape,
    instant_text,
    money_text,
    percent_text,
    unit_price_text,
)

PLAN_ROWS = [
    "Credits per period",
    "Price per period",
    "Price of a credit",
    "Period",
    "Rolls over",
    "Rolled over lasts",
]


def prices(visit: Visit) -> None:
    """The price of every feature now, what comes next, and all versions on demand."""
    versions = visit.ask(frames.load_feature_prices)
    if versions.empty:
        st.markdown("No feature has a price yet, so nothing can be used.")
        return
    now = pd.Timestamp(visit.at)
    rows = [_price_row(visit, str(feature), group, now) for feature, group in versions.groupby("feature", sort=True)]
    text = st.column_config.TextColumn
    parts.table(
        pd.DataFrame(rows),
        key="prices",
        alt="Price of each feature with the next version scheduled",
        columns={
            "name": text("Feature", pinned=True),
            "feature": text("Code"),
            "credits": parts.credits_column("Credits"),
            "unit": text("Per"),
            "coming": text("Next version", width=170, help="Scheduled, or the end of the sale"),
            "since": parts.instant_column("Since", visit.zone),
            "factors": text("Complexity", help="What a use of that complexity costs, as a multiple of the price"),
        },
    )
    panel = st.expander("All versions", key="all-versions", on_change="rerun", icon=":material/history:")
    if panel.open:
        with panel:
            _versions(visit, versions)


def _price_row(visit: Visit, feature: str, versions: pd.DataFrame, now: pd.Timestamp) -> dict[str, object]:
    begun = versions[versions["effective_at"] <= now]
    later = versions[versions["effective_at"] > now]
    current = begun.iloc[-1] if len(begun) else None
    if current is not None and pd.notna(current["ends_at"]) and current["ends_at"] <= now:
        current = None
    named = versions.iloc[-1] if current is None else current
    return {
        "name": named["label"],
        "feature": feature,
        "credits": None if current is None else current["price_micro"] / MICRO,
        "unit": named["unit"] if current is not None else "not for sale",
        "factors": "" if current is None else factor_words(visit, current["factors"]),
        "since": pd.NaT if current is None else current["effective_at"],
        "coming": _coming(visit, current, later),
    }


def _coming(visit: Visit, current: pd.Series | None, later: pd.DataFrame) -> str:
    ends = None if current is None or pd.isna(current["ends_at"]) else current["ends_at"]
    if len(later) and (ends is None or later.iloc[0]["effective_at"] <= ends):
        coming = later.iloc[0]
        return f"{credit_text(int(coming['price_micro']), visit.locale)} from {_when(visit, coming['effective_at'])}"
    return "" if ends is None else f"not for sale from {_when(visit, ends)}"


def _versions(visit: Visit, versions: pd.DataFrame) -> None:
    shown = versions.sort_values(["feature", "effective_at"], ascending=[True, False], ignore_index=True)
    shown = shown.assign(
        credits=parts.whole_credits(shown["price_micro"]),
        factor_words=[factor_words(visit, factors) for factors in shown["factors"]],
    )
    parts.table(
        shown,
        key="versions",
        alt="Every version of every price, newest first",
        columns={
            "label": st.column_config.TextColumn("Feature", pinned=True),
            "credits": parts.credits_column("Credits"),
            "unit": "Per",
            "factor_words": "Complexity",
            "effective_at": parts.instant_column("From", visit.zone),
            "ends_at": parts.instant_column("Until", visit.zone),
            "actor": "Set by",
        },
    )


def factor_words(visit: Visit, factors: dict[str, int]) -> str:
    """Complexities with their factors, cheapest first, such as "simple × 0.5"; as typed."""
    ordered = sorted(factors.items(), key=lambda pair: pair[1])
    return ", ".join(f"{name} × {credit_text(factor, visit.locale)}" for name, factor in ordered)


def packages(visit: Visit) -> None:
    """Every package with its price of a credit and saving, those that come or are over included."""
    versions = visit.ask(frames.load_packages)
    if not versions:
        st.markdown("No package is for sale yet.")
        return
    now = in_force(versions, visit.at)
    coming = [one for one in versions if one.effective_at > visit.at]
    rows = [
        {
            "name": one.label,
            "code": one.code,
            "list": package_cards.LIST_WORDS.get(one.price_list, one.price_list),
            "credits": one.credits_micro / MICRO,
            "price": money_text(one.price.cents, one.price.currency, visit.locale),
            "each": unit_price_text(cents_per_credit(one), one.price.currency, visit.locale),
            "saving": percent_text(saving_ppm(one, now) / PPM, visit.locale, decimals=0),
            "limit": "" if one.per_customer_limit is None else str(one.per_customer_limit),
            "state": f"from {_when(visit, one.effective_at)}" if one in coming else "for sale",
            "ends": "" if one.ends_at is None else through(visit, one.ends_at),
        }
        for one in (*now, *coming)
    ]
    text = st.column_config.TextColumn
    parts.table(
        pd.DataFrame(rows),
        key="packages",
        alt="Packages with their price of a credit and what they save",
        columns={
            "name": text("Package", pinned=True),
            "list": text("Price list"),
            "credits": parts.credits_column("Credits"),
            "price": text("Price", alignment="right"),
            "each": text("Per credit", alignment="right"),
            "saving": text("Saves", alignment="right", help="Against the dearest credit of the same list"),
            "limit": text(
                "Per customer", alignment="right", help="How often one customer may buy it; empty: any number"
            ),
            "state": text("State"),
            "ends": text("Through"),
            "code": text("Code"),
        },
    )


def bundles(visit: Visit) -> None:
    """Features at a discount: those of now, to come and over, newest first."""
    found = visit.ask(frames.load_bundles)
    if not found:
        st.markdown("No bundle was ever defined: every use costs its price.")
        return
    labels = visit.ask(frames.load_feature_labels, at=visit.at)
    rows = [
        {
            "name": one.label,
            "state": _bundle_state(one, visit.at),
            "off": percent_text(one.discount_ppm / PPM, visit.locale),
            "features": ", ".join(labels.get(feature, feature) for feature in one.features),
            "from": _when(visit, one.effective_at),
            "until": through(visit, one.ends_at),
        }
        for one in found
    ]
    text = st.column_config.TextColumn
    parts.table(
        pd.DataFrame(rows),
        key="bundles",
        alt="Bundles of features at a discount",
        columns={
            "name": text("Bundle", pinned=True),
            "state": text("State"),
            "off": text("Discount", alignment="right"),
            "features": text("Features", width="large"),
            "from": text("From"),
            "until": text("Through"),
        },
    )
    st.caption("Of several bundles with the same feature the highest discount counts; discounts do not add up.")


def _bundle_state(one: Bundle, at: datetime) -> str:
    if one.is_on(at):
        return "on"
    return "scheduled" if one.effective_at > at else "over"


def plans(visit: Visit) -> None:
    """The plans side by side: one column each."""
    found = visit.ask(frames.load_plans, at=visit.at)
    if not found:
        st.markdown("No plan is defined yet.")
        return
    columns = {escape(one.label): plan_column(visit, one) for one in found}
    st.table(pd.DataFrame({"": PLAN_ROWS, **columns}), hide_index=True, border="horizontal", alt="Plans side by side")
    _plan_prices(visit)


def _plan_prices(visit: Visit) -> None:
    """Which prices at providers stand for a plan."""
    st.subheader("Billed by a provider", anchor=False)
    found = visit.ask(frames.load_plan_prices)
    if not found:
        st.markdown(
            "No price at a provider stands for a plan yet. Link one under “New version”, and its subscriptions are "
            "followed here: a paid invoice gives the credits of its period."
        )
        return
    shown = pd.DataFrame(
        {
            "plan": [one.plan_code for one in found],
            "provider": [one.provider.capitalize() for one in found],
            "price_ref": [one.price_ref for one in found],
            "linked_at": pd.to_datetime([one.linked_at for one in found], utc=True),
        }
    )
    columns = {
        "plan": st.column_config.TextColumn("Plan", pinned=True),
        "provider": st.column_config.TextColumn("Provider"),
        "price_ref": st.column_config.TextColumn("Price there"),
        "linked_at": parts.instant_column("Linked", visit.zone),
    }
    parts.table(shown, key="plan-prices", alt="Prices at providers that stand for plans", columns=columns)


def plan_column(visit: Visit, one: PlanVersion) -> list[str]:
    """A plan in words, one for each of PLAN_ROWS."""
    price = escape(money_text(one.price.cents, one.price.currency, visit.locale))
    per_credit = "–"
    if one.price.cents:
        cents = one.price.cents * MICRO
        per_credit = escape(unit_price_text(Fraction(cents, one.credits_micro), one.price.currency, visit.locale))
    rolls = "nothing"
    if one.rollover_cap_micro and one.rollover_share_ppm:
        share = percent_text(one.rollover_share_ppm / PPM, visit.locale, decimals=0)
        rolls = f"up to {share}, at most {credit_text(one.rollover_cap_micro, visit.locale)}"
    return [
        credit_text(one.credits_micro, visit.locale),
        price,
        per_credit,
        "month" if one.months == 1 else f"{one.months} months",
        rolls,
        "–" if rolls == "nothing" else f"{one.rollover_periods} period{'s' * (one.rollover_periods > 1)}",
    ]


def _when(visit: Visit, at: datetime) -> str:
    local = at.astimezone(visit.zone)
    if local.time() == time():
        return day_text(local.date(), visit.locale)
    return instant_text(at, visit.zone, visit.locale)


def through(visit: Visit, ends_at: datetime) -> str:
    """The last day of something that ends at a midnight of the company, else the instant of its end; as typed."""
    local = ends_at.astimezone(visit.zone)
    if local.time() == time():
        return day_text(local.date() - timedelta(days=1), visit.locale)
    return instant_text(ends_at, visit.zone, visit.locale)
