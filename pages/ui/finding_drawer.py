"""One finding in a drawer at the right: both records side by side, what to do about it, and the fixes that are allowed.

``?finding=<number>`` opens it and can be sent. What changes credits goes through a form or through following alone.
"""

import json
from collections.abc import Callable
from typing import Any

import streamlit as st

from analytics import frames
from analytics.finding_words import KIND_WORDS, PROVIDER_NAMES, STATE_WORDS, advice, title
from ledger import (
    AssignFinding,
    Command,
    ExplainFinding,
    LedgerError,
    NotFound,
    Permission,
    Provider,
    ReopenFinding,
)
from ledger.commands import NOTE_MIN_CHARS
from ledger.core.matching import Kind, ObjectKind
from ledger.selling.mending import mend
from pages.ui import address, finding_adopt, finding_records, forms, links
from pages.ui.guard import Visit, guard
from pages.ui.text import credit_text, escape, instant_text

_PARAM = "finding"
_ANSWER, _KEY, _FRESH = "finding:answer", "finding:key", "finding:fresh"
_COLOURS = {"open": "orange", "explained": "blue", "fixed": "green"}


def open_finding(finding_id: int) -> None:
    """Open the drawer of a finding: for callbacks of tables."""
    address.put(_PARAM, str(finding_id))


def close() -> None:
    """Close the drawer and take it out of the address."""
    address.put(_PARAM, None)


def show_if_asked(visit: Visit) -> None:
    """Draw the drawer when the address names a finding. Called by the page after everything else."""
    wanted = address.get(_PARAM)
    if wanted is None or not visit.may(Permission.RECONCILE):
        return
    if not wanted.isdecimal() or len(wanted) > 18:
        close()
        return
    st.dialog(f"Finding {wanted}", width="large", position="right", on_dismiss=close)(_body)(int(wanted))


def _body(number: int) -> None:
    if st.session_state.pop(_FRESH, False):
        # Something was decided: the list behind the drawer is to show it, too.
        st.rerun()
    visit = guard(Permission.RECONCILE)
    try:
        found = visit.ask_now(frames.load_finding, finding_id=number)
    except NotFound:
        st.info("There is no finding with this number. It may have been typed wrongly.")
        return
    row, provider = found.row, Provider(found.row["provider"])
    st.markdown(f"**{title(row['kind'], row['object_kind'], row['figure'], provider)}**")
    with st.container(horizontal=True, gap="small"):
        st.badge(STATE_WORDS[row["state"]], color=_COLOURS[row["state"]])  # type: ignore[arg-type]
        st.badge(KIND_WORDS[Kind(row["kind"])], color="gray")
    _last_answer()
    st.markdown(advice(row["kind"], row["object_kind"], provider))
    st.table(_facts(visit, row), border="horizontal")
    st.markdown("**Both records**")
    st.table(finding_records.side_by_side(visit, found, provider), border="horizontal", hide_index=True)
    _raw(found, provider)
    if row["state"] != "fixed":
        _fixes(visit, found, provider)
        _decisions(visit, row)
    _ways(visit, found)


def _facts(visit: Visit, row: Any) -> dict[str, str]:
    facts = {"About": f"`{row['object_ref']}`"}
    if row["customer"] or row["account"]:
        facts["Customer"] = escape(row["customer"] or row["account"])
    if row["credits_micro"] is not None:
        facts["Credits"] = credit_text(row["credits_micro"], visit.locale)
    for label, name in (("Came about", "happened_at"), ("Found", "found_at"), ("Looked at last", "seen_at")):
        if row[name] is not None:
            facts[label] = instant_text(row[name], visit.zone, visit.locale)
    for label, name in (("Owner", "owner"), ("Note", "note")):
        if row[name]:
            facts[label] = escape(row[name])
    return facts


def _raw(found: frames.FindingInFull, provider: Provider) -> None:
    raw = (found.theirs or {}).get("raw")
    if not raw:
        return
    panel = st.expander(f"The record of {PROVIDER_NAMES[provider]} as it came", on_change="rerun", key="finding:raw")
    if panel.open:
        panel.code(json.dumps(raw, indent=2, ensure_ascii=False, default=str), language="json", wrap_lines=True)


def _fixes(visit: Visit, found: frames.FindingInFull, provider: Provider) -> None:
    """What can mend it: asking again for whoever compares, adopting for who handles payments."""
    row = found.row
    can_ask = row["payment_ref"] is not None or row["payment"] is not None
    can_adopt = (
        row["object_kind"] == ObjectKind.PAYMENT.value
        and row["kind"] in (Kind.MISSING_HERE.value, Kind.TIMING.value, Kind.DUPLICATE.value)
        and (row["payment"] is None or row["kind"] == Kind.DUPLICATE.value)
    )
    if not (can_ask or can_adopt):
        return
    st.markdown("**Mend it**")
    with st.container(horizontal=True, vertical_alignment="center"):
        if can_ask:
            st.button(
                f"Ask {PROVIDER_NAMES[provider]} again",
                icon=":material/sync:",
                key="finding:mend",
                on_click=_mend,
                args=(visit, row["finding_id"]),
                help="Books what the provider says of this payment now, and looks at the finding again",
            )
        if can_adopt and visit.may(Permission.MANAGE_PAYMENTS):
            st.button(
                "Adopt the payment",
                icon=":material/add_card:",
                key="finding:adopt",
                on_click=_adopt,
                args=(row["finding_id"],),
                help="Give it to a customer as a purchase, with a review",
            )
    if can_adopt and not visit.may(Permission.MANAGE_PAYMENTS):
        st.caption("An admin can give the payment to a customer.")


