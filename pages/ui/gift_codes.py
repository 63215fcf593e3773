"""Gift codes on the page Issue: sets with what is left of them, and the forms that issue, redeem and disable codes.

Fresh codes live in the session only, under the key of their form: they are shown once, after they were booked.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pandas as pd
import streamlit as st

from analytics import frames
from ledger import (
    Command,
    CreditType,
    DisableGiftCodes,
    IssueGiftCodes,
    Permission,
    Receipt,
    RedeemGiftCode,
    micro_to_text,
)
from ledger.codes import PREFIX_MAX_CHARS, NewCode, make_codes, prefix_fault
from ledger.core.lifecycle import PROMOTIONAL_DAYS_MAX, PROMOTIONAL_DAYS_MIN, end_of_day
from pages.ui import address, forms, parts
from pages.ui.forms import Form
from pages.ui.guard import Visit
from pages.ui.review import Act, receipt_panel, review
from pages.ui.text import TYPE_WORDS, credit_text, day_text, escape

SET_MAX = 10_000
# Where the session keeps codes until they are shown.
HELD = "gift-codes"
SHOWN = 200
KINDS = [kind for kind in CreditType if kind is not CreditType.PURCHASED]
Made = tuple[Command | None, str, Act]


@dataclass(frozen=True, slots=True)
class Kind:
    """One thing to do with gift codes: how people choose it, what it takes, what is said after, its fields."""

    words: str
    permission: Permission
    done: str
    fields: Callable[[Form], Made]


def draw(visit: Visit) -> None:
    """The list of sets, the codes of one of them, and one form at a time."""
    sets = visit.ask(frames.load_code_sets, at=visit.at)
    if sets.empty:
        parts.first_use("No gift codes yet. Issue the first set below.")
    else:
        _sets(visit, sets)
        _codes(visit, sets)
    st.subheader("Do something", anchor=False)
    kinds = {word: kind for word, kind in ACTS.items() if _may(visit, kind)}
    chosen = address.radio(
        "act", "What to do", list(kinds), default=next(iter(kinds)), format_func=lambda word: kinds[word].words
    )
    kind = kinds[chosen]
    form = forms.open_form(visit, f"codes_{chosen}", prefill={"set": address.get("set")})
    receipt = forms.outcome(form)
    if receipt is not None:
        receipt_panel(form, receipt, done=kind.done, name=forms.customer_names(visit).get(receipt.account or "", ""))
        if chosen == "issue":
            _shown_once(form, receipt)
        return
    forms.offer_draft(form)
    left, right = forms.columns()
    with left:
        command, _, act = kind.fields(form)
    with right:
        review(form, command, act)


def _may(visit: Visit, kind: Kind) -> bool:
    # A redemption cannot be asked for: the request would keep the code.
    return visit.may(kind.permission) if kind.fields is _redeem else visit.may_start(kind.permission)


def _sets(visit: Visit, sets: pd.DataFrame) -> None:
    shown = sets.assign(
        worth=parts.whole_credits(sets["amount_micro"]),
        types=[TYPE_WORDS[CreditType(kind)] for kind in sets["credit_type"]],
    )
    columns = {
        "label": st.column_config.TextColumn("For", pinned=True),
        "state": st.column_config.TextColumn("State", width=90),
        "worth": parts.credits_column("Credits each"),
        "types": st.column_config.TextColumn("Type", width=120),
        "codes": st.column_config.NumberColumn("Codes", format="localized"),
        "redeemed": st.column_config.NumberColumn("Redeemed", format="localized"),
        "left": st.column_config.NumberColumn("Left", format="localized", help="Codes that can still be redeemed"),
        "valid_until": parts.instant_column("Until", visit.zone, help="Redeemed before then"),
        "per_customer_limit": st.column_config.NumberColumn("Per customer"),
        "set_id": st.column_config.NumberColumn("Set", format="%d"),
    }
    worth = int((sets["left"] * sets["amount_micro"]).sum())
    left = int(sets["left"].sum())
    totals = (
        f"**{left:,} code{'s' * (left != 1)} left, worth {credit_text(worth, visit.locale)} credits**, newest set first"
    )
    parts.table(
        shown, key="sets", alt="Sets of gift codes, newest first", columns=columns, totals=totals, placeholder="no end"
    )


def _codes(visit: Visit, sets: pd.DataFrame) -> None:
    """The codes of the chosen set."""
    labels = dict(zip(sets["set_id"].tolist(), sets["label"], strict=True))
    words = {number: f"{label} · set {number}" for number, label in labels.items()}
    panel = st.expander("Codes of a set", key="codes-of-set", on_change="rerun", icon=":material/list:")
    if not panel.open:
        return
    with panel:
        chosen = address.select("set", "Set", list(words), default=next(iter(words)), format_func=words.__getitem__)
        found = visit.ask(frames.load_codes, set_id=chosen, limit=SHOWN)
        parts.table(
            found,
            key="codes",
            alt="Codes of the set, those redeemed last first",
            totals=f"The first {SHOWN}, those redeemed last first" if len(found) == SHOWN else "",
            placeholder="",
            columns={
                "hint": st.column_config.TextColumn("Ends in"),
                "state": st.column_config.TextColumn("State"),
                "name": st.column_config.TextColumn("Redeemed by"),
                "redeemed_at": parts.instant_column("Redeemed", visit.zone),
                "transaction_id": st.column_config.NumberColumn("Entry", format="%d"),
                "code_id": st.column_config.NumberColumn("Code no.", format="%d"),
            },
        )


def _issue(form: Form) -> Made:
    visit = form.visit
    label = form.text("label", "What for", required=True, max_chars=120, help="Becomes the campaign of the credits")
    words = {kind.value: TYPE_WORDS[kind] for kind in KINDS}
    kind = CreditType(form.choice("credit_type", "Type", [kind.value for kind in KINDS], words=words))
    worth, how_many = st.columns(2)
    with worth:
        amount_micro = form.credits("amount", "Credits per code")
    with how_many:
        count = form.number("count", "Codes", least=1, most=SET_MAX)
    prefix = form.text("prefix", "Codes begin with", max_chars=PREFIX_MAX_CHARS, help="Letters and digits, or nothing")
    if fault := prefix_fault(prefix):
        form.faults["prefix"] = fault
    least, most = (PROMOTIONAL_DAYS_MIN, PROMOTIONAL_DAYS_MAX) if kind is CreditType.PROMOTIONAL else (0, 3650)
    limit, days = st.columns(2)
    with limit:
        per_customer = form.number("per_customer_limit", "Codes per customer", least=1, most=SET_MAX, default=1)
    with days:
        life = form.number(
            "expires_days",
            "Days usable once redeemed",
            least=least,
            most=most,
            required=False,
            help=f"{TYPE_WORDS[kind]} credits live {least} to {most:,} days; empty: the default of the type",
        )
    ends = form.choice(
        "ends", "Redeemable", ["through", "always"], words={"through": "Through a day", "always": "Always"}
    )
    last = None
    if ends == "through":
        last = form.day("last", "Last day", default=visit.today + timedelta(days=90), earliest=visit.today, latest=None)
    reason = form.reason(codes=("campaign", "goodwill", "contract", "other"))
    if not label or amount_micro is None or count is None or per_customer is None or form.faults:
        return None, "", Act(button="Issue gift codes")
    codes = _fresh(form, count, prefix)
    st.session_state[HELD]["credits"] = micro_to_text(amount_micro)
    command = IssueGiftCodes(
        label,
        kind,
        amount_micro,
        tuple(code.code_hash for code in codes),
        tuple(code.hint for code in codes),
        reason,
        valid_until=None if last is None else end_of_day(last, visit.zone),
        expires_days=life,
        per_customer_limit=per_customer,
    )
    amount, total = (credit_text(micro, visit.locale) for micro in (amount_micro, amount_micro * count))
    facts = {
        "Codes": f"{count:,}, {amount} {TYPE_WORDS[kind].lower()} credits each",
        "Worth in all": f"{total} credits",
        "Redeemable": "Always" if last is None else f"Through {day_text(last, visit.locale)}, {escape(visit.zone.key)}",
        "Shown": "Once, right after they are issued; they cannot be read again",
    }
    return command, "", Act(button=f"Issue {count:,} codes of {amount} credits", facts=facts)


def _fresh(form: Form, count: int, prefix: str) -> tuple[NewCode, ...]:
    """The codes of this form, made once for a count and a prefix."""
    held: dict[str, object] = st.session_state.setdefault(HELD, {})
    wanted = (form.state.key, count, prefix.upper())
    if held.get("for") != wanted:
        held.clear()
        held |= {"for": wanted, "codes": make_codes(count, prefix=prefix)}
    codes: tuple[NewCode, ...] = held["codes"]  # type: ignore[assignment]
    return codes


def _shown_once(form: Form, receipt: Receipt) -> None:
    held = st.session_state.get(HELD, {})
    if held.get("for", ("",))[0] != form.state.key:
        st.warning(
            "The codes were shown when they were issued and cannot be read again. When nobody saved them, disable the "
            "set and issue another.",
            icon=":material/visibility_off:",
        )
        return
    codes: tuple[NewCode, ...] = held["codes"]
    waits = " They give nothing before the request is approved." if receipt.approval_id is not None else ""
    st.warning(f"Save the codes now: they are not stored and are shown only here.{waits}", icon=":material/save:")
    visit, worth = form.visit, held["credits"]

    def file() -> bytes:
        return parts.to_csv(pd.DataFrame({"code": [code.text for code in codes], "credits": worth}), zone=visit.zone)

    st.download_button(
        f"Download {len(codes):,} codes",
        data=file,
        file_name=parts.Download(visit, "gift_codes", pd.DataFrame, whose=str(receipt.subject_id or "asked")).file_name,
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
        key="codes-file",
        type="primary",
    )
    listed = pd.DataFrame({"code": [code.text for code in codes[:SHOWN]]})
    totals = f"The first {SHOWN} of {len(codes):,}; the file has all" if len(codes) > SHOWN else ""
    columns = {"code": st.column_config.TextColumn("Code")}
    parts.table(listed, key="fresh-codes", alt="The codes just issued", columns=columns, totals=totals)


def _redeem(form: Form) -> Made:
    account = form.customer()
    code = form.secret(
        "code", "Gift code", max_chars=100, help="Capitals, hyphens and spaces do not matter; it is not saved anywhere"
    )
    name = forms.customer_names(form.visit).get(account or "", "")
    command = RedeemGiftCode(account, code) if account and code else None
    return command, name, Act(button=f"Redeem for {escape(name)}" if name else "Redeem")


def _disable(form: Form) -> Made:
    visit = form.visit
    sets = visit.ask(frames.load_code_sets, at=visit.at)
    rows = {str(row["set_id"]): row for row in sets[sets["state"] != "disabled"].to_dict("records")}
    options = {number: f"{row['label']} · set {number}, {row['left']:,} left" for number, row in rows.items()}
    chosen = form.select("set", "Set", options)
    which = {"all": "All that are left"}
    if chosen is not None:
        found = visit.ask(frames.load_codes, set_id=int(chosen), limit=SET_MAX)
        codes = found[found["state"] == "open"]
        which |= {str(row.code_id): f"The one that ends in {row.hint}, no. {row.code_id}" for row in codes.itertuples()}
    code = form.select("code_id", "Codes", which, default="all")
    reason = form.reason(codes=("data_correction", "contract", "other"))
    if chosen is None or code is None:
        return None, "", Act(button="Disable")
    row = rows[chosen]
    worth = f"{micro_to_text(row['amount_micro'])} credits each"
    facts = {"Worthless from now on": f"{row['left']:,} codes, {worth}" if code == "all" else f"1 code, {worth}"}
    command = DisableGiftCodes(int(chosen), reason, None if code == "all" else int(code))
    act = f"Disable {'all that is left of' if code == 'all' else 'one code of'} {escape(row['label'])}"
    return command, "", Act(button=act, facts=facts)


ACTS: dict[str, Kind] = {
    "issue": Kind("Issue codes", Permission.ISSUE_CODES, "Issued.", _issue),
    "redeem": Kind("Redeem for a customer", Permission.ISSUE_GRANT, "Redeemed.", _redeem),
    "disable": Kind("Disable codes", Permission.ISSUE_CODES, "Disabled.", _disable),
}
