"""A customer's balance at the provider beside ours: what it is there, its transactions, and what the mirror sent."""

from decimal import Decimal

import pandas as pd
import streamlit as st
from babel.numbers import get_currency_precision

from analytics import frames
from ledger import ProviderNotSetUp
from ledger.gateways import registry
from ledger.gateways.billing import CustomerBalance
from ledger.selling.customer_refs import customer_ref
from ledger.settings import settings
from pages.ui import parts, provider_calls
from pages.ui.guard import Visit
from pages.ui.text import credit_text, escape, money_text

MOVES_SHOWN = 50
KIND_WORDS = {"opening": "Beginning", "movement": "Movement", "usage": "Use of a day"}
STATE_WORDS = {"asked": "Waiting", "sent": "Sent", "failed": "Refused"}


def draw(visit: Visit, account: str) -> None:
    """Both balances side by side, then the provider's transactions; one quiet line where there is none."""
    st.subheader("Balance at the provider", anchor=False)
    try:
        provider = registry.selling(visit.ledger)
        billing = registry.billing(visit.ledger, provider)
    except ProviderNotSetUp as error:
        st.caption(escape(str(error)))
        return
    ref = customer_ref(visit.ledger, account, provider)
    if ref is None:
        st.caption(
            f"{provider.value.capitalize()} does not know this customer yet; a first payment or a link makes it."
        )
        return
    found = provider_calls.asked(visit.ledger, ("balance", provider, ref), lambda: billing.balance(ref))
    if found.answer is None:
        st.caption(f"The balance at {provider.value} is not shown: {escape(found.why_not)}")
    else:
        _balances(visit, account, found.answer)
        _moves(visit, found.answer)
    _mirror(visit, account)


def _balances(visit: Visit, account: str, found: CustomerBalance) -> None:
    held = visit.ask(frames.load_holdings, account=account, at=visit.at, zone=visit.zone)
    ours = held.available_micro
    cents, currency = found.money.cents, found.money.currency
    side = "to the customer's credit" if cents < 0 else "owed by the customer" if cents > 0 else "nothing either way"
    with st.grid(2, min_column_width=220):
        parts.tile("Here", f"{credit_text(ours, visit.locale)} credits", note="available: this is what counts")
        parts.tile("There", money_text(abs(cents), currency, visit.locale), note=side)


def _moves(visit: Visit, found: CustomerBalance) -> None:
    if not found.moves:
        st.caption("No transactions on the balance there.")
        return
    moves = found.moves[:MOVES_SHOWN]
    shown = pd.DataFrame(
        {
            "at": pd.to_datetime([one.at for one in moves], utc=True),
            "what": [one.description for one in moves],
            "amount": [-_major(one.money.cents, found.money.currency) for one in moves],
            "after": [-_major(one.ending_cents, found.money.currency) for one in moves],
            "type": [one.metadata.get("type", "") for one in moves],
            "expires": [one.metadata.get("expires_at", "") for one in moves],
            "source": [one.metadata.get("source", "") for one in moves],
            "ref": [one.ref for one in moves],
        }
    )
    currency = found.money.currency
    columns = {
        "at": parts.instant_column("When", visit.zone),
        "what": st.column_config.TextColumn("What", width="medium"),
        "amount": st.column_config.NumberColumn(
            f"To credit, {currency}", format="%.2f", help="To the customer's credit; less than 0 takes from it"
        ),
        "after": st.column_config.NumberColumn(f"After it, {currency}", format="%.2f"),
        "type": st.column_config.TextColumn("Type"),
        "expires": st.column_config.TextColumn("Expires"),
        "source": st.column_config.TextColumn("Source"),
        "ref": st.column_config.TextColumn("Name there"),
    }
    count = len(moves)
    totals = f"**{count} transaction{'s' * (count != 1)}** at the provider, newest first."
    parts.table(shown, key="balance-moves", alt="Customer balance transactions", columns=columns, totals=totals)


def _mirror(visit: Visit, account: str) -> None:
    rows = visit.ask(frames.load_mirror, account=account)
    if rows.empty:
        if settings().mirror_balance:
            st.caption("Nothing was mirrored yet; the job does so within the hour.")
        return
    waiting, refused = int((rows["state"] == "asked").sum()), int((rows["state"] == "failed").sum())
    with st.expander(f"Mirrored movements: {len(rows)}, {waiting} waiting, {refused} refused"):
        shown = rows.assign(
            kind=rows["kind"].map(KIND_WORDS),
            state=rows["state"].map(STATE_WORDS),
            amount=[-_major(cents, money) for cents, money in zip(rows["cents"], rows["currency"], strict=True)],
        )
        columns = {
            "happened_at": parts.instant_column("When", visit.zone),
            "kind": st.column_config.TextColumn("What"),
            "amount": st.column_config.NumberColumn("To credit", format="%.2f"),
            "currency": st.column_config.TextColumn("Currency"),
            "description": st.column_config.TextColumn("Why", width="medium"),
            "state": st.column_config.TextColumn("State"),
            "error": st.column_config.TextColumn("Refused because"),
            "provider_ref": st.column_config.TextColumn("Name there"),
        }
        parts.table(shown, key="mirror", alt="Movements repeated at the provider", columns=columns)


def _major(cents: int, currency: str) -> float:
    return float(Decimal(int(cents)).scaleb(-get_currency_precision(currency)))
