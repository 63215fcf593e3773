"""What somebody at the pretended provider does behind our back: refund, dispute, win or lose. In a demo only.

Nothing here books: the mock tells the product by a message, as a real provider would.
"""

from collections.abc import Callable
from typing import Any

import streamlit as st

from ledger import LedgerError
from ledger.gateways import registry
from ledger.gateways.mock import MockGateway
from ledger.selling.settling import settle_due
from pages.ui import address, parts
from pages.ui.guard import Visit
from pages.ui.text import escape, money_text

_LISTED = 200
Payment = dict[str, Any]


def draw(visit: Visit) -> None:
    """Choose a payment that was paid there, then what happens to it."""
    mock = registry.mock(visit.ledger)
    with mock.store.turn() as turn:
        paid = [one for one in turn.all("payment") if one["paid_at"] is not None]
    if not paid:
        parts.first_use(
            "Nothing was paid there yet. Sell a package by card and pay it on its page.",
            page="credits/top_ups.py",
            label="Top-ups",
        )
        return
    st.caption("Stand in for the provider's own people and for banks. What you do is told here by a message.")
    paid = sorted(paid, key=lambda one: str(one["paid_at"]), reverse=True)[:_LISTED]
    words = {one["ref"]: _words(visit, one) for one in paid}
    chosen = address.select("at_mock", "Payment", list(words), default=paid[0]["ref"], format_func=words.__getitem__)
    found = next(one for one in paid if one["ref"] == chosen)
    acts = _acts(mock, found)
    if not acts:
        st.caption("Everything went back; nothing more can happen to this payment.")
    with st.container(horizontal=True):
        for name, act in acts.items():
            st.button(name, key=f"mock:{name}", on_click=_do, args=(visit, act, name))
    if told := st.session_state.pop("mock-told", None):
        st.toast(told)


def _acts(mock: MockGateway, found: Payment) -> dict[str, Callable[[], object]]:
    """What can happen to a payment as it stands."""
    ref, cents = found["ref"], int(found["cents"])
    left = cents - sum(one["cents"] for one in found["refunds"] if one["state"] != "failed")
    acts: dict[str, Callable[[], object]] = {}
    if left:
        acts["Refund what is left"] = lambda: mock.give_back(ref, left)
    if left > 1:
        acts["Refund half of it"] = lambda: mock.give_back(ref, left // 2)
    if refund := next((one for one in reversed(found["refunds"]) if one["state"] != "failed"), None):
        acts["The last refund fails"] = lambda: mock.fail_refund(ref, refund["ref"])
    dispute = next((one for one in found["disputes"] if one["state"] == "open"), None)
    if dispute is None and left:
        acts["The customer disputes it"] = lambda: mock.dispute(ref, left)
    elif dispute is not None:
        acts["We win the dispute"] = lambda: mock.close_dispute(ref, dispute["ref"], is_won=True)
        acts["We lose the dispute"] = lambda: mock.close_dispute(ref, dispute["ref"], is_won=False)
    return acts


def _words(visit: Visit, one: Payment) -> str:
    price = money_text(one["cents"], one["currency"], visit.locale)
    states = [f"{len(one[what])} {what}" for what in ("refunds", "disputes") if one[what]]
    return " · ".join([f"{one['account']}, {price}", str(one["paid_at"])[:10], *states, one["ref"][-8:]])


def _do(visit: Visit, act: Callable[[], object], name: str) -> None:
    try:
        act()
        counts = settle_due(visit.ledger)
        told = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
        st.session_state["mock-told"] = f"{name}: messages {told or 'none'}."
    except LedgerError as error:
        st.session_state["mock-told"] = escape(error)
