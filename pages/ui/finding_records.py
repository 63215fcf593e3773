"""Our record of a payment and the provider's as one table, line beside line, with a mark where they differ."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pandas as pd

from analytics import frames
from analytics.finding_words import PROVIDER_NAMES
from ledger import Provider
from pages.ui.guard import Visit
from pages.ui.text import credit_text, escape, instant_text, money_text

NOTHING = "–"
MARK = "≠"
_STATES = {
    "created": "Begun",
    "open": "Open",
    "processing": "At the bank",
    "needs_action": "Waits for the customer",
    "credited": "Paid and credited",
    "blocked": "Paid, waits for a decision",
    "paid": "Paid",
    "failed": "Failed",
    "expired": "Ended unpaid",
}


def side_by_side(visit: Visit, found: frames.FindingInFull, provider: Provider) -> pd.DataFrame:
    """One line per figure: what it is, here, there. The first column marks lines that differ."""
    ours, theirs = found.ours or {}, found.theirs or {}
    # A purchase recorded by hand has its own record, and beside it that of the payment it doubles, if there is one.
    lines = _by_hand(visit, ours, theirs) if "name" not in ours and ours else _lines(visit, ours, theirs)
    there = PROVIDER_NAMES[provider]
    rows = [
        {"": MARK if differs else "", "What": what, "Here": here, f"At {there}": their}
        for what, here, their, differs in lines
        if (here, their) != (NOTHING, NOTHING)
    ]
    if not ours:
        rows.insert(0, {"": MARK, "What": "Record", "Here": "None", f"At {there}": "There"})
    elif not theirs:
        rows.insert(0, {"": MARK, "What": "Record", "Here": "There", f"At {there}": "None"})
    return pd.DataFrame(rows)


Line = tuple[str, str, str, bool]


def _lines(visit: Visit, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[Line]:
    both = bool(ours) and bool(theirs)
    net = None if not theirs else theirs["total_cents"] - theirs["tax_cents"]
    refunds = sum(one["cents"] for one in theirs.get("refunds", []) if one["state"] in ("pending", "done"))
    disputes = [one for one in theirs.get("disputes", []) if one["state"] in ("open", "lost")]
    lines = [
        _line("Provider's id", ours.get("ref"), theirs.get("ref"), both=both),
        _line("Our id", ours.get("name"), theirs.get("name"), both=False),
        _line("Customer", ours.get("account"), theirs.get("account"), both=False),
        ("State", _state(ours.get("state")), _state(theirs.get("state")), False),
        ("Paid at", _instant(visit, ours.get("at")), _instant(visit, theirs.get("at")), False),
        _money(visit, "Paid, with tax", ours, "total_cents", theirs.get("total_cents"), theirs, both=both),
        _money(visit, "Tax in it", ours, "tax_cents", theirs.get("tax_cents"), theirs, both=both),
    ]
    batch = _money(visit, "Cost of the batch", ours, "cost_cents", net, theirs, both=both, currency="cost_currency")
    lines.append(batch)
    if both and ours.get("batch_reference"):
        lines.append(_line("Payment that the batch names", ours["batch_reference"], theirs.get("ref"), both=True))
    if ours.get("credits_micro") is not None:
        bought, shelf = ours["credits_micro"], ours.get("batch_micro")
        lines.append(("Credits bought", credit_text(bought, visit.locale), NOTHING, False))
        if shelf is not None:
            lines.append(("Credits of the batch", credit_text(shelf, visit.locale), NOTHING, shelf != bought))
    if ours.get("refunded_cents") or refunds:
        lines.append(_money(visit, "Refunded", ours, "refunded_cents", refunds, theirs, both=both))
    held = (ours.get("disputed_cents") or 0) + (ours.get("lost_cents") or 0)
    if held or disputes:
        of_ours = {"held": held, "currency": ours.get("currency")} if ours else {}
        there = sum(one["cents"] for one in disputes)
        lines.append(_money(visit, "Disputed or lost", of_ours, "held", there, theirs, both=both))
    lines += [_of_list(visit, "Refund", one, ours, theirs) for one in theirs.get("refunds", [])]
    lines += [
        (f"Dispute {escape(one['ref'])}", NOTHING, _part(visit, one, theirs), False)
        for one in theirs.get("disputes", [])
    ]
    asked = (_instant(visit, ours.get("followed_at")), _instant(visit, theirs.get("asked_at")))
    lines.append(("Followed here, asked there", *asked, False))
    return lines


def _by_hand(visit: Visit, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[Line]:
    net = None if not theirs else theirs["total_cents"] - theirs["tax_cents"]
    both = bool(theirs)
    lines = [
        _line("Reference", ours.get("reference"), theirs.get("ref"), both=False),
        _line("Customer", ours.get("account"), theirs.get("account"), both=False),
        ("Recorded by hand, paid at", _instant(visit, ours.get("at")), _instant(visit, theirs.get("at")), False),
        _money(visit, "Paid, without tax", ours, "cost_cents", net, theirs, both=both),
        ("Credits", credit_text(ours["credits_micro"], visit.locale), NOTHING, False),
    ]
    known = ours.get("payment")
    if known:
        lines.append(("Credited by itself as", f"`{known['name']}`", NOTHING, True))
    return lines


def _of_list(
    visit: Visit, label: str, one: Mapping[str, Any], ours: Mapping[str, Any], theirs: Mapping[str, Any]
) -> Line:
    mine = next((each for each in ours.get("refunds", []) if each["name"] == one["name"]), None)
    here = NOTHING if mine is None else _part(visit, mine, ours)
    return f"{label} {escape(one['ref'])}", here, _part(visit, one, theirs), False


def _part(visit: Visit, one: Mapping[str, Any], whole: Mapping[str, Any]) -> str:
    return f"{money_text(one['cents'], whole['currency'], visit.locale)}, {escape(one['state'])}"


def _line(what: str, here: str | None, there: str | None, *, both: bool) -> Line:
    texts = [NOTHING if one is None else f"`{one.replace('`', '')}`" for one in (here, there)]
    return what, texts[0], texts[1], both and here != there


def _money(
    visit: Visit,
    what: str,
    ours: Mapping[str, Any],
    name: str,
    their_cents: int | None,
    theirs: Mapping[str, Any],
    *,
    both: bool,
    currency: str = "currency",
) -> Line:
    here = _amount(visit, ours.get(name), ours.get(currency))
    there = _amount(visit, their_cents, theirs.get("currency"))
    return what, here, there, both and here != there


def _amount(visit: Visit, cents: int | None, currency: str | None) -> str:
    return NOTHING if cents is None or currency is None else money_text(cents, currency, visit.locale)


def _state(word: str | None) -> str:
    return NOTHING if word is None else _STATES.get(word, escape(word))


def _instant(visit: Visit, at: str | None) -> str:
    return NOTHING if at is None else instant_text(datetime.fromisoformat(at), visit.zone, visit.locale)
