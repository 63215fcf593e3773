"""What a provider bills for a customer's plan: paid until when, the next invoice, what was metered, paid invoices."""

from datetime import date, datetime, time, timedelta
from decimal import Decimal

import pandas as pd
import streamlit as st
from babel.numbers import get_currency_precision

from analytics import frames
from ledger import AccountType, Provider, ProviderNotSetUp, micro_to_text
from ledger.gateways import registry
from ledger.gateways.billing import Billing, InvoicePreview
from ledger.selling.metering import set_up_meter
from pages.ui import parts, provider_calls
from pages.ui.customer_overview import View
from pages.ui.text import credit_text, day_text, days_text, escape, money_text

STATE_WORDS = {"asked": "Waiting", "sent": "Told", "failed": "Refused"}


def sentence(view: View, found: frames.CustomerPlan, today: date) -> str:
    """Who bills the plan, and until when it is paid."""
    assert found.provider is not None
    who = f"Billed by {found.provider.capitalize()} as {escape(found.provider_ref)}"
    if found.paid_through is None:
        return f"{who}."
    last = day_text(found.paid_through - timedelta(days=1), view.visit.locale)
    if found.paid_through > today:
        return f"{who}, paid through {last}, {days_text((found.paid_through - today).days)}."
    return f"{who}. :red[:material/error: Not paid since {last}]: the next period begins when its invoice is paid."


def draw(view: View, found: frames.CustomerPlan) -> None:
    """The next invoice and the meter as the provider has them, then the paid invoices."""
    assert found.provider is not None
    try:
        billing = registry.billing(view.visit.ledger, Provider(found.provider))
    except ProviderNotSetUp as error:
        st.caption(f"What comes next is not shown: {escape(str(error))}")
    else:
        if found.customer_ref and found.provider_ref:
            _ahead(view, found, billing)
    _metered(view)
    _invoices(view)


def refusal(found: frames.CustomerPlan) -> str:
    """Why the plan is not changed here."""
    assert found.provider is not None
    return (
        f"This plan is billed by {found.provider.capitalize()}. Change or cancel the subscription there; it is "
        "followed here within seconds, and once a day in any case."
    )


def _ahead(view: View, found: frames.CustomerPlan, billing: Billing) -> None:
    visit, customer, ref = view.visit, str(found.customer_ref), str(found.provider_ref)
    is_hybrid = view.customer.account_type is AccountType.HYBRID
    invoice = provider_calls.asked(
        visit.ledger, ("next invoice", found.provider, ref), lambda: billing.next_invoice(customer, ref)
    )
    with st.grid(2 if is_hybrid else 1, min_column_width=240):
        with st.container(border=True, height="stretch"):
            _next_invoice(view, invoice)
        if is_hybrid:
            _meter_tile(view, found, billing)


def _next_invoice(view: View, asked: provider_calls.Asked[InvoicePreview | None]) -> None:
    locale = view.visit.locale
    if asked.why_not:
        st.metric("Next invoice, estimate", "—")
        st.caption(escape(asked.why_not))
        return
    if asked.answer is None:
        st.metric("Next invoice, estimate", "None")
        st.caption("The subscription ends with the period.")
        return
    found = asked.answer
    st.metric("Next invoice, estimate", money_text(found.total.cents, found.total.currency, locale))
    if found.due_at is not None:
        st.caption(f"On {day_text(found.due_at.astimezone(view.customer.zone).date(), locale)}, as things stand")
    for words, cents in found.lines:
        st.caption(f"{escape(words)}: {escape(money_text(cents, found.total.currency, locale))}")


def _meter_tile(view: View, found: frames.CustomerPlan, billing: Billing) -> None:
    visit = view.visit
    since = datetime.combine(found.period_start, time(), view.customer.zone)
    customer, provider = str(found.customer_ref), Provider(str(found.provider))

    def question() -> str:
        meter = set_up_meter(visit.ledger, provider)
        return billing.meter_summary(meter, customer, since=since, until=visit.at + timedelta(minutes=1)).value

    rows = visit.ask(frames.load_meter_events, account=view.account)
    # Looking makes nothing: before anything was told there may be no meter yet.
    answer: provider_calls.Asked[str] = provider_calls.Asked("0")
    if (rows["state"] == "sent").any():
        answer = provider_calls.asked(visit.ledger, ("meter", provider, customer, str(found.period_start)), question)
    ours = int(rows.loc[rows["happened_at"] >= pd.Timestamp(since), "amount_micro"].sum())
    counted = None if answer.answer is None else credit_text(int(Decimal(answer.answer) * 1_000_000), visit.locale)
    parts.tile(
        "Metered this period, by the provider",
        counted,
        absent=answer.why_not,
        note=f"{credit_text(ours, visit.locale)} credits beyond the plan were noted here",
    )


def _metered(view: View) -> None:
    rows = view.visit.ask(frames.load_meter_events, account=view.account)
    if rows.empty:
        return
    refused = int((rows["state"] == "failed").sum())
    more = f", {refused} refused" if refused else ""
    with st.expander(f"Use beyond the credits, told to the meter: {len(rows)}{more}"):
        shown = rows.assign(
            credits=[micro_to_text(one) for one in rows["amount_micro"]], state=rows["state"].map(STATE_WORDS)
        )
        columns = {
            "happened_at": parts.instant_column("Through", view.visit.zone),
            "credits": st.column_config.TextColumn("Credits"),
            "state": st.column_config.TextColumn("State"),
            "tries": st.column_config.NumberColumn("Tries", format="%d"),
            "error": st.column_config.TextColumn("Not told because"),
            "name": st.column_config.TextColumn("Name there"),
        }
        parts.table(shown, key="meter-events", alt="What the provider's meter is told", columns=columns)


def _invoices(view: View) -> None:
    rows = view.visit.ask(frames.load_billed_invoices, account=view.account)
    if rows.empty:
        st.caption("No invoice of this plan was paid yet.")
        return
    currencies = ", ".join(sorted(set(rows["currency"])))
    shown = rows.assign(
        total=[_major(cents, currency) for cents, currency in zip(rows["total_cents"], rows["currency"], strict=True)],
        metered=parts.whole_credits(rows["metered_micro"]),
    )
    columns = {
        "paid_at": parts.instant_column("Paid", view.visit.zone),
        "ref": st.column_config.TextColumn("Invoice", pinned=True),
        "plan_code": st.column_config.TextColumn("Plan"),
        "period_start": parts.instant_column("For use from", view.visit.zone),
        "period_end": parts.instant_column("Until", view.visit.zone),
        "total": st.column_config.NumberColumn(f"Total, {currencies}", format="%.2f", help="With tax"),
        "metered": parts.credits_column(
            "Metered", help="Billed for use beyond the credits: bought, and the debt repaid"
        ),
        "transaction_id": st.column_config.NumberColumn("Entry", format="%d"),
    }
    count = len(rows)
    totals = f"**{count} paid invoice{'s' * (count != 1)}**, newest first."
    parts.table(shown, key="billed-invoices", alt="Paid invoices of the plan", columns=columns, totals=totals)


def _major(cents: int, currency: str) -> float:
    return float(Decimal(int(cents)).scaleb(-get_currency_precision(currency)))
