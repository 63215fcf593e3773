"""Forms of the catalogue: the next version of a price, of a package or of a plan, and a bundle."""

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal

import streamlit as st

from analytics import frames
from analytics.frames.catalog import PriceEffect
from ledger import DefineBundle, DefinePackage, DefinePlan, LinkPlanPrice, Money, Provider, SetFeaturePrice
from ledger.core.amounts import credits_to_micro
from ledger.core.lifecycle import end_of_day
from ledger.core.packages import STANDARD_LIST
from ledger.core.pricing import PPM
from pages.ui import package_cards
from pages.ui.amounts import AmountUnclear, parse_amount
from pages.ui.forms import Form
from pages.ui.guard import Visit
from pages.ui.price_list import factor_words
from pages.ui.review import Act
from pages.ui.text import credit_text, day_text, escape, money_text, percent_text

REASONS = ("contract", "campaign", "data_correction", "other")
NEW = "new"
NO_FACTORS = "none"
# Providers that bill plans.
BILLING = (Provider.STRIPE, Provider.MOCK)
# Billing periods that are offered, in months.
LENGTHS = (1, 3, 6, 12)
Drawn = tuple[SetFeaturePrice | DefinePackage | DefineBundle | DefinePlan | LinkPlanPrice | None, Act]


def price(form: Form) -> Drawn:
    """A price from a day on, with its complexities; the effect on last month beside it."""
    visit = form.visit
    labels = visit.ask(frames.load_feature_labels, at=visit.at)
    chosen = form.select("feature", "Feature", {NEW: "A new feature"} | labels, default=next(iter(labels), NEW))
    code, label, unit = chosen or NEW, "", ""
    factors, known = "simple 0.5, standard 1, complex 2", {}
    if code == NEW:
        code = form.text("code", "Code", required=True, max_chars=120, help="The name by which uses are reported")
        label = form.text("label", "Name for people", max_chars=120)
        unit = form.text("unit", "Unit", max_chars=40, placeholder="call")
    else:
        versions = visit.ask(frames.load_feature_prices)
        # Those with a label have a version in force.
        last = versions[(versions["feature"] == code) & (versions["effective_at"] <= visit.at)].iloc[-1]
        label, unit, known = last["label"], last["unit"], dict(last["factors"])
        factors = factor_words(visit, known).replace("× ", "")
        st.caption(f"Now: {credit_text(int(last['price_micro']), visit.locale)} credits per {escape(unit)}.")
    amount = form.credits("price", "Credits per unit")
    words = form.text(
        "factors",
        "Complexities",
        placeholder=factors,
        help=f"Name and factor, such as: simple 0.5, complex 2. Empty: as now. “{NO_FACTORS}”: none any more",
    )
    named = known if not words else {} if words.casefold() == NO_FACTORS else _factors(form, words)
    starts, ends = _time(form)
    reason = form.reason(codes=REASONS)
    if not code or amount is None or named is None:
        return None, Act(button="Set the price")
    command = SetFeaturePrice(code, amount, label, unit or "call", starts, ends, named, reason)
    act = Act(
        button=f"Set the price of {escape(label or code)} to {credit_text(amount, visit.locale)}",
        facts=_when(visit, starts, ends)
        | {"Complexities": escape(factor_words(visit, named)) or "none"}
        | _last_month(visit, command),
    )
    return command, act


def package(form: Form) -> Drawn:
    """A package, new or the next version of one."""
    visit = form.visit
    known = {one.code: one for one in visit.ask(frames.load_packages)}
    names = {code: f"{one.label} · {code}" for code, one in known.items()}
    code = form.select("package", "Package", {NEW: "A new package"} | names, default=NEW) or NEW
    last = known.get(code)
    if last is None:
        code = form.text(
            "code", "Code", required=True, max_chars=120, help="Never changes; purchases are counted by it"
        )
        label = form.text("label", "Name for people", required=True, max_chars=120)
        lists = {STANDARD_LIST: "Standard"} | {
            one.price_list: package_cards.LIST_WORDS.get(one.price_list, one.price_list) for one in known.values()
        }
        price_list = form.select("price_list", "Price list", lists, default=STANDARD_LIST) or STANDARD_LIST
    else:
        label, price_list = last.label, last.price_list
        st.caption(f"Newest version: {escape(package_cards.words(visit, last))}.")
    currency = last.price.currency if last else visit.company.currency
    left, right = st.columns(2)
    with left:
        credits = form.credits("credits", "Credits")
    with right:
        cents = form.money("price", f"Price, {currency}", currency)
    limit_text = form.text(
        "limit", "Per customer", max_chars=9, help="How often one customer may buy it; empty: any number"
    )
    limit = int(limit_text) if limit_text.isascii() and limit_text.isdigit() else None
    if limit_text and limit is None:
        form.faults["limit"] = "must be a whole number, or empty for any number"
    starts, ends = _time(form)
    reason = form.reason(codes=REASONS)
    if not code or not label or credits is None or cents is None or (limit_text and limit is None):
        return None, Act(button="Define the package")
    command = DefinePackage(code, label, credits, Money(cents, currency), price_list, limit, starts, ends, reason)
    price_text = escape(money_text(cents, currency, visit.locale))
    facts = {
        "Package": f"{credit_text(credits, visit.locale)} credits for {price_text}",
        "Per customer": "any number" if limit is None else str(limit),
    }
    return command, Act(button=f"Sell {escape(label)}", facts=facts | _when(visit, starts, ends))


