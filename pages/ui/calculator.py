"""What a use would cost: the estimate of the ledger, in credits and in money by package."""

import streamlit as st

from analytics import frames
from ledger import MICRO, InvalidCommand, NotFound, credits_to_micro, estimate_cost
from ledger.core.amounts import divide_rounding_half_up
from ledger.core.packages import STANDARD_LIST, cents_per_credit, in_force
from ledger.core.pricing import PPM
from ledger.estimates import Estimate
from pages.ui import address, forms
from pages.ui.amounts import AmountUnclear, parse_amount
from pages.ui.guard import Visit
from pages.ui.text import TYPE_WORDS, credit_text, escape, money_text, percent_text

_NOBODY = "nobody"


def draw(visit: Visit) -> None:
    """Feature, quantity, complexity and, if wanted, the customer who would pay; all of it in the address."""
    labels = visit.ask(frames.load_feature_labels, at=visit.at)
    if not labels:
        st.markdown("No feature has a price yet.")
        return
    left, middle, right = st.columns(3)
    with left:
        features = list(labels)
        feature = address.select("feature", "Feature", features, default=features[0], format_func=labels.__getitem__)
    with middle:
        typed = address.text("quantity", "Quantity", default="1,000")
    with right:
        known = ["", *_complexities(visit, feature)]
        complexity = address.select("complexity", "Complexity", known, default="", format_func=_or_none)
    names = forms.customer_names(visit)
    account = address.select(
        "customer",
        "Who would pay",
        [_NOBODY, *names],
        default=_NOBODY,
        format_func=lambda one: names.get(one, "Nobody in particular"),
    )
    try:
        quantity = credits_to_micro(parse_amount(typed, visit.locale))
        made = estimate_cost(
            visit.ledger,
            feature,
            quantity_micro=quantity,
            complexity=complexity,
            account=None if account == _NOBODY else account,
        )
    except InvalidCommand as error:
        st.error(escape(forms.sentence("; ".join(fault.message for fault in error.faults))))
    except (AmountUnclear, ValueError, NotFound) as error:
        st.error(escape(forms.sentence(str(error))))
    else:
        _answer(visit, made, labels[feature])


def _answer(visit: Visit, made: Estimate, label: str) -> None:
    locale = visit.locale
    cost, quantity = credit_text(made.cost_micro, locale), credit_text(made.quantity_micro, locale)
    st.markdown(f"### {quantity} × {escape(label)} = {cost} credits")
    words = [f"{quantity} × {credit_text(made.price_micro, locale)} credits"]
    if made.factor_micro != MICRO:
        words.append(f"× {credit_text(made.factor_micro, locale)} for {escape(made.complexity)}")
    if made.discount_ppm:
        off, saved = percent_text(made.discount_ppm / PPM, locale), credit_text(made.saved_micro, locale)
        words.append(f"less {off} by a bundle, {saved} credits saved")
    st.markdown(" ".join(words) + ".")
    shop = [one for one in in_force(visit.ask(frames.load_packages), visit.at) if one.price_list == STANDARD_LIST]
    if shop:
        prices = []
        for one in shop:
            cents = cents_per_credit(one) * made.cost_micro / MICRO
            money = money_text(divide_rounding_half_up(cents.numerator, cents.denominator), one.price.currency, locale)
            prices.append(f"{escape(money)} in {escape(one.label)}")
        st.caption("At the price of a credit: " + " · ".join(prices))
    if made.account is not None:
        _payers(visit, made)


def _payers(visit: Visit, made: Estimate) -> None:
    locale = visit.locale
    rows = {
        f"Paid by batch {take.batch_id}": f"{credit_text(take.amount_micro, locale)} "
        f"{TYPE_WORDS[take.credit_type].lower()}"
        for take in made.takes
    }
    if made.owed_micro:
        rows["Approved overdraft"] = credit_text(made.owed_micro, locale)
    if made.short_micro:
        st.warning(
            f"{credit_text(made.short_micro, locale)} credits short: "
            f"{credit_text(made.available_micro, locale)} available for this feature. The use would be refused.",
            icon=":material/block:",
        )
    elif rows:
        st.table(rows, border="horizontal")


def _complexities(visit: Visit, feature: str) -> list[str]:
    versions = visit.ask(frames.load_feature_prices)
    begun = versions[(versions["feature"] == feature) & (versions["effective_at"] <= visit.at)]
    return sorted(begun.iloc[-1]["factors"]) if len(begun) else []


def _or_none(complexity: str) -> str:
    return complexity or "None named"
