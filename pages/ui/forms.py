"""Forms that write: fill → see what will happen → review and confirm → receipt on the page.

A form has one draft key, made when it is first drawn and kept in the address (``?draft=``); what is typed is saved
under it. The key is the idempotency key of the write, so a double click books once, and after a reload, a lost
connection or an answer that never came the page asks the ledger what became of the key and says the true outcome.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import streamlit as st
from babel.numbers import get_currency_precision

from analytics import frames
from ledger import Reason, Receipt, credits_to_micro
from ledger.drafts import latest_draft, load_draft, remove_draft, save_draft
from pages.ui import address
from pages.ui.amounts import AmountUnclear, parse_amount
from pages.ui.guard import Visit
from pages.ui.text import escape, time_text

T = TypeVar("T")
_PARAM = "draft"

# Codes to count corrections and gifts by; the words are what people choose from.
REASONS: dict[str, str] = {
    "goodwill": "Goodwill",
    "service_problem": "Service problem or outage",
    "billing_error": "Billing error",
    "contract": "Agreed in the contract",
    "campaign": "Marketing campaign",
    "referral": "Referral reward",
    "payment": "Payment received",
    "data_correction": "Correction of a booking",
    "other": "Other, see note",
}


@dataclass(slots=True)
class DraftState:
    """What the session knows of one form between runs."""

    key: str
    body: dict[str, Any] = field(default_factory=dict)
    saved: dict[str, Any] = field(default_factory=dict)
    is_attempted: bool = False
    # From the last confirmation: faults by field, or the sentence of a refusal, or no answer at all.
    faults: dict[str, str] = field(default_factory=dict)
    refusal: str = ""
    is_unknown: bool = False
    is_sent: bool = False
    # A confirmation was just answered: the review dialog closes.
    is_answered: bool = False

    def forget_answer(self) -> None:
        """Something was changed: what the ledger said about the old content no longer holds."""
        self.faults, self.refusal = {}, ""


class Form:
    """The fields of one form of one person; made by `open_form`.

    Each field method draws a widget with room for its fault below and answers the typed value, or None when it is empty
    or cannot be understood.
    """

    def __init__(self, visit: Visit, name: str, state: DraftState) -> None:
        self.visit = visit
        self.name = name
        self.state = state
        self.faults: dict[str, str] = {}
        self.missing: dict[str, str] = {}
        self._slots: dict[str, Any] = {}
        self._body: dict[str, Any] = {}
        self._defaults: dict[str, Any] = {}

    def choice(
        self, name: str, label: str, options: Sequence[str], *, words: Mapping[str, str], help: str | None = None
    ) -> str:
        """One of a few, always chosen: radio buttons in a row."""
        key = self._prepare(name, options[0], lambda value: value in options)
        st.radio(
            label,
            list(options),
            format_func=lambda one: words[one],
            key=key,
            horizontal=True,
            help=help,
            persist_state="session",
        )
        value: str = self._keep(name, key)
        return value

    def select(
        self,
        name: str,
        label: str,
        options: Mapping[str, str],
        *,
        default: str | None = None,
        help: str | None = None,
    ) -> str | None:
        """One of many, searched by typing; ``options`` maps values to words, shown as they are."""
        key = self._prepare(name, default, lambda value: value in options)
        st.selectbox(
            label,
            list(options),
            index=None,
            format_func=lambda one: options[one],
            key=key,
            help=help,
            placeholder="Choose",
            persist_state="session",
        )
        value: str | None = self._keep(name, key)
        self._need(name, label, value, required=True)
        return value

    def several(self, name: str, label: str, options: Mapping[str, str], *, help: str | None = None) -> tuple[str, ...]:
        """Any number of many, none at first; ``options`` maps values to words, shown as they are."""
        key = self._prepare(name, [], lambda value: isinstance(value, list) and set(value) <= set(options))
        words = options.__getitem__
        st.multiselect(label, list(options), key=key, format_func=words, help=help, persist_state="session")
        return tuple(self._keep(name, key) or ())

    def fill(self, **values: Any) -> None:
        """Put values into fields: for the callback of a button beside the form."""
        for name, value in values.items():
            st.session_state[f"{self.state.key}:{name}"] = value

    def filled(self, name: str) -> Any:
        """What is in a field, before it is drawn."""
        return st.session_state.get(f"{self.state.key}:{name}", self.state.body.get(name))

    def customer(self, name: str = "account") -> str | None:
        """The customer whose credits move: an external account id."""
        found = customer_names(self.visit)
        label = "Customer"
        return self.select(name, label, {account: f"{words} · {account}" for account, words in found.items()})

    def text(
        self,
        name: str,
        label: str,
        *,
        default: str = "",
        required: bool = False,
        max_chars: int = 500,
        help: str | None = None,
        placeholder: str | None = None,
    ) -> str:
        """A line of text, without spaces at its ends."""
        key = self._prepare(name, default, lambda value: isinstance(value, str) and len(value) <= max_chars)
        st.text_input(label, key=key, max_chars=max_chars, help=help, placeholder=placeholder, persist_state="session")
        value = str(self._keep(name, key) or "").strip()
        self._need(name, label, value or None, required=required)
        return value

    def secret(self, name: str, label: str, *, max_chars: int, help: str | None = None) -> str:
        """A line of text that is never saved: it lasts as long as the session."""
        key = f"{self.state.key}:{name}"
        st.text_input(label, key=key, max_chars=max_chars, help=help, autocomplete="off", persist_state="session")
        self._slots[name] = st.empty()
        value = str(st.session_state[key] or "").strip()
        self._need(name, label, value or None, required=True)
        return value

    def number(
        self,
        name: str,
        label: str,
        *,
        least: int,
        most: int,
        default: int | None = None,
        required: bool = True,
        help: str | None = None,
    ) -> int | None:
        """A whole number within limits."""
        given = self.filled(name)
        if given is None and default is not None:
            self.fill(**{name: str(default)})
        text = self.text(name, label, required=required, max_chars=20, help=help)
        if not text:
            return None
        try:
            number = parse_amount(text, self.visit.locale)
        except AmountUnclear as error:
            self.faults[name] = str(error)
            return None
        if number != number.to_integral_value() or not least <= number <= most:
            self.faults[name] = f"must be a whole number from {least:,} to {most:,}"
            return None
        return int(number)

    def credits(self, name: str, label: str, *, help: str | None = None) -> int | None:
        """An amount of credits as micro-credits, typed or pasted the way the reader writes numbers."""
        number = self._number(name, label, help)
        if number is None:
            return None
        try:
            return credits_to_micro(number)
        except ValueError as error:
            self.faults[name] = str(error)
            return None

    def money(self, name: str, label: str, currency: str, *, help: str | None = None) -> int | None:
        """An amount of money as minor units of that currency."""
        number = self._number(name, label, help)
        if number is None:
            return None
        precision = get_currency_precision(currency)
        cents = number.scaleb(precision)
        if cents != cents.to_integral_value():
            self.faults[name] = f"{currency} has {precision} decimals; write the price without smaller parts"
            return None
        return int(cents)

    def day(
        self,
        name: str,
        label: str,
        *,
        default: date,
        earliest: date,
        latest: date | None,
        variant: str = "",
        help: str | None = None,
    ) -> date:
        """A day. ``variant`` is what the default depends on: when that changes, the day starts at its default again."""
        last = latest or earliest + timedelta(days=366 * 20)
        part = f"{name}@{variant}" if variant else name
        key = self._prepare(part, default, lambda value: earliest <= value <= last, decode=date.fromisoformat)
        st.date_input(label, key=key, min_value=earliest, max_value=last, help=help, persist_state="session")
        value: date = self._keep(part, key, encode=lambda day: day.isoformat())
        self._slots[name] = self._slots[part]
        return value

    def check(self, name: str, label: str, *, help: str | None = None) -> bool:
        """A tick, off at first."""
        key = self._prepare(name, False, lambda value: isinstance(value, bool))
        st.checkbox(label, key=key, help=help, persist_state="session")
        return bool(self._keep(name, key))

    def reason(self, *, codes: Sequence[str]) -> Reason:
        """Why: a code to count by, a note to read, a ticket to follow. All manual acts need the first two."""
        code = self.select("reason", "Reason", {code: REASONS[code] for code in codes})
        note = self.text(
            "note", "Note", required=True, help="At least 10 characters. It is kept in the ledger for good."
        )
        ticket = self.text("ticket", "Ticket", help="Number or address of the ticket, if there is one")
        return Reason(code or "", note, ticket)

    def place_faults(self, faults: Mapping[str, str]) -> list[str]:
        """Show each fault beside its field; answers those that belong to no field drawn here."""
        homeless = []
        for name, message in faults.items():
            if name in self._slots:
                self._slots[name].error(escape(sentence(message)), icon=":material/error:")
            else:
                homeless.append(f"{name}: {message}")
        return homeless

    def is_blank(self, name: str) -> bool:
        """Whether nothing was put into a field yet."""
        return self._body.get(name) in ("", None)

    def save(self) -> None:
        """Keep what was typed, when it changed since the last run."""
        if self._body == self.state.saved:
            return
        self.state.forget_answer()
        self.state.saved = dict(self._body)
        if self._body != self._defaults:
            save_draft(self.visit.ledger, actor=self.visit.actor, key=self.state.key, form=self.name, body=self._body)

    def _number(self, name: str, label: str, help: str | None) -> Decimal | None:
        text = self.text(name, label, required=True, max_chars=40, help=help)
        if not text:
            return None
        try:
            return parse_amount(text, self.visit.locale)
        except AmountUnclear as error:
            self.faults[name] = str(error)
            return None

    def _prepare(
        self,
        name: str,
        default: T,
        is_valid: Callable[[Any], bool],
        decode: Callable[[str], Any] | None = None,
    ) -> str:
        key = f"{self.state.key}:{name}"
        self._defaults[name] = default.isoformat() if isinstance(default, date) else default
        if key in st.session_state:
            value = st.session_state[key]
            if value is not None and not is_valid(value):
                st.session_state[key] = default
            return key
        value = self.state.body.get(name)
        try:
            value = decode(value) if decode and isinstance(value, str) else value
        except ValueError:
            value = None  # an old draft of a form that changed since: the field starts empty
        st.session_state[key] = default if value is None or not is_valid(value) else value
        return key

    def _keep(self, name: str, key: str, encode: Callable[[Any], Any] | None = None) -> Any:
        value = st.session_state[key]
        self._slots[name] = st.empty()
        self._body[name] = encode(value) if encode and value is not None else value
        return value

    def _need(self, name: str, label: str, value: object, *, required: bool) -> None:
        if required and value is None:
            self.missing[name] = label


def open_form(visit: Visit, name: str, *, prefill: Mapping[str, Any] | None = None) -> Form:
    """The person's form of that name: the draft in the address, the one of this session, or a new one.

    ``prefill`` is what a link filled in; it starts a new draft unless the address names one.
    """
    holder = f"form:{name}:{visit.actor.id}"
    state: DraftState | None = st.session_state.get(holder)
    given = address.get(_PARAM)
    if given and _form_of(given) != name:
        given = None  # the page has several forms, and the address still names the draft of another one
    filled = {field: value for field, value in (prefill or {}).items() if value}
    if given and (state is None or state.key != given):
        state = _known(visit, name, given)
    elif not given and (filled or (state is not None and state.is_sent and not state.is_unknown)):
        state = None
    if state is None:
        state = DraftState(new_key(name), body=filled)
    st.session_state[holder] = state
    address.put(_PARAM, state.key)
    return Form(visit, name, state)


def outcome(form: Form) -> Receipt | None:
    """What became of the form's key, asked of the ledger on every draw; the draft is forgotten once it is known."""
    visit, state = form.visit, form.state
    receipt = visit.ledger.receipt(actor=visit.actor, key=state.key)
    if receipt is not None:
        if not state.is_sent or state.is_unknown or state.saved:
            remove_draft(visit.ledger, actor=visit.actor, key=state.key)
        state.is_sent, state.is_unknown, state.saved = True, False, {}
    return receipt


