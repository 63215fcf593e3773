"""The log of e-mails: what was queued, what became of it, the exact words, and sending one again."""

import streamlit as st

from analytics import frames
from ledger import NotFound, Permission, SendMailAgain
from ledger.mail import Letter
from ledger.queries import MailFilter
from pages.ui import address, forms, mail_letter, parts
from pages.ui.guard import Visit
from pages.ui.review import Act, receipt_panel, review
from pages.ui.text import escape, instant_text

PER_PAGE = 50
STATES = {"all": "All", "queued": "Waiting", "sent": "Sent", "undelivered": "Not delivered"}
_OF_STATE = {"queued": ("queued",), "sent": ("sent",), "undelivered": ("failed", "bounced", "dropped")}
_OPEN = "mail"


def draw(visit: Visit) -> None:
    """The mail that the address names, else the list."""
    wanted = address.get(_OPEN)
    if wanted is None:
        _list(visit)
        return
    st.button("All e-mails", icon=":material/arrow_back:", type="tertiary", on_click=address.put, args=(_OPEN, None))
    try:
        # A number that no database holds is the number of no mail.
        if not wanted.isdecimal() or len(wanted) > 18:
            raise NotFound(what="mail", id=wanted)
        found = visit.ask_now(frames.load_mail, mail_id=int(wanted))
    except NotFound as error:
        st.info(escape(error))
        return
    _one(visit, found)


def _list(visit: Visit) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        state = address.radio("mails", "State", list(STATES), default="all", format_func=STATES.__getitem__)
        text = address.text("to", "To", placeholder="Part of the address")
    wanted = MailFilter(_OF_STATE.get(state, ()), text)
    count = visit.ask_now(frames.load_mails_count, wanted=wanted)
    if not count:
        if state == "all" and not text.strip():
            parts.first_use("No e-mail was queued yet. Gifts, purchases, requests and alerts queue them.")
        else:
            words = [STATES[state]] * (state != "all") + [text.strip()] * bool(text.strip())
            parts.nothing_matches(words, clear=address.clear("mails", "to"), what="No e-mail")
        return
    place = st.container()
    number = address.page_number(count, per_page=PER_PAGE, name="mails_page", resets=(state, text))
    with place:
        _table(visit, wanted, count, number)


def _table(visit: Visit, wanted: MailFilter, count: int, number: int) -> None:
    found = visit.ask_now(frames.load_mails, wanted=wanted, limit=PER_PAGE, offset=(number - 1) * PER_PAGE)

    def open_row() -> None:
        row = st.session_state["mails-open"].row
        address.put(_OPEN, str(found.iloc[row]["mail_id"]))

    columns = {
        "mail_id": st.column_config.NumberColumn("No.", format="%d", width=60),
        "open": st.column_config.ButtonColumn("Open", key="mails-open", on_click=open_row, width=80),
        "to_address": st.column_config.TextColumn("To", width="medium"),
        "what": st.column_config.TextColumn("Mail"),
        "words": st.column_config.TextColumn("State", width=100),
        "queued_at": parts.instant_column("Queued", visit.zone),
        "sent_at": parts.instant_column("Sent", visit.zone),
        "name": st.column_config.TextColumn("Customer"),
        "tries": st.column_config.NumberColumn("Tries", width=60, help="How often a mail server was asked to take it"),
        "next_try_at": parts.instant_column("Next try", visit.zone),
        "error": st.column_config.TextColumn("What went wrong", width="large"),
    }
    totals = f"**{count:,} e-mail{'s' * (count != 1)}**, newest first."
    shown = found.assign(open="Open", name=found["name"].fillna("–"))
    parts.table(shown, key="mails", alt="E-mails", columns=columns, totals=totals, height="content")


def _one(visit: Visit, found: frames.MailEntry) -> None:
    st.subheader(f"{found.what}, no. {found.mail_id}", anchor=False)
    st.table(_facts(visit, found), border="horizontal")
    if found.subject is not None and found.body_text is not None and found.body_html is not None:
        letter = Letter(found.subject, found.body_text, found.body_html)
        mail_letter.draw(letter, key="mail")
    elif found.variables:
        st.caption("It was not sent so far. As it would be written now:")
        mail_letter.draw_written(visit, found.template, found.variables, key="mail")
    else:
        st.info("Its words were removed after the time that mails are kept. That it was sent stays.")
    if visit.may(Permission.MANAGE_MAIL) and found.variables and found.state not in ("queued", "retried"):
        _again(visit, found)


def _facts(visit: Visit, found: frames.MailEntry) -> dict[str, str]:
    when = {"Queued": found.queued_at, "Next try": found.next_try_at, "Sent": found.sent_at}
    rows = {"To": escape(found.to_address), "State": found.words}
    if found.name is not None:
        rows["Customer"] = escape(found.name)
    rows |= {word: instant_text(at, visit.zone, visit.locale) for word, at in when.items() if at is not None}
    if found.tries:
        rows["Tries"] = str(found.tries)
    if found.error:
        rows["What went wrong"] = escape(found.error)
    if found.made_by_id is not None:
        rows["Ledger entry"] = str(found.made_by_id)
    if found.message_id is not None:
        rows["Message-ID"] = escape(found.message_id)
    return rows


def _again(visit: Visit, found: frames.MailEntry) -> None:
    st.subheader("Send again", anchor=False)
    form = forms.open_form(visit, f"mail_again_{found.mail_id}")
    receipt = forms.outcome(form)
    if receipt is not None:
        receipt_panel(form, receipt, done=f"Mail {receipt.subject_id} is queued.", name="")
        return
    left, right = forms.columns()
    with left:
        to = form.text("to", "Another address", max_chars=254, help="Empty: the same one", placeholder=found.to_address)
        note = form.text("note", "Note", help="Why it is sent again; kept in the ledger")
    with right:
        facts = {"Mail": f"{found.what}, with the same content", "To": escape(to or found.to_address)}
        facts["When"] = "With the next turn of the job Mail, within a minute"
        act = Act(f"Send again to {escape(to or found.to_address)}", facts=facts)
        review(form, SendMailAgain(found.mail_id, note, to), act)
