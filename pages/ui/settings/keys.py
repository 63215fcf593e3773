"""API keys: who may call the HTTP API and what for; made, rotated and revoked here.

A fresh key lives in the session only, under the key of its form: it is shown once, after it was booked.
"""

from collections.abc import Callable
from datetime import timedelta

import pandas as pd
import streamlit as st

from analytics import frames
from ledger import Command, CreateApiKey, Permission, Receipt, RevokeApiKey, RotateApiKey, Scope
from ledger.api_keys import NewKey, make_key
from ledger.core.api_keys import GRACE_MAX_HOURS, NAME_MAX_CHARS, PER_MINUTE_MAX
from ledger.core.lifecycle import end_of_day
from ledger.settings import settings
from pages.ui import address, forms, parts
from pages.ui.forms import Form
from pages.ui.guard import Visit
from pages.ui.review import Act, receipt_panel, review
from pages.ui.text import day_text, escape

TITLE = "API keys"
PERMISSION = Permission.MANAGE_KEYS
HELD = "api-key"
_SCOPES = {
    Scope.USAGE_WRITE: "Charge usage, check, place and capture holds",
    Scope.BALANCE_READ: "Read balances, batches and history of customers",
    Scope.GRANTS_WRITE: "Give credits, book top-ups, redeem gift codes",
    Scope.CORRECTIONS_WRITE: "Adjust, transfer, refund, extend",
    Scope.CUSTOMERS_WRITE: "Open and change customers and their plans",
    Scope.PURCHASES_WRITE: "Sell packages, read purchases, change auto-recharge",
    Scope.REPORTS_READ: "Read reports and figures of the whole company",
    Scope.ADMIN: "All of these, except deciding and making keys",
}
_CODES = ("contract", "data_correction", "other")


def draw(visit: Visit) -> None:
    """The keys, then one form at a time."""
    found = visit.ask_now(frames.load_api_keys, at=visit.at)
    if found.empty:
        parts.first_use("No API keys yet. Products that charge credits need one; make the first below.")
    else:
        _list(visit, found)
    _act(visit, found[found["state"].isin(["active", "ending"])])


def _list(visit: Visit, found: pd.DataFrame) -> None:
    columns = {
        "name": st.column_config.TextColumn("Name", pinned=True),
        "prefix": st.column_config.TextColumn("Begins with", width=120),
        "state": st.column_config.TextColumn("State", width=80),
        "scopes": st.column_config.TextColumn("May"),
        "last_used_at": parts.instant_column("Last used", visit.zone, help="To the minute"),
        "ends_at": parts.instant_column("Ends", visit.zone),
        "key_id": st.column_config.NumberColumn("No.", format="%d"),
        "made_by": st.column_config.TextColumn("By"),
        "made_at": parts.instant_column("Made", visit.zone),
        "per_minute": st.column_config.NumberColumn(
            "A minute", help="Requests; empty: as set for all", format="localized"
        ),
    }
    usable = int(found["state"].isin(["active", "ending"]).sum())
    totals = f"**{usable:,} key{'s' * (usable != 1)} in use**, newest first"
    alt = "API keys, newest first"
    parts.table(found, key="api-keys", alt=alt, columns=columns, totals=totals, placeholder="–")


def _act(visit: Visit, usable: pd.DataFrame) -> None:
    names = {
        str(row["key_id"]): f"{row['name']} · {row['prefix']}… · no. {row['key_id']}"
        for row in usable.to_dict("records")
    }
    acts = {"make": "Make a key"} | ({"rotate": "Rotate a key", "revoke": "Revoke a key"} if names else {})
    chosen = address.radio("act", "What to do", list(acts), default="make", format_func=acts.__getitem__)
    st.subheader(acts[chosen], anchor=False)
    form = forms.open_form(visit, f"key_{chosen}")
    receipt = forms.outcome(form)
    if receipt is not None:
        receipt_panel(form, receipt, done=_DONE[chosen], name="")
        if chosen != "revoke":
            _shown_once(form, receipt)
        return
    left, right = forms.columns()
    with left:
        command, act = _FIELDS[chosen](form, names)
    with right:
        review(form, command, act)


