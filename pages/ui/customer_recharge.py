"""Auto-recharge of one customer: what its rule does, what it would have done, and the form to change it."""

from datetime import date, datetime, timedelta
from decimal import Decimal

import pandas as pd
import streamlit as st
from babel.numbers import format_decimal, get_currency_precision

from analytics import frames
from analytics.recharge_past import PAST_DAYS, Fired, paces, would_have_fired
from ledger import MICRO, Command, Permission, Provider, RechargeTerms, ResumeRecharge, SetRechargeRule
from ledger.core.alerts import RUNWAY_DAYS_ALLOWED
from ledger.core.packages import Package, in_force
from ledger.core.recharge import COOL_DOWN_MAX, STOP_AFTER_ALLOWED
from pages.ui import forms, package_cards
from pages.ui.customer_overview import View
from pages.ui.forms import Form
from pages.ui.guard import Visit
from pages.ui.review import Act, receipt_panel, review
from pages.ui.text import credit_text, escape, instant_text, money_text

REASONS = ("contract", "goodwill", "payment", "other")
ACTS = {"set": "Set the rule", "resume": "Resume", "off": "Switch off"}
DONE = {"set_recharge_rule": "Auto-recharge is set.", "resume_recharge": "Auto-recharge runs again."}
HOUR = timedelta(hours=1)


def draw(view: View) -> None:
    """The rule in words, the saved card, and for who may change it the form with its rehearsal."""
    visit = view.visit
    st.subheader("Auto-recharge", anchor=False)
    rule = visit.ask_now(frames.load_recharge_rule, account=view.account)
    cards = visit.ask_now(frames.load_cards, account=view.account)
    _say(visit, rule)
    _say_cards(visit, cards)
    if not visit.may(Permission.MANAGE_RECHARGE):
        st.caption("Rules of auto-recharge are changed by an admin.")
        return
    form = forms.open_form(visit, f"recharge.{view.account}")
    receipt = forms.outcome(form)
    if receipt is not None:
        done = "Auto-recharge is off." if "is off" in "".join(receipt.notes) else DONE.get(receipt.kind, "Booked.")
        receipt_panel(form, receipt, done=done, name=view.customer.name)
        return
    packages = [one for one in in_force(visit.ask(frames.load_packages), visit.at) if one.per_customer_limit is None]
    if cards.empty or not packages:
        st.caption(_why_no_form(cards))
        return
    with st.expander("Change auto-recharge" if rule else "Set up auto-recharge", expanded=_is_begun(form, rule)):
        forms.offer_draft(form)
        left, right = forms.columns()
        with left:
            command, act = _fields(view, form, rule, cards, packages)
        with right:
            review(form, command, act)
            if isinstance(command, SetRechargeRule) and command.terms is not None and _is_sound(command):
                _rehearse(view, command.terms, packages)


def _is_begun(form: Form, rule: frames.RechargeRule | None) -> bool:
    return bool(form.state.saved or form.state.body) or (rule is not None and rule.stopped_at is not None)


def _is_sound(command: SetRechargeRule) -> bool:
    """Whether the terms make sense, whatever is missing of the reason."""
    return all(fault.field in ("reason", "note", "ticket") for fault in command.faults())


def _why_no_form(cards: pd.DataFrame) -> str:
    if cards.empty:
        return "A rule needs a saved card: sell something by card and let the card be saved at the checkout."
    return "No package is for sale that can be bought any number of times."


def _say(visit: Visit, rule: frames.RechargeRule | None) -> None:
    if rule is None or not rule.is_on:
        st.markdown("Auto-recharge is **off**: no card is charged by itself." if rule else "There is no rule.")
        return
    st.markdown(_rule_words(visit, rule))
    if rule.stopped_at is not None:
        since = instant_text(rule.stopped_at, visit.zone, visit.locale)
        st.error(
            f"{escape(forms.sentence(rule.stopped_because))} Since {since} no card is charged; mend it and resume.",
            title="Auto-recharge has stopped",
            icon=":material/error:",
        )
    elif rule.declines:
        st.warning(f"Declined {_times(rule.declines)} in a row; it stops after {rule.terms.stop_after}.")
    elif rule.rests_until is not None and rule.rests_until > visit.ledger.clock.now():
        st.caption(f"Rests until {instant_text(rule.rests_until, visit.zone, visit.locale)} after the last try.")