def bundle(form: Form) -> Drawn:
    """Features at a discount for a limited time."""
    visit = form.visit
    label = form.text("label", "Name for people", required=True, max_chars=120)
    code = form.text("code", "Code", required=True, max_chars=120, help="Another season is another code")
    labels = visit.ask(frames.load_feature_labels, at=visit.at)
    features = form.several("features", "Features", labels)
    percent = form.text("discount", "Discount in percent", required=True, max_chars=10, placeholder="10")
    discount_ppm = _discount(form, percent)
    starts, ends = _time(form, must_end=True)
    reason = form.reason(codes=REASONS)
    if not label or not code or not features or discount_ppm is None or ends is None:
        return None, Act(button="Start the bundle")
    command = DefineBundle(code, label, features, discount_ppm, ends, starts, reason)
    facts = {
        "Cheaper": ", ".join(escape(labels[one]) for one in features),
        "Discount": percent_text(discount_ppm / 1_000_000, visit.locale),
    }
    return command, Act(button=f"Start {escape(label)}", facts=facts | _when(visit, starts, ends))


def plan(form: Form) -> Drawn:
    """A subscription plan, new or the next version of one."""
    visit = form.visit
    known = {one.code: one for one in visit.ask(frames.load_plans, at=visit.at)}
    names = {code: f"{one.label} · {code}" for code, one in known.items()}
    code = form.select("plan", "Plan", {NEW: "A new plan"} | names, default=NEW) or NEW
    last = known.get(code)
    if last is None:
        code = form.text(
            "code", "Code", required=True, max_chars=40, help="Never changes; customers are on a plan by it"
        )
        label = form.text("label", "Name for people", required=True, max_chars=120)
    else:
        label = last.label
        st.caption("Who is on the plan gets the new version with the next billing period.")
    currency = last.price.currency if last else visit.company.currency
    left, right = st.columns(2)
    with left:
        credits = form.credits("credits", "Credits per period")
    with right:
        cents = form.money("price", f"Price per period, {currency}", currency)
    now = last.months if last else 1
    lengths = {str(number): _length(number) for number in sorted({*LENGTHS, now})}
    months = int(form.select("months", "Billing period", lengths, default=str(now)) or now)
    rolls, terms = _rollover(form)
    first = form.day("effective_at", "From", default=visit.today, earliest=visit.today, latest=None)
    starts = None if first == visit.today else _midnight(visit, first)
    if not code or not label or credits is None or cents is None or terms is None:
        return None, Act(button="Define the plan")
    command = DefinePlan(code, label, credits, Money(cents, currency), months, *terms, effective_at=starts)
    price_text = escape(money_text(cents, currency, visit.locale))
    facts = {
        "Plan": f"{credit_text(credits, visit.locale)} credits each {_length(months)} for {price_text}",
        "Rolls over": rolls,
    }
    return command, Act(button=f"Define {escape(label)}", facts=facts | _when(visit, starts, None))


def _length(months: int) -> str:
    return {1: "month", 12: "year"}.get(months, f"{months} months")