def start_again(form: Form) -> None:
    """A fresh form: for the callback of "Do another" and "Throw away"."""
    st.session_state.pop(f"form:{form.name}:{form.visit.actor.id}", None)
    address.put(_PARAM, None)


def offer_draft(form: Form) -> None:
    """In an untouched form, offer the newest unfinished draft of this person, or tell that it was booked after all."""
    visit = form.visit
    if form.state.saved or form.state.body:
        return
    found = latest_draft(visit.ledger, actor=visit.actor, form=form.name)
    if found is None or found.key == form.state.key:
        return
    is_booked = visit.ledger.receipt(actor=visit.actor, key=found.key) is not None
    when = time_text(found.changed_at, visit.zone, visit.locale)
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        if is_booked:
            st.markdown(f"Your form from {when} **was booked**, although its answer did not reach you.")
            st.button("See what was booked", key="draft-see", on_click=_continue, args=(form, found.key))
        else:
            st.markdown(f"You have an unfinished form from {when}. Nothing of it was booked.")
            st.button("Continue it", key="draft-continue", on_click=_continue, args=(form, found.key))
            st.button("Throw it away", key="draft-drop", on_click=_drop, args=(form, found.key), type="tertiary")


def columns() -> tuple[AbstractContextManager[Any], AbstractContextManager[Any]]:
    """Room for the fields, and beside it for what will happen; below it where both would be too narrow to read."""
    sides = st.grid(2, min_column_width=360, gap="large")
    return sides.container(), sides.container()