def _rule_words(visit: Visit, rule: frames.RechargeRule) -> str:
    terms = rule.terms
    lines = []
    if terms.threshold_micro is not None:
        lines.append(f"fewer than **{credit_text(terms.threshold_micro, visit.locale)} credits** are left")
    if terms.runway_days is not None:
        lines.append(f"they last fewer than **{_days(terms.runway_days)}**")
    day, month = (
        money_text(cents, rule.currency, visit.locale) for cents in (terms.day_cap_cents, terms.month_cap_cents)
    )
    return (
        f"When {' or '.join(lines)}, {escape(rule.card or 'the saved card')} is charged for as many packages "
        f"**{escape(terms.package)}** as it takes, at most {escape(day)} a day and {escape(month)} a month; then it "
        f"rests for {_span(terms.cool_down)}."
    )


def _say_cards(visit: Visit, cards: pd.DataFrame) -> None:
    for row in cards.to_dict("records"):
        known = instant_text(row["noted_at"], visit.zone, visit.locale)
        where = frames.PROVIDER_WORDS[row["provider"]]
        st.caption(f":material/credit_card: Saved card at {where}: {escape(row['words'])}, known since {known}.")


def _fields(
    view: View, form: Form, rule: frames.RechargeRule | None, cards: pd.DataFrame, packages: list[Package]
) -> tuple[Command | None, Act]:
    visit, name = view.visit, escape(view.customer.name)
    options = ["set"]
    if rule is not None and rule.is_on:
        options = ["resume", "set", "off"] if rule.stopped_at is not None else ["set", "off"]
    what = form.choice("what", "What to do", options, words=ACTS) if len(options) > 1 else "set"
    if what == "resume":
        return ResumeRecharge(view.account, form.reason(codes=REASONS)), Act(f"Resume auto-recharge of {name}")
    providers = {provider: frames.PROVIDER_WORDS[provider] for provider in cards["provider"]}
    provider = Provider(rule.provider) if rule is not None else Provider(next(iter(providers)))
    if what == "off":
        command = SetRechargeRule(view.account, None, provider, form.reason(codes=REASONS))
        return command, Act(f"Switch auto-recharge of {name} off")
    if len(providers) > 1:
        provider = Provider(form.select("provider", "Card at", providers, default=provider.value) or provider)
    terms, sold = _terms(visit, form, rule, packages)
    reason = form.reason(codes=REASONS)
    if terms is None or sold is None:
        return None, Act("Set auto-recharge")
    card = next((row["words"] for row in cards.to_dict("records") if row["provider"] == provider), "")
    facts = {"Charges": escape(f"{card} at {frames.PROVIDER_WORDS[provider.value]}"), "Buys": _package(visit, sold)}
    return SetRechargeRule(view.account, terms, provider, reason), Act(f"Set auto-recharge of {name}", facts=facts)


def _terms(
    visit: Visit, form: Form, rule: frames.RechargeRule | None, packages: list[Package]
) -> tuple[RechargeTerms | None, Package | None]:
    """What is typed, beginning with the rule in force; None while something is missing."""
    old = None if rule is None else rule.terms
    choices = {one.code: package_cards.words(visit, one) for one in packages}
    code = form.select("package", "Package", choices, default=old.package if old and old.package in choices else None)
    sold = next((one for one in packages if one.code == code), None)
    currency = sold.price.currency if sold else visit.company.currency
    if old is not None and form.filled("threshold") is None:
        _fill(visit, form, old, currency)
    left, right = st.columns(2)
    with left:
        threshold = form.number(
            "threshold",
            "Credits left",
            least=1,
            most=1_000_000_000,
            required=False,
            help="The card is charged when fewer can be used. Empty: only the days count.",
        )
        day_cap = form.money(
            "day_cap", "At most a day", currency, help="Without tax, in any day of the customer's zone"
        )
        rest = form.number(
            "cool_down",
            "Hours of rest",
            least=1,
            most=COOL_DOWN_MAX // HOUR,
            default=1,
            help="After each try, good or bad",
        )
    with right:
        days = form.number(
            "runway_days",
            "Days left",
            least=RUNWAY_DAYS_ALLOWED[0],
            most=RUNWAY_DAYS_ALLOWED[-1],
            required=False,
            help="The card is charged when the credits last fewer days by the forecast. Empty: only credits count.",
        )
        month_cap = form.money("month_cap", "At most a month", currency, help="Without tax, in any month")
        stop = form.number(
            "stop_after", "Declines until it stops", least=1, most=STOP_AFTER_ALLOWED[-1], default=3, help="In a row"
        )
    if sold is None or None in (day_cap, month_cap, rest, stop) or form.faults:
        return None, sold
    assert day_cap is not None and month_cap is not None and rest is not None and stop is not None
    threshold_micro = None if threshold is None else threshold * MICRO
    return RechargeTerms(sold.code, threshold_micro, days, day_cap, month_cap, rest * HOUR, stop), sold


