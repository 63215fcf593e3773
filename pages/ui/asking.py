"""Asking a provider while a page is drawn: once while its moment stands, with a sentence when there is no answer."""

from collections.abc import Callable
from typing import TypeVar

import streamlit as st

from analytics import frames
from ledger import ProviderNotSetUp, ProviderRefused, ProviderUnavailable
from ledger.core.payments import Provider
from pages.ui import data
from pages.ui.guard import Visit
from pages.ui.text import escape

T = TypeVar("T")
REFUSALS = (ProviderNotSetUp, ProviderRefused, ProviderUnavailable)


def asked(visit: Visit, name: str, ask: Callable[[], T], provider: Provider) -> T | None:
    """What a provider answers, asked once while the page's moment stands; None after saying why there is no answer."""
    try:
        with st.spinner(f"Asking {frames.PROVIDER_WORDS[provider.value]} …", show_time=True):
            return visit.kept(name, ask, provider)
    except REFUSALS as error:
        st.error(escape(error), title="The provider gives no answer", icon=":material/cloud_off:")
        st.button("Try again", icon=":material/refresh:", key="ask-provider-again", on_click=data.forget)
        return None
