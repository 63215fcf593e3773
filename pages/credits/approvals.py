"""Approvals: what waits for me, what I asked for, and what became of it."""

from typing import Any

import streamlit as st

from analytics import frames
from ledger import DecideApproval, NotFound, Permission, Receipt
from ledger.requests import asked_command
from pages.ui import address, forms, parts, requests
from pages.ui.effects import effect_rows
from pages.ui.forms import Form
from pages.ui.guard import Visit, guard
from pages.ui.review import Act, review
from pages.ui.text import escape

PER_LIST = 50
WAYS = {"approve": "Approve", "refuse": "Refuse"}
VIEWS = {"mine": "Mine to decide", "asked": "I asked", "decided": "Decided"}
EMPTY = {
    "mine": "Nothing waits for your decision.",
    "asked": "Nothing that you asked for waits for somebody.",
    "decided": "No request was decided yet.",
}


def main(visit: Visit) -> None:
    """One request when the address names it, else the lists."""
    wanted = address.get("request")
    if wanted is None:
        lists(visit)
    else:
        request_page(visit, wanted)


def lists(visit: Visit) -> None:
    parts.header(visit, "Approvals")
    views = [word for word in VIEWS if word != "mine" or visit.may(Permission.DECIDE_APPROVAL)]
    chosen = address.radio("view", "Show", views, default=views[0], format_func=VIEWS.__getitem__)
    me = visit.actor.id
    filters: dict[str, dict[str, Any]] = {
        "mine": {"is_waiting": True, "not_requester": me},
        "asked": {"is_waiting": True, "requester": me},
        # Who decides sees every decision, who only asks those about own requests.
        "decided": {"is_waiting": False} | ({} if visit.may(Permission.DECIDE_APPROVAL) else {"requester": me}),
    }
    found = visit.ask(frames.load_approvals, **filters[chosen], limit=PER_LIST + 1)
    if found.empty:
        parts.first_use(EMPTY[chosen])
        return
    shown = found.head(PER_LIST)
    more = f" The first {PER_LIST} are shown." if len(found) > PER_LIST else ""
    noun = "request" if len(shown) == 1 else "requests"
    order = "newest first" if chosen == "decided" else "longest waiting first"
    st.markdown(f"**{len(shown)} {noun}**, {order}.{more}")
    requests.cards(visit, shown)


def request_page(visit: Visit, wanted: str) -> None:
    number = int(wanted) if wanted.isdecimal() and len(wanted) <= 18 else 0
    try:
        request = visit.ask_now(frames.load_approval, approval_id=number)
    except NotFound:
        request = None
    if request is None or not _may_see(visit, request):
        parts.header(visit, "Approvals")
        st.error("There is no request of that number that you may see.", title="Unknown request")
        _back()
        return
    parts.header(visit, f"Request {request.approval_id}")
    name = request.name or request.account or ""
    st.subheader(requests.title(visit, request.kind, request.weight_micro, name), anchor=False)
    form = forms.open_form(visit, f"decide-{request.approval_id}")
    receipt = forms.outcome(form)
    left, right = forms.columns()
    command = asked_command(visit.ledger, request.approval_id)
    with left:
        st.table(requests.facts(visit, request, command), border="horizontal")
        _links(request, name)
    with right:
        if request.state == "asked":
            decide(visit, form, request, requests.effect_now(visit, command), name)
        elif receipt is not None and receipt.kind != DecideApproval.kind:
            st.success(f"Booked as entry {receipt.transaction_id}.", title="Approved", icon=":material/check_circle:")
            st.table(effect_rows(visit, receipt), border="horizontal")
        else:
            by = requests.decision_text(request.state, request.decided_by or "")
            st.info(f"{by}. There is nothing left to decide.", icon=requests.STATE_ICONS[request.state])


def decide(visit: Visit, form: Form, request: frames.Approval, effect: Receipt | str, name: str) -> None:
    """The decision of another person, or the withdrawal of an own request."""
    if isinstance(effect, Receipt) and (moved := requests.changes_since(visit, request, effect)):
        st.warning(moved, icon=":material/update:")
    is_own = request.requester == visit.actor.id
    if is_own:
        st.info(
            "This is your own request: another person has to decide about it. You can withdraw it.",
            icon=":material/how_to_reg:",
        )
        if isinstance(effect, Receipt):
            st.markdown("**As things are now**")
            st.table(effect_rows(visit, effect), border="horizontal")
        else:
            st.error(escape(effect), title="This could not be booked now")
    is_approval = not is_own and form.choice("decision", "Decision", list(WAYS), words=WAYS) == "approve"
    note = form.text("note", "Note", required=True, help="Kept with the decision for good; who asked reads it.")
    what = requests.title(visit, request.kind, request.weight_micro, name)
    act = Act(button=f"Approve: {what}")
    if not is_approval:
        fate = "withdrawn" if is_own else "refused"
        button = f"{'Withdraw' if is_own else 'Refuse'} request {request.approval_id}"
        act = Act(button=button, facts={"Request": f"Will be {fate}; nothing is booked"})
    review(form, DecideApproval(request.approval_id, is_approval, note or "not written yet"), act)


def _may_see(visit: Visit, request: frames.Approval) -> bool:
    return visit.may(Permission.DECIDE_APPROVAL) or request.requester == visit.actor.id


def _links(request: frames.Approval, name: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        _back()
        if request.account and request.name:
            st.page_link(
                "customers/customer.py",
                label=escape(name),
                icon=":material/person:",
                query_params=address.link(customer=request.account),
                width="content",
            )
        if request.decided_in_id is not None:
            st.page_link(
                "system/audit.py",
                label=f"Ledger entry {request.decided_in_id}",
                icon=":material/receipt_long:",
                query_params=address.link(entry=request.decided_in_id),
                width="content",
            )


def _back() -> None:
    st.page_link(
        requests.PAGE, label="All requests", icon=":material/list:", query_params=address.link(), width="content"
    )


visit = guard(Permission.DECIDE_APPROVAL, Permission.ASK_APPROVAL)
main(visit)
