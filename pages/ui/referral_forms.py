"""What an admin does about referrals: one form per act, for the page Referrals."""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from analytics import frames
from ledger import (
    Command,
    CreateReferralCode,
    DefineReferralProgramme,
    DisableReferralCode,
    EndReferralProgramme,
    InviteReferral,
    JoinReferral,
    QualifyReferral,
    RefuseReferral,
    ReleaseReferral,
)
from ledger.core.referrals import default_code
from pages.ui import forms
from pages.ui.forms import Form
from pages.ui.review import Act
from pages.ui.text import credit_text, escape

REASONS = ("goodwill", "contract", "campaign", "other")
Made = tuple[Command | None, Act]


@dataclass(frozen=True, slots=True)
class Kind:
    """One act: how people choose it, what is said once it is done, and its fields."""

    words: str
    done: str
    fields: Callable[[Form], Made]


def _join(form: Form) -> Made:
    account, code = form.customer(), form.select("code", "Came by the code", _codes(form))
    name = _name(form, account)
    command = JoinReferral(code, account) if account and code else None
    return command, Act(f"Note that {name} came by {escape(code or 'a code')}")


def _qualify(form: Form) -> Made:
    found = form.visit.ask(frames.load_referrals)
    joined = found[found["state"] == "joined"]
    options = {str(row.referee): f"{row.referee_name} · brought by {row.referrer_name}" for row in joined.itertuples()}
    account = form.select("account", "Customer who has bought", options)
    command = QualifyReferral(account) if account else None
    return command, Act(f"Reward both sides for {_name(form, account)}")


def _release(form: Form) -> Made:
    id_ = _held(form)
    reason = form.reason(codes=REASONS)
    facts = {"Referral": "No longer held; rewarded now, or as soon as the customer has bought"}
    command = ReleaseReferral(id_, reason) if id_ else None
    return command, Act(f"Release referral {id_ or ''}".strip(), facts=facts)


def _refuse(form: Form) -> Made:
    found = form.visit.ask(frames.load_referrals)
    id_ = _referral(form, found[found["state"].isin(["invited", "joined", "qualified"])])
    reason = form.reason(codes=REASONS)
    command = RefuseReferral(id_, reason) if id_ else None
    facts = {"Referral": "Ends without a reward for anybody"}
    return command, Act(f"Refuse referral {id_ or ''}".strip(), is_removal=False, facts=facts)


def _code(form: Form) -> Made:
    account, programme = form.customer(), form.select("programme", "Programme", _programmes(form))
    code = form.text("code", "Code", max_chars=40, help="4 to 40 letters, digits or hyphens; empty takes one made up")
    command = CreateReferralCode(account, programme, code) if account and programme else None
    shown = code.upper() or (default_code(account, programme) if account and programme else "")
    return command, Act(f"Give {_name(form, account)} the code {escape(shown)}", facts={"Code": escape(shown)})


def _invite(form: Form) -> Made:
    code = form.select("code", "By the code", _codes(form))
    email = form.text("email", "E-mail of who is invited", required=True, max_chars=200)
    command = InviteReferral(code, email) if code and email else None
    return command, Act(f"Note the invitation of {escape(email)}", facts={"Mail": "None is sent; this is a note"})


def _programme(form: Form) -> Made:
    label = form.text("label", "Name", required=True, max_chars=120)
    code = form.text("code", "Short name", required=True, max_chars=40, help="As the ledger names it, such as friends")
    referrer = form.credits("referrer", "Credits for who invites")
    referee = form.credits("referee", "Credits for who joins")
    months = form.select("expires_months", "Usable for", _months(), default="6")
    cap = form.text("cap", "Most rewards of one who invites", max_chars=6, help="Empty: as many as there are")
    if cap and not cap.isdecimal():
        form.faults["cap"] = "is a whole number, or empty for no cap"
    if not (label and code) or referrer is None or referee is None or form.faults:
        return None, Act("Define the programme")
    command = DefineReferralProgramme(
        code, label, referrer, referee, cap=int(cap) if cap else None, expires_months=int(months or 6)
    )
    locale = form.visit.locale
    facts = {
        "Who invites gets": f"{credit_text(referrer, locale)} credits" + (f", at most {cap} times" if cap else ""),
        "Who joins gets": f"{credit_text(referee, locale)} credits",
    }
    return command, Act(f"Define the programme {escape(label)}", facts=facts)


def _end(form: Form) -> Made:
    found = form.visit.ask(frames.load_programmes)
    running = found[found["ends_at"].isna() | (found["ends_at"] > form.visit.at)]
    labels = {str(row.code): f"{row.label} · {row.code}" for row in running.itertuples()}
    programme = form.select("programme", "Programme", labels)
    reason = form.reason(codes=REASONS)
    facts = {"Programme": "Nobody can join any more; who joined before is still rewarded"}
    command = EndReferralProgramme(programme, reason) if programme else None
    return command, Act(f"End the programme {escape(labels.get(programme or '', ''))}".strip(), facts=facts)


def _disable(form: Form) -> Made:
    code = form.select("code", "Code", _codes(form))
    reason = form.reason(codes=REASONS)
    facts = {"Code": "Nobody can join by it any more; who joined before is still rewarded"}
    command = DisableReferralCode(code, reason) if code else None
    return command, Act(f"Disable the code {escape(code or '')}".strip(), facts=facts)


def _held(form: Form) -> int | None:
    return _referral(form, form.visit.ask(frames.load_referrals, is_held=True))


def _referral(form: Form, found: pd.DataFrame) -> int | None:
    options = {str(row.referral_id): f"{row.referrer_name} → {row.referee_name}" for row in found.itertuples()}
    chosen = form.select("referral", "Referral", options)
    return int(chosen) if chosen else None


def _codes(form: Form) -> dict[str, str]:
    found = form.visit.ask(frames.load_referral_codes, at=form.visit.at, limit=None)
    is_open = found[found["state"] == "open"]
    return {str(row.code): f"{row.code} · {row.name}" for row in is_open.itertuples()}


def _programmes(form: Form) -> dict[str, str]:
    found = form.visit.ask(frames.load_programmes)
    return dict(zip(found["code"], found["label"], strict=True))


def _months() -> dict[str, str]:
    return {str(number): f"{number} month{'s' * (number != 1)}" for number in (1, 2, 3, 6, 9, 12, 24)}


def _name(form: Form, account: str | None) -> str:
    return escape(forms.customer_names(form.visit).get(account or "", "the customer"))


KINDS: dict[str, Kind] = {
    "join": Kind("Note who came by a code", "Noted.", _join),
    "qualify": Kind("Reward a purchase", "Booked.", _qualify),
    "release": Kind("Release a held one", "Released.", _release),
    "refuse": Kind("Refuse one", "Refused.", _refuse),
    "invite": Kind("Note an invitation", "Noted.", _invite),
    "code": Kind("New code", "Code created.", _code),
    "disable": Kind("Disable a code", "Code disabled.", _disable),
    "programme": Kind("New programme", "Programme defined.", _programme),
    "end": Kind("End a programme", "Programme ended.", _end),
}
