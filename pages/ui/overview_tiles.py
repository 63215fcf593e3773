"""The tiles of the Overview: what there is, what ends or runs out soon, and what waits for the reader."""

from datetime import timedelta

import pandas as pd
import streamlit as st

from analytics import frames
from analytics.figures import Unit
from analytics.frames import SOON_DAYS
from ledger import Permission
from ledger.gateways import registry
from pages.ui import outlook, parts, portfolio
from pages.ui.figures import number_text, rough_text
from pages.ui.guard import Visit
from pages.ui.text import credit_help, credit_text, escape, money_text

RUN_OUT_DAYS = 14


def draw(visit: Visit, customers: pd.DataFrame, fleet: outlook.Fleet, waste: pd.DataFrame, *, waste_days: int) -> None:
    """The tiles; ``waste`` is what ends within ``waste_days`` with what of it will be wasted."""
    balance, available, held = (
        int(customers[name].sum()) for name in ("balance_micro", "available_micro", "held_micro")
    )
    values = portfolio.held(visit, customers, within_days=waste_days).value_cents
    money = " · ".join(money_text(cents, currency, visit.locale) for currency, cents in values.items())
    soon = waste[waste["days_left"] <= SOON_DAYS]
    ending, lost = int(soon["left_micro"].sum()), int(soon["wasted_micro"].sum())
    later = balance - available - held
    out = _running_out(visit, fleet)
    # Six for everybody: they fill rows of three, of two, and of one.
    with st.grid(3, min_column_width=200):
        parts.tile(
            "Outstanding credits",
            credit_text(balance, visit.locale),
            help=credit_help(balance),
            note=f"Paid for: {escape(money)}" if money else "Nothing of it was paid for",
        )
        parts.tile(
            "Available now",
            credit_text(available, visit.locale),
            help=credit_help(available),
            note=f"Held {credit_text(held, visit.locale)} · usable later {credit_text(later, visit.locale)}",
        )
        parts.tile(
            f"Expiring within {SOON_DAYS} days",
            credit_text(ending, visit.locale),
            help=credit_help(ending),
            note=f"{rough_text(lost, visit.locale)} unused at today's pace",
        )
        parts.tile(
            f"Out within {RUN_OUT_DAYS} days",
            number_text(len(out), Unit.COUNT, visit.locale) if fleet.computed else None,
            help="Customers with credits whose likely run-out day is that close",
            absent="No forecast has been computed yet.",
            note=f"Of {fleet.computed:,} with a forecast" if fleet.computed else "",
        )
        _alerts(visit)
        _own_work(visit)


def _alerts(visit: Visit) -> None:
    """How many alerts are open; the same count and words as the bell."""
    found = visit.ask_now(frames.load_open_alerts, owner=visit.actor.id)
    parts.tile(
        "Alerts open",
        number_text(found.mine or found.all, Unit.COUNT, visit.locale),
        note=f"Of my customers; {found.all:,} in all" if found.mine else "Of all customers",
        page=("customers/alerts.py", "Alerts", ":material/notifications:"),
    )


def _own_work(visit: Visit) -> None:
    """What waits for this very person: requests to decide, else own requests, else differences to explain."""
    approvals = ("credits/approvals.py", "Approvals", ":material/how_to_reg:")
    if visit.may(Permission.DECIDE_APPROVAL):
        waiting = visit.ask(frames.count_approvals_waiting, not_requester=visit.actor.id)
        label, note, page = "Approvals waiting for me", "Asked for by others", approvals
    elif visit.may(Permission.ASK_APPROVAL):
        waiting = len(visit.ask(frames.load_approvals, is_waiting=True, requester=visit.actor.id, limit=None))
        label, note, page = "My requests waiting", "For the approval of an admin", approvals
    else:
        counts = [
            visit.ask_now(frames.load_finding_counts, provider=one.value) for one in registry.set_up(visit.ledger)
        ]
        waiting = sum(sum(one.values()) for one in counts)
        label, note = "Findings open", "Where the books and a payment provider differ"
        page = ("finance/reconciliation.py", "Reconciliation", ":material/compare_arrows:")
    parts.tile(label, number_text(waiting, Unit.COUNT, visit.locale), note=note, page=page)


def _running_out(visit: Visit, fleet: outlook.Fleet) -> pd.DataFrame:
    limit = pd.Timestamp(visit.today + timedelta(days=RUN_OUT_DAYS - 1))
    return fleet.frame[~fleet.frame["is_out"] & (fleet.frame["likely"] <= limit)]
