"""Payments: providers, what they told, payments that wait for a decision, and what happens at the pretended one."""

import streamlit as st

from analytics import frames
from ledger import Permission, ProviderNotSetUp, inbox
from ledger.core.payments import Provider
from ledger.gateways import registry
from ledger.settings import settings
from pages.ui import blocked_payments, mock_provider, parts, provider_messages
from pages.ui.guard import Visit
from pages.ui.text import escape, instant_text

TITLE = "Payments"
PERMISSION = Permission.MANAGE_PAYMENTS


def draw(visit: Visit) -> None:
    """Providers, payments to decide about, messages; in a demo also what happens at the provider."""
    st.subheader("Providers", anchor=False)
    known = registry.set_up(visit.ledger)
    if known:
        _providers(visit, known)
    else:
        parts.first_use(
            "No payment provider is set up, so nobody can pay by card. Give the server the key of one: the settings "
            "that begin with STRIPE or POLAR."
        )
    blocked_payments.draw(visit)
    st.subheader("Messages of providers", anchor=False)
    provider_messages.draw(visit)
    if visit.company.is_demo:
        st.subheader("At the mock provider", anchor=False)
        mock_provider.draw(visit)


def _providers(visit: Visit, known: list[Provider]) -> None:
    try:
        seller: Provider | None = registry.selling(visit.ledger)
    except ProviderNotSetUp:
        seller = None
    refused = inbox.refusals()
    for provider in known:
        words = frames.PROVIDER_WORDS[provider.value]
        rows = {"New purchases": "Taken here" if provider is seller else "Taken elsewhere"}
        try:
            is_test = registry.gateway(visit.ledger, provider).is_test
        except ProviderNotSetUp as error:
            rows["Key"] = escape(error)
        else:
            rows["Money"] = "Test mode: no real money moves" if is_test else "Real"
        rows["Address for its messages"] = f"`{settings().page_address(f'webhooks/{provider.value}')}`"
        if found := refused.get(provider):
            last = instant_text(found.last_at, visit.zone, visit.locale) if found.last_at else ""
            rows["Refused for the signature"] = f"{found.count:,} since the server started, last {last}: " + escape(
                found.last_why
            )
        st.markdown(f"**{words}**")
        st.table(rows, border="horizontal")
