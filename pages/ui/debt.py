"""Debt in words: a negative balance is never shown without why, who allowed it, and until when."""

from analytics import frames
from ledger.core.lifecycle import last_day
from pages.ui.guard import Visit
from pages.ui.text import credit_text, day_text, escape


def overdraft_of(visit: Visit, account: str) -> frames.Overdraft:
    """What one account owes and may owe."""
    return visit.ask(frames.load_overdraft, account=account)


def sentence(visit: Visit, found: frames.Overdraft) -> str:
    """The debt as the first sentence about a customer; empty when it owes nothing."""
    if not found.owed_micro:
        return ""
    why = "money was taken back for credits already used" if found.is_claim else "used on debt"
    return (
        f":red[**{credit_text(-found.owed_micro, visit.locale)} credits**]: {why}, repaid first by the next "
        f"credits. {allowed(visit, found)} "
    )


def in_short(visit: Visit, found: frames.Overdraft) -> str:
    """The debt for a tile."""
    if found.is_claim:
        return f"Owes {credit_text(found.owed_micro, visit.locale)} for money taken back"
    owed, limit = (credit_text(amount, visit.locale) for amount in (found.owed_micro, found.limit_micro))
    return f"Owes {owed} of an overdraft of {limit}"


def allowed(visit: Visit, found: frames.Overdraft) -> str:
    """What may be owed, who approved it, until when."""
    if not found.limit_micro:
        return "No overdraft."
    limit = credit_text(found.limit_micro, visit.locale)
    by = f" approved by {escape(found.approver)}" if found.approver else ""
    if found.until is None:
        return f"Overdraft of {limit}{by}, without an end."
    day = escape(day_text(last_day(found.until, visit.zone), visit.locale))
    if not found.is_open(visit.at):
        return f"The overdraft of {limit}{by} ended on {day}: no new debt."
    return f"Overdraft of {limit}{by} until {day}."
