"""A provider's customers beside ours: who is linked, who seems to be the same; link one, or take one over."""

import pandas as pd
import streamlit as st

from analytics import frames
from ledger import Command
from ledger.core.payments import Provider
from ledger.selling.linking import Match, ProviderLink, import_command, link_command, provider_customers
from pages.ui import address, forms, parts
from pages.ui.asking import asked
from pages.ui.forms import Form
from pages.ui.guard import Visit
from pages.ui.review import Act, receipt_panel, review
from pages.ui.text import escape

_MATCHES = {
    Match.LINKED: "✓ Linked",
    Match.METADATA: "? Its metadata names it",
    Match.EMAIL: "? Same e-mail",
    Match.NONE: "– Nobody here",
}
_DONE = {"link": "The customer is linked.", "import": "The account is open."}


def draw(visit: Visit, provider: Provider) -> None:
    """All of them in a table, then one form: link, or import."""
    found = asked(
        visit,
        "customers at provider",
        lambda: provider_customers(visit.ledger, provider, actor=visit.actor),
        provider,
    )
    if found is None:
        return
    words = frames.PROVIDER_WORDS[provider.value]
    if not found:
        parts.first_use(f"{words} has no customers yet. One is made there with the first purchase.")
        return
    _table(found, words)
    loose = {one.theirs.ref: one for one in found if one.match is not Match.LINKED}
    acts = ({"link": "Link to a customer"} if provider is Provider.STRIPE else {}) | {"import": "Take over as new"}
    if not loose:
        return
    st.subheader("Bring together", anchor=False)
    if provider is not Provider.STRIPE:
        st.caption(f"{words} keeps our ids of customers itself: to link one, set its external id there.")
    chosen = address.radio("act", "What to do", list(acts), default=next(iter(acts)), format_func=acts.__getitem__)
    form = forms.open_form(visit, f"customer_{chosen}")
    receipt = forms.outcome(form)
    if receipt is not None:
        name = forms.customer_names(visit).get(receipt.account or "", "")
        receipt_panel(form, receipt, done=_DONE[chosen], name=name)
        return
    forms.offer_draft(form)
    left, right = forms.columns()
    with left:
        command, act = _link(form, provider, loose) if chosen == "link" else _import(form, provider, loose)
    with right:
        review(form, command, act)


def _table(found: list[ProviderLink], words: str) -> None:
    linked = sum(one.match is Match.LINKED for one in found)
    text = st.column_config.TextColumn
    rows = [
        {
            "name": one.theirs.name or None,
            "email": one.theirs.email or None,
            "ref": one.theirs.ref,
            "match": _MATCHES[one.match],
            "account": one.account,
            "card": one.theirs.card.words if one.theirs.card else None,
        }
        for one in found
    ]
    parts.table(
        pd.DataFrame(rows, columns=["name", "email", "ref", "match", "account", "card"]),
        key="provider-customers",
        alt=f"Customers at {words}, those that are not linked first",
        totals=f"**{len(found):,} customers at {words}**, {linked:,} linked",
        columns={
            "name": text("Name there", pinned=True),
            "email": text("E-mail there"),
            "match": text("Here"),
            "account": text("Customer"),
            "ref": text(f"Id at {words}"),
            "card": text("Saved card"),
        },
    )


def _their(form: Form, loose: dict[str, ProviderLink]) -> ProviderLink | None:
    names = {ref: " · ".join(filter(None, (one.theirs.name, one.theirs.email, ref))) for ref, one in loose.items()}
    ref = form.select("ref", "Customer at the provider", names)
    return loose.get(ref or "")


def _link(form: Form, provider: Provider, loose: dict[str, ProviderLink]) -> tuple[Command | None, Act]:
    their = _their(form, loose)
    if their is not None and their.account:
        name = forms.customer_names(form.visit).get(their.account, their.account)
        st.caption(f"{_MATCHES[their.match][2:]}: **{escape(name)}** seems to be the same.")
    account = form.customer()
    if their is None or account is None:
        return None, Act(button="Link")
    name = forms.customer_names(form.visit).get(account, account)
    facts = {"At the provider": escape(f"{their.theirs.name or their.theirs.email} · {their.theirs.ref}")}
    act = Act(button=f"Link {escape(name)}", facts=facts)
    return link_command(provider, their.theirs.ref, account), act


def _import(form: Form, provider: Provider, loose: dict[str, ProviderLink]) -> tuple[Command | None, Act]:
    their = _their(form, loose)
    # Another customer proposes another id, until somebody typed one.
    if their is not None and form.filled("account") in {None, "", *(one.suggested_id for one in loose.values())}:
        form.fill(account=their.suggested_id)
    account = form.text("account", "Id of the new account", required=True, max_chars=120)
    if their is None or not account:
        return None, Act(button="Open the account")
    name = their.theirs.name or their.theirs.email or account
    facts = {"Name": escape(name), "E-mail": escape(their.theirs.email or "none")}
    return import_command(provider, their.theirs, account), Act(button=f"Open {escape(account)}", facts=facts)