def _make(form: Form, _names: dict[str, str]) -> tuple[Command | None, Act]:
    visit = form.visit
    name = form.text("name", "Name", required=True, max_chars=NAME_MAX_CHARS, placeholder="Image service, production")
    st.caption("What it may do")
    scopes = tuple(scope for scope, words in _SCOPES.items() if form.check(f"may_{scope.name}", f"{words} ({scope})"))
    if not scopes:
        form.missing["scopes"] = "What it may do"
    per_minute = form.number(
        "per_minute",
        "Requests a minute",
        least=1,
        most=PER_MINUTE_MAX,
        required=False,
        help=f"Empty: {settings().key_requests_per_minute:,}, as set for all keys",
    )
    ends = form.choice("ends", "Works", ["always", "through"], words={"always": "Until revoked", "through": "Through"})
    last = None
    if ends == "through":
        last = form.day(
            "last", "Last day", default=visit.today + timedelta(days=365), earliest=visit.today, latest=None
        )
    reason = form.reason(codes=_CODES)
    if not name or not scopes or form.faults:
        return None, Act(button="Make the key")
    fresh = _fresh(form)
    until = None if last is None else end_of_day(last, visit.zone)
    facts = {
        "May": escape(", ".join(scopes)),
        "Works": "Until it is revoked" if last is None else f"Through {day_text(last, visit.locale)}",
        "Shown": "Once, right after it is made; it cannot be read again",
    }
    command = CreateApiKey(name, fresh.prefix, fresh.secret_hash, scopes, reason, per_minute, until)
    return command, Act(button=f"Make the key {escape(name)}", facts=facts)


def _rotate(form: Form, names: dict[str, str]) -> tuple[Command | None, Act]:
    chosen = form.select("key_id", "Key", names)
    hours = form.number("grace_hours", "Hours that the old one still works", least=0, most=GRACE_MAX_HOURS, default=24)
    reason = form.reason(codes=_CODES)
    if chosen is None or hours is None:
        return None, Act(button="Rotate the key")
    fresh = _fresh(form)
    facts = {
        "Key": escape(names[chosen]),
        "Old one": f"Works for {hours:,} more hours" if hours else "Stops at once",
        "New one": "Has the same name, scopes and limit; shown once",
    }
    command = RotateApiKey(int(chosen), fresh.prefix, fresh.secret_hash, reason, hours)
    return command, Act(button="Rotate the key", facts=facts)


def _revoke(form: Form, names: dict[str, str]) -> tuple[Command | None, Act]:
    chosen = form.select("key_id", "Key", names)
    reason = form.reason(codes=_CODES)
    if chosen is None:
        return None, Act(button="Revoke the key")
    facts = {"Key": escape(names[chosen]), "From now on": "Refused, everywhere within seconds; what it booked stays"}
    return RevokeApiKey(int(chosen), reason), Act(button="Revoke the key", facts=facts)


def _fresh(form: Form) -> NewKey:
    """The secret of this form, drawn once."""
    held: dict[str, object] = st.session_state.setdefault(HELD, {})
    if held.get("for") != form.state.key:
        held.clear()
        held |= {"for": form.state.key, "made": make_key()}
    made: NewKey = held["made"]  # type: ignore[assignment]
    return made


def _shown_once(form: Form, receipt: Receipt) -> None:
    held = st.session_state.get(HELD, {})
    if held.get("for") != form.state.key:
        st.warning(
            f"Key {receipt.subject_id} was shown when it was made and cannot be read again. When nobody saved it, "
            "revoke it and make another.",
            icon=":material/visibility_off:",
        )
        return
    st.warning("Save the key now: it is not stored and is shown only here.", icon=":material/save:")
    st.code(held["made"].text, language=None)
    st.caption("Requests carry it as `Authorization: Bearer …`; docs/api.md has a quick start.")


_DONE = {"make": "Made.", "rotate": "Rotated.", "revoke": "Revoked."}
_FIELDS: dict[str, Callable[[Form, dict[str, str]], tuple[Command | None, Act]]] = {
    "make": _make,
    "rotate": _rotate,
    "revoke": _revoke,
}
