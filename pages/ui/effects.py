"""What a command does or did, in words and figures: the table before and after a booking."""

from collections.abc import Iterator, Mapping

from ledger import Overdraft, Receipt
from ledger.core.lifecycle import last_day
from ledger.core.records import Take
from pages.ui import forms
from pages.ui.guard import Visit
from pages.ui.text import (
    TYPE_WORDS,
    change_arrow,
    credit_text,
    days_text,
    escape,
    instant_text,
    money_text,
    weekday_text,
)


def effect_rows(visit: Visit, effect: Receipt, facts: Mapping[str, str] | None = None) -> dict[str, str]:
    """The rows of the table, ``facts`` of the page last."""
    rows = {}
    name = forms.customer_names(visit).get(effect.account or "")
    if name is not None:
        rows["Customer"] = escape(name)
    if effect.account is None:
        return rows | dict(facts or {})
    rows["Available"] = change_arrow(effect.available_before_micro, effect.available_after_micro, visit.locale)
    balance = (effect.balance_before_micro, effect.balance_after_micro)
    if balance != (effect.available_before_micro, effect.available_after_micro):
        rows["Balance, with credits not usable yet"] = change_arrow(*balance, visit.locale)
    rows |= dict(_new_batches(visit, effect)) | dict(_moves(visit, effect)) | dict(_consequences(visit, effect))
    return rows | dict(facts or {})


def overdraft_text(visit: Visit, allowed: Overdraft) -> str:
    """How far below zero, and until when in the company's zone."""
    if not allowed.limit_micro:
        return "None, no further debt"
    ends = "without an end"
    if allowed.until is not None:
        ends = f"until {instant_text(allowed.until, visit.zone, visit.locale)}, {escape(visit.zone.key)}"
    return f"Up to {credit_text(allowed.limit_micro, visit.locale)} credits below zero, {ends}"


def _new_batches(visit: Visit, effect: Receipt) -> Iterator[tuple[str, str]]:
    if not effect.new_batches:
        return
    # What is sent arrives elsewhere, and its last day is the one that it has there.
    whose = effect.counterpart if effect.takes else None
    locale, zone = visit.locale, forms.customer_zone(visit, whose or effect.account)
    for place, new in enumerate(effect.new_batches, start=1):
        # One row each: a table of words has no two rows of the same name.
        which = "" if len(effect.new_batches) == 1 else f" {place}"
        yield f"New batch{which}", f"{credit_text(new.amount_micro, locale)} {TYPE_WORDS[new.credit_type].lower()}"
        if new.effective_at > effect.recorded_at:
            yield f"Usable from{which}", f"{instant_text(new.effective_at, zone, locale)}, {escape(zone.key)}"
        if new.expires_at is None:
            yield f"Expires{which}", "Never"
        else:
            day = last_day(new.expires_at, zone)
            ahead = days_text((day - effect.recorded_at.astimezone(zone).date()).days)
            yield f"Usable through{which}", f"{weekday_text(day, locale)}, {ahead}, {escape(zone.key)}"


def _moves(visit: Visit, effect: Receipt) -> Iterator[tuple[str, str]]:
    """Which batches give and get, in order, and what the other account has of it."""

    def amount(take: Take) -> str:
        return f"{credit_text(take.amount_micro, visit.locale)} {TYPE_WORDS[take.credit_type].lower()}"

    for place, take in enumerate(effect.takes, start=1):
        yield f"Taken {place}. from batch {take.batch_id}", amount(take)
    for place, take in enumerate(effect.returned, start=1):
        yield f"Back {place}. to batch {take.batch_id}", amount(take)
    if gone := sum(take.amount_micro for take in effect.expired):
        yield "Expires again at once", f"{credit_text(gone, visit.locale)}, past its date"
    if effect.counterpart is not None:
        other = forms.customer_names(visit).get(effect.counterpart, effect.counterpart)
        moved = (effect.counterpart_before_micro, effect.counterpart_available_micro)
        yield f"Available to {escape(other)}", change_arrow(*moved, visit.locale)


def _consequences(visit: Visit, effect: Receipt) -> Iterator[tuple[str, str]]:
    """Debt, overdraft, money."""
    if effect.owed_before_micro or effect.owed_after_micro:
        yield "Owed", change_arrow(effect.owed_before_micro, effect.owed_after_micro, visit.locale)
    if effect.overdraft is not None:
        yield "Overdraft", overdraft_text(visit, effect.overdraft)
    if effect.money is not None:
        yield "Money", escape(money_text(effect.money.cents, effect.money.currency, visit.locale))