def _fill(visit: Visit, form: Form, old: RechargeTerms, currency: str) -> None:
    """Begin a form with the rule in force."""

    def money(cents: int) -> str:
        value = Decimal(cents).scaleb(-get_currency_precision(currency))
        return format_decimal(value, locale=visit.locale, group_separator=False)

    form.fill(
        threshold="" if old.threshold_micro is None else str(old.threshold_micro // MICRO),
        runway_days="" if old.runway_days is None else str(old.runway_days),
        day_cap=money(old.day_cap_cents),
        month_cap=money(old.month_cap_cents),
        cool_down=str(max(1, old.cool_down // HOUR)),
        stop_after=str(old.stop_after),
    )


def _rehearse(view: View, terms: RechargeTerms, packages: list[Package]) -> None:
    """What the rule would have done, before anybody lets it loose on a card."""
    visit = view.visit
    sold = next(one for one in packages if one.code == terms.package)
    fired = visit.kept("recharge-past", lambda: _past(view, terms, sold), view.account, repr(terms))
    with st.container(border=True):
        st.markdown(f"**The past {PAST_DAYS} days**")
        st.markdown(_past_words(visit, fired))
        for one in fired[-5:]:
            more = ", as far as the caps allow" if one.is_capped else ""
            price = escape(money_text(one.price.cents, one.price.currency, visit.locale))
            when = instant_text(one.at, visit.zone, visit.locale)
            st.caption(f"{when}: {one.quantity} × {escape(sold.label)}, {price}{more}")
        st.caption("On the balances that there were; what was really bought in that time is in them.")


def _past_words(visit: Visit, fired: list[Fired]) -> str:
    if not fired:
        return "This rule **would not have fired**."
    price = money_text(sum(one.price.cents for one in fired), fired[0].price.currency, visit.locale)
    return f"This rule would have fired **{_times(len(fired))}**, for **{escape(price)}**."


def _past(view: View, terms: RechargeTerms, sold: Package) -> list[Fired]:
    visit = view.visit
    until: datetime = visit.at
    since = until - timedelta(days=PAST_DAYS)
    steps = visit.ask(frames.load_balance_steps, account=view.account, since=since)
    days = [since.date() + timedelta(days=place) for place in range(PAST_DAYS + 2)]
    used: dict[date, int] = {}
    if terms.runway_days is not None:
        usage = visit.ask(
            frames.load_daily_usage, since=days[0] - timedelta(days=60), until=visit.today, account=view.account
        )
        sums = usage.groupby("day")["used_micro"].sum()
        used = {pd.Timestamp(str(day)).date(): int(amount) for day, amount in sums.items()}
    pace = paces(used, days, runway_days=terms.runway_days)
    return would_have_fired(steps, terms, sold, until=until, zone=view.customer.zone, pace_by_day=pace)


def _package(visit: Visit, sold: Package) -> str:
    price = escape(money_text(sold.price.cents, sold.price.currency, visit.locale))
    return (
        f"As many {escape(sold.label)} as it takes, {credit_text(sold.credits_micro, visit.locale)} credits for {price}"
    )


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _days(count: int) -> str:
    return f"{count} day{'s' * (count != 1)}"


def _span(span: timedelta) -> str:
    hours, rest = divmod(span, HOUR)
    if not rest and hours < 48:
        return f"{hours} hour{'s' * (hours != 1)}"
    return _days(span.days) if not span % timedelta(days=1) else f"{span // timedelta(minutes=1)} minutes"
