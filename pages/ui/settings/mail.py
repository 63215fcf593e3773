"""Mail: where it goes, how each kind of mail reads, a test, and addresses that get nothing more."""

import streamlit as st

from analytics import frames
from ledger import AllowAddress, Command, Permission, SendTestMail
from ledger.gateways.mail import Sender
from ledger.mail import TEMPLATES
from ledger.outbox import addresses_in
from ledger.settings import settings
from pages.ui import address, forms, mail_letter, parts
from pages.ui.forms import Form
from pages.ui.guard import Visit
from pages.ui.review import Act, receipt_panel, review
from pages.ui.text import escape

TITLE = "Mail"
PERMISSION = Permission.MANAGE_MAIL
LISTED = 200
_ACTS = {"test": "Send a test mail", "allow": "Allow a bounced address again"}
_DONE = {"test": "The test mail is queued; the log of e-mails says what becomes of it.", "allow": "Allowed again."}


def draw(visit: Visit) -> None:
    """Sender, test, bounced addresses, then the previews."""
    st.subheader("Sender", anchor=False)
    st.table(_sender_rows(visit), border="horizontal")
    st.caption("These are settings of the server (docs/mail.md); a change takes effect when it is started again.")
    blocked = visit.ask_now(frames.load_blocked_addresses, limit=LISTED)
    if not blocked.empty:
        st.subheader("Addresses that get nothing more", anchor=False)
        columns = {"address": "Address", "since": parts.instant_column("Since", visit.zone), "reason": "What was said"}
        parts.table(blocked, key="blocked", alt="Addresses that bounced for good", columns=columns)
    _act(visit, has_blocked=not blocked.empty)
    st.subheader("How each mail reads", anchor=False)
    _preview(visit)


def _sender_rows(visit: Visit) -> dict[str, str]:
    sender, known = Sender.of_settings(visit.company.name), settings()
    rows = {"From": escape(f"{sender.company} <{sender.from_address}>")}
    if sender.host:
        rows["Mail server"] = escape(sender.place)
        rows["Sign-in"] = f"As {escape(sender.user)}" if sender.user else "None"
    else:
        rows["Mail server"] = f"None: mails become files in {escape(sender.folder)}"
    rows["Links begin with"] = escape(known.public_url)
    rows["Told of failed jobs"] = _people(known.operators_mail)
    rows["Told of requests"] = _people(known.approvers_mail or known.operators_mail)
    return rows


def _people(setting: str) -> str:
    return escape(", ".join(addresses_in(setting))) or "Nobody"


def _act(visit: Visit, *, has_blocked: bool) -> None:
    """One form at a time."""
    acts = _ACTS if has_blocked else {"test": _ACTS["test"]}
    chosen = "test"
    if has_blocked:
        chosen = address.radio("act", "What to do", list(acts), default="test", format_func=acts.__getitem__)
    st.subheader(acts[chosen], anchor=False)
    form = forms.open_form(visit, f"mail_{chosen}")
    receipt = forms.outcome(form)
    if receipt is not None:
        receipt_panel(form, receipt, done=_DONE[chosen], name="")
        return
    left, right = forms.columns()
    with left:
        command, act = _test(form) if chosen == "test" else _allow(form)
    with right:
        review(form, command, act)


def _test(form: Form) -> tuple[Command | None, Act]:
    to = form.text("to", "To", required=True, max_chars=254, placeholder="kim@example.com")
    facts = {"To": escape(to), "When": "With the next turn of the job Mail, within a minute"}
    return SendTestMail(to) if to else None, Act(f"Send a test to {escape(to)}", facts=facts)


def _allow(form: Form) -> tuple[Command | None, Act]:
    found = form.visit.ask_now(frames.load_blocked_addresses, limit=LISTED)
    chosen = form.select("to", "Address", {one: one for one in found["address"]})
    note = form.text("note", "Note", help="How it was mended; kept in the ledger")
    facts = {"Address": escape(chosen or ""), "From now on": "Gets mail again; what was not sent stays unsent"}
    return AllowAddress(chosen, note) if chosen else None, Act(f"Allow {escape(chosen or '')} again", facts=facts)


def _preview(visit: Visit) -> None:
    options = list(TEMPLATES)
    chosen = address.select(
        "template", "Mail", options, default=options[0], format_func=lambda name: TEMPLATES[name].title
    )
    template = TEMPLATES[chosen]
    st.caption(f"{template.about}. Filled with an example.")
    mail_letter.draw_written(visit, chosen, template.sample, key="preview")
