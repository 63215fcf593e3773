"""Alerts in words, for pages, mails and the command line: plain text, to be escaped by who shows it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from babel import Locale

from analytics.words import credit_text, day_text, money_text
from ledger.core.alerts import TROUBLES, Addressee, AlertKind, Severity

KIND_WORDS: dict[AlertKind, str] = {
    AlertKind.OUT_OF_CREDITS: "Out of credits",
    AlertKind.OVERDRAWN: "Overdrawn",
    AlertKind.LOW_BALANCE: "Low balance",
    AlertKind.OWN_LINE: "Own line",
    AlertKind.RUN_OUT: "Run-out likely",
    AlertKind.EXPIRING: "Expiring",
    AlertKind.PLAN_LIMIT: "Plan limit",
    AlertKind.UNUSUAL_USE: "Unusual use",
    AlertKind.RECHARGE_STOPPED: "Auto-recharge stopped",
    AlertKind.PAYMENT_BLOCKED: "Payment blocked",
    AlertKind.DISPUTE_OPEN: "Dispute open",
}
ABOUT: dict[AlertKind, str] = {
    AlertKind.OUT_OF_CREDITS: "Nothing can be used any more.",
    AlertKind.OVERDRAWN: "Use goes into an approved overdraft.",
    AlertKind.LOW_BALANCE: "Per cent of what was on the shelf after the last funding.",
    AlertKind.OWN_LINE: "A line of the customer's own, in credits or in days of runway.",
    AlertKind.RUN_OUT: "Chance in per cent that credits run out before the next ones come; 10, 50 or 90.",
    AlertKind.EXPIRING: "Days before the last day of a batch.",
    AlertKind.PLAN_LIMIT: "Per cent of what the plan gave for the running period.",
    AlertKind.UNUSUAL_USE: "A day far from what is usual for the customer, the feature and the weekday.",
    AlertKind.RECHARGE_STOPPED: "A rule charges no card any more until somebody resumes it.",
    AlertKind.PAYMENT_BLOCKED: "Paid, and its credits may not be given: somebody decides.",
    AlertKind.DISPUTE_OPEN: "A customer's bank disputes a payment; what is left of it is frozen.",
}
UNITS: dict[AlertKind, str] = {
    AlertKind.LOW_BALANCE: "%",
    AlertKind.RUN_OUT: "%",
    AlertKind.EXPIRING: "days",
    AlertKind.PLAN_LIMIT: "%",
}
TELLS_WORDS: dict[Addressee, str] = {
    Addressee.OWNER: "account manager",
    Addressee.CUSTOMER: "customer",
    Addressee.OPERATORS: "operators",
}
SEVERITY_WORDS: dict[Severity, str] = {
    Severity.CRITICAL: "Critical",
    Severity.WARNING: "Warning",
    Severity.INFO: "Information",
}


@dataclass(frozen=True, slots=True)
class Said:
    """An alert as a headline and, where there is more to say, a clause behind it."""

    title: str
    detail: str


def said(kind: AlertKind, level: int, figures: Mapping[str, Any], locale: Locale) -> Said:
    """What an alert says, from its figures as they were when it was raised."""
    if kind in TROUBLES:
        return _said_of_money(kind, figures, locale)
    return _said_of_credits(kind, level, figures, locale)


def _said_of_credits(kind: AlertKind, level: int, figures: Mapping[str, Any], locale: Locale) -> Said:
    def credits(name: str) -> str:
        return credit_text(figures[name], locale)

    def day(name: str) -> str:
        return day_text(date.fromisoformat(figures[name]), locale)

    match kind:
        case AlertKind.OUT_OF_CREDITS:
            return Said("0 credits left", f"the last funding left {credits('funding_micro')}")
        case AlertKind.OVERDRAWN:
            return Said(f"{credits('owed_micro')} credits owed", "repaid first from the next credits")
        case AlertKind.LOW_BALANCE:
            reason = f"{level} % or less of the {credits('funding_micro')} that the last funding left"
            return Said(_left(figures, locale), reason)
        case AlertKind.OWN_LINE if "limit_days" in figures:
            return Said(_left(figures, locale), f"the line is {_days(figures['limit_days'])} of runway")
        case AlertKind.OWN_LINE:
            return Said(_left(figures, locale), f"the line is {credits('threshold_micro')} credits")
        case AlertKind.RUN_OUT:
            what = "when the next credits come" if figures["has_grant"] else "with no next credits known of"
            return Said(f"{level} % likely or more: out before {day('before')}", what)
        case AlertKind.EXPIRING:
            when = "today" if figures["days_left"] == 0 else f"in {_days(figures['days_left'])}"
            batch = f"batch {figures['batch']}, {figures['credit_type']}, last day {day('last_day')}"
            return Said(f"{credits('left_micro')} credits expire {when}", batch)
        case AlertKind.PLAN_LIMIT:
            share = figures["used_micro"] * 100 // figures["allowance_micro"]
            given = f"{credits('used_micro')} of {credits('allowance_micro')} credits until {day('period_end')}"
            return Said(f"{share} % of plan {figures['plan']} used", given)
        case AlertKind.UNUSUAL_USE:
            usual = f"usually {credits('usual_micro')} on such a day"
            return Said(f"{credits('used_micro')} credits for {figures['feature']} on {day('day')}", usual)
    raise AssertionError(f"{kind} is about money")


def runway_text(figures: Mapping[str, Any]) -> str:
    """The likely runway, such as "about 29 days"; empty when it is not known or beyond the days covered.

    "At least 4 days" when it is too uncertain for a single number: so long it lasts in nine of ten cases.
    """
    days, least = figures.get("runway_days"), figures.get("low_days")
    if days is not None:
        return f"about {_days(days)}"
    return "" if least is None else f"at least {_days(least)}"


def _said_of_money(kind: AlertKind, figures: Mapping[str, Any], locale: Locale) -> Said:
    if kind is AlertKind.RECHARGE_STOPPED:
        left = credit_text(figures["available_micro"], locale)
        return Said(f"{left} credits left, auto-recharge stopped", figures["because"])
    money = money_text(figures["price_cents"], figures["currency"], locale)
    if kind is AlertKind.PAYMENT_BLOCKED:
        return Said(f"{money} paid and not credited", f"{figures['payment']}: {figures['because']}")
    return Said(f"{money} disputed", f"{figures['payment']}, {credit_text(figures['amount_micro'], locale)} credits")


def _left(figures: Mapping[str, Any], locale: Locale) -> str:
    runway = runway_text(figures)
    return f"{credit_text(figures['available_micro'], locale)} credits left" + (f", {runway}" if runway else "")


def _days(days: int) -> str:
    return f"{days} day{'s' * (days != 1)}"