def _rollover(form: Form) -> tuple[str, tuple[int, int, int] | None]:
    """What rolls over in words, and as cap, share and number of periods; None while a field is empty or wrong."""
    if not form.check("rolls_over", "Unused allowance rolls over"):
        return "nothing", (0, PPM, 1)
    left, middle, right = st.columns(3)
    with left:
        cap = form.credits("rollover_cap", "At most, credits")
    with middle:
        share = form.number("rollover_share", "At most, per cent of it", least=1, most=100, default=50)
    with right:
        periods = form.number("rollover_periods", "For periods", least=1, most=24, default=1)
    if cap is None or share is None or periods is None:
        return "", None
    lasts = "1 period" if periods == 1 else f"{periods} periods"
    words = f"at most {credit_text(cap, form.visit.locale)} credits and {share} %, for {lasts}"
    return words, (cap, share * PPM // 100, periods)


def plan_price(form: Form) -> Drawn:
    """Which plan a subscription price at a provider stands for."""
    visit = form.visit
    plans = {one.code: one.label for one in visit.ask(frames.load_plans, at=visit.at)}
    provider = form.select(
        "provider", "Provider", {one.value: one.value.capitalize() for one in BILLING}, default="stripe"
    )
    price_ref = form.text(
        "price_ref", "Price", required=True, max_chars=200, placeholder="price_…", help="The provider's name of it"
    )
    code = form.select("plan", "Plan", {NEW: "None: take the link away"} | plans)
    if not price_ref or code is None:
        return None, Act(button="Link the price")
    chosen = None if code == NEW else code
    known = next((one for one in visit.ask(frames.load_plan_prices) if one.price_ref == price_ref), None)
    facts = {
        "Until now": escape(known.plan_code) if known else "stands for no plan",
        "From now on": escape(plans[chosen]) if chosen else "stands for no plan; its invoices wait",
    }
    return LinkPlanPrice(Provider(provider or "stripe"), price_ref, chosen), Act(button="Link the price", facts=facts)


KINDS: dict[str, tuple[str, Callable[[Form], Drawn], str]] = {
    "price": ("Price of a feature", price, "Price set."),
    "package": ("Package", package, "Package defined."),
    "bundle": ("Bundle", bundle, "Bundle defined."),
    "plan": ("Plan", plan, "Plan defined."),
    "plan_price": ("Plan at a provider", plan_price, "Price linked."),
}


def _time(form: Form, *, must_end: bool = False) -> tuple[datetime | None, datetime | None]:
    """From when (None: now) until when; days of the company, the last one included."""
    visit = form.visit
    left, right = st.columns(2)
    with left:
        first = form.day("effective_at", "From", default=visit.today, earliest=visit.today, latest=None)
    has_end = must_end or form.check("has_end", "It has an end")
    ends = None
    if has_end:
        with right:
            month = first + timedelta(days=30)
            last = form.day("ends_at", "Through", default=month, earliest=first, latest=None, variant=str(first))
        ends = end_of_day(last, visit.zone)
    starts = None if first == visit.today else datetime.combine(first, time(), tzinfo=visit.zone)
    return starts, ends


def _when(visit: Visit, starts: datetime | None, ends: datetime | None) -> dict[str, str]:
    def day(at: datetime) -> str:
        return escape(day_text(at.astimezone(visit.zone).date(), visit.locale))

    rows = {"From": "now on" if starts is None else f"{day(starts)}, 0:00"}
    return rows | ({} if ends is None else {"Through": day(ends - timedelta(microseconds=1))})


def _last_month(visit: Visit, command: SetFeaturePrice) -> dict[str, str]:
    """What the uses of last month would have cost."""
    until = visit.today.replace(day=1)
    since = (until - timedelta(days=1)).replace(day=1)
    effect: PriceEffect = visit.made(
        frames.load_price_effect,
        feature=command.feature,
        since=_midnight(visit, since),
        until=_midnight(visit, until),
        price_micro=command.price_micro,
        factors=tuple(sorted(command.factors.items())),
    )
    label = f"Uses of {since:%B}"
    if not effect.events:
        return {label: "none"}
    cost, would = (credit_text(micro, visit.locale) for micro in (effect.cost_micro, effect.would_micro))
    rows = {label: f"{effect.events:,}, cost {cost} credits", "With this price": f"{would} credits"}
    if effect.unknown:
        rows["Would be refused"] = "uses as " + ", ".join(escape(name) for name in effect.unknown)
    return rows


def _midnight(visit: Visit, day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=visit.zone)


def _factors(form: Form, words: str) -> dict[str, int] | None:
    found = {}
    for part in filter(None, (part.strip() for part in words.split(","))):
        name, _, number = part.rpartition(" ")
        try:
            found[name.strip()] = credits_to_micro(number)
        except ValueError:
            form.faults["factors"] = f"{part!r} is no name with a factor, such as complex 2"
            return None
    return found


def _discount(form: Form, text: str) -> int | None:
    if not text:
        return None
    try:
        ppm = parse_amount(text, form.visit.locale) * Decimal(10_000)
    except AmountUnclear as error:
        form.faults["discount"] = str(error)
        return None
    if ppm != ppm.to_integral_value():
        form.faults["discount"] = "has more than four decimals"
        return None
    return int(ppm)