def _decisions(visit: Visit, row: Any) -> None:
    """Explain or assign: books stay as they are."""
    number, is_open = row["finding_id"], row["state"] == "open"
    key = st.session_state.setdefault(_KEY, forms.new_key("finding"))
    st.markdown("**Explain it**" if is_open else "**Take the explanation back**")
    note = st.text_input(
        "Why the books may differ here" if is_open else "Why it is open again",
        key=f"finding:note:{number}",
        max_chars=500,
        help="It is kept in the ledger for good.",
    )

    def decide() -> Command:
        words = str(st.session_state[f"finding:note:{number}"] or "")
        return ExplainFinding(number, words) if is_open else ReopenFinding(number, words)

    label = "Mark as explained" if is_open else "Open again"
    st.button(label, key="finding:explain", on_click=_carry_out, args=(visit, decide, f"{key}-explain"))
    if is_open and len(note.strip()) < NOTE_MIN_CHARS:
        st.caption(f"Write a note of at least {NOTE_MIN_CHARS} characters to explain it.")
    st.markdown("**Who deals with it**")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        owner = f"finding:owner:{number}"
        st.text_input("E-mail address", value=row["owner"], key=owner, max_chars=200, width=320)

        def assign() -> Command:
            return AssignFinding(number, str(st.session_state[owner] or ""))

        def take() -> Command:
            return AssignFinding(number, visit.actor.id)

        st.button("Assign", key="finding:assign", on_click=_carry_out, args=(visit, assign, f"{key}-assign"))
        if row["owner"] != visit.actor.id:
            st.button("I deal with it", key="finding:take", on_click=_carry_out, args=(visit, take, f"{key}-take"))


def _ways(visit: Visit, found: frames.FindingInFull) -> None:
    """Where else something can be done: the customer, the correction that takes credits, the entry of the decision."""
    row = found.row
    with st.container(horizontal=True, vertical_alignment="center"):
        if row["account"]:
            links.customer_link(row["customer"] or row["account"], row["account"])
            is_ours = row["kind"] in (Kind.MISSING_THERE.value, Kind.DUPLICATE.value)
            if is_ours and visit.may_start(Permission.ADJUST_BALANCE):
                for label, kind in (("Void the batch", "void"), ("Refund the purchase", "refund")):
                    st.page_link(
                        "credits/adjustments.py",
                        label=label,
                        icon=":material/build:",
                        query_params=address.link(kind=kind, customer=row["account"], batch=row["batch_id"]),
                    )
        if row["transaction_id"] is not None:
            st.page_link(
                "system/audit.py",
                label=f"Decision: entry {row['transaction_id']}",
                icon=":material/receipt_long:",
                query_params=address.link(entry=row["transaction_id"]),
            )


def _mend(visit: Visit, number: int) -> None:
    try:
        made = mend(visit.ledger, number, by=visit.actor)
    except LedgerError as error:
        st.session_state[_ANSWER] = ("error", str(error))
        return
    words = " ".join(made.receipt.notes) if made.receipt is not None else made.why or "The provider says nothing new."
    if made.receipt is not None:
        words += f" Entry {made.receipt.transaction_id}."
    st.session_state[_ANSWER] = ("done" if made.state == "fixed" else "open", words)
    st.session_state[_FRESH] = True


def _adopt(number: int) -> None:
    close()
    finding_adopt.ask_for(number)
    st.session_state[_FRESH] = True


def _carry_out(visit: Visit, make: Callable[[], Command], key: str) -> None:
    """Carry out a decision; the key names the attempt, so a double click books once."""
    try:
        receipt = visit.ledger.execute(make(), actor=visit.actor, key=key)
    except LedgerError as error:
        st.session_state[_ANSWER] = ("error", str(error))
        return
    entry = f" Entry {receipt.transaction_id}." if receipt.transaction_id else ""
    st.session_state[_ANSWER] = ("done", " ".join(receipt.notes) + entry)
    st.session_state.pop(_KEY, None)
    st.session_state[_FRESH] = True


def _last_answer() -> None:
    state, words = st.session_state.pop(_ANSWER, ("", ""))
    if state == "done":
        st.success(escape(words), icon=":material/check_circle:")
    elif state == "open":
        st.info(escape(words), title="Still not in agreement", icon=":material/info:")
    elif state == "error":
        st.error(f"{escape(words)} Nothing was changed.", title="Not done")