def customer_names(visit: Visit) -> dict[str, str]:
    """Account id → name of every customer, by name, as typed."""
    found = visit.ask(frames.load_customers, at=visit.at, zone=visit.zone)
    pairs = sorted(zip(found["account"], found["name"], strict=True), key=lambda pair: (pair[1].casefold(), pair[0]))
    return dict(pairs)


def customer_zone(visit: Visit, account: str | None) -> ZoneInfo:
    """The customer's own zone, in which its credits end; the company's until there is such a customer."""
    if account is None or account not in customer_names(visit):
        return visit.zone
    return visit.ask(frames.load_customer, account=account).zone


def new_key(name: str) -> str:
    """A key that nobody can guess, so that no address leads into somebody else's form."""
    return f"{name}-{secrets.token_hex(8)}"


def removal_warning() -> None:
    """Said above the fields and again in the review of everything that takes credits away."""
    st.markdown(":red[**This takes credits away from the customer.**]")


def sentence(message: str) -> str:
    """A fault as a sentence: capital first, full stop last."""
    return capital(message) + ("" if message.endswith(".") else ".")


def capital(words: str) -> str:
    """Words with a capital first, the rest as it is."""
    return words[:1].upper() + words[1:]


def _form_of(key: str) -> str:
    return key.rpartition("-")[0]


def _known(visit: Visit, name: str, key: str) -> DraftState | None:
    """The state of a key from an address when this person has a draft or a booking under it."""
    found = load_draft(visit.ledger, actor=visit.actor, key=key)
    if found is not None and found.form == name:
        return DraftState(key, body=dict(found.body), saved=dict(found.body))
    is_booked = visit.ledger.receipt(actor=visit.actor, key=key) is not None
    return DraftState(key) if is_booked else None


def _continue(form: Form, key: str) -> None:
    st.session_state.pop(f"form:{form.name}:{form.visit.actor.id}", None)
    address.put(_PARAM, key)


def _drop(form: Form, key: str) -> None:
    remove_draft(form.visit.ledger, actor=form.visit.actor, key=key)
