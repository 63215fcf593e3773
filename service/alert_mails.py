"""The mails of alerts: which template a letter is, and what it is filled with."""

from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale

from analytics.alert_words import runway_text, said
from ledger import Ledger
from ledger.alerts import Told
from ledger.core.alerts import Addressee, AlertKind
from ledger.outbox import NewMail
from ledger.selling.links import prepare, purchase_address
from ledger.settings import settings

# Mails are written in English, see ledger/mail/words.py.
LOCALE = Locale("en", "US")


class Writer:
    """Writes the mails of one look; ``zone`` is the company zone, in which the day of a digest is counted.

    With the ledger, customers get a link by which they can buy without signing in.
    """

    def __init__(self, zone: ZoneInfo, ledger: Ledger | None = None) -> None:
        self._zone, self._ledger = zone, ledger
        if ledger is not None:
            # Letters are written inside the transaction that raises the alerts; nobody can write beside it.
            prepare(ledger)

    def __call__(self, key: str, address: str, who: Addressee, alerts: Sequence[Told]) -> NewMail:
        """One mail to an address about one alert or several."""
        account_id = alerts[0].account_id if len({one.account_id for one in alerts}) == 1 else None
        if account_id is not None and {one.key.kind for one in alerts} == {AlertKind.EXPIRING}:
            template, variables = "expiring_soon", _expiring(alerts)
        elif len(alerts) == 1:
            template, variables = _single(alerts[0])
            if who is Addressee.CUSTOMER and self._ledger is not None and "top_up_link" in variables:
                variables["top_up_link"] = purchase_address(self._ledger, alerts[0].account)
        else:
            template, variables = "alert_digest", self._digest(alerts, who)
        return NewMail(key, template, address, variables | {"audience": who.value}, account_id)

    def _digest(self, alerts: Sequence[Told], who: Addressee) -> dict[str, Any]:
        items = []
        for one in alerts:
            words = said(one.key.kind, one.key.level, one.figures, LOCALE)
            items.append(_who(one) | {"title": words.title, "text": words.detail, "link": _customer_link(one)})
        day = max(one.raised_at for one in alerts).astimezone(self._zone).date()
        link = _customer_link(alerts[0]) if who is Addressee.CUSTOMER else settings().page_address("alerts")
        is_one = len({one.account_id for one in alerts}) == 1
        whose = _who(alerts[0]) if is_one else {"customer": "", "account": ""}
        return whose | {"day": day.isoformat(), "items": items, "link": link}


def _single(one: Told) -> tuple[str, dict[str, Any]]:
    figures = one.figures
    match one.key.kind:
        case AlertKind.OUT_OF_CREDITS | AlertKind.OVERDRAWN:
            owed = {name: figures[name] for name in ("owed_micro", "overdraft_left_micro")}
            return "out_of_credits", _who(one) | owed | _top_up(one)
        case AlertKind.LOW_BALANCE | AlertKind.OWN_LINE:
            reason = said(one.key.kind, one.key.level, figures, LOCALE).detail
            balance = {"balance_micro": figures["available_micro"], "reason": reason}
            return "low_credit_balance", _who(one) | balance | _runway(one) | _top_up(one)
        case AlertKind.RUN_OUT:
            reason = said(one.key.kind, one.key.level, figures, LOCALE).detail
            chance = {"chance_pct": one.key.level, "before_on": figures["before"], "reason": reason}
            balance = {"balance_micro": figures["available_micro"], "link": _customer_link(one)}
            return "run_out_soon", _who(one) | chance | balance | _runway(one)
        case AlertKind.PLAN_LIMIT:
            used = {name: figures[name] for name in ("plan", "used_micro")}
            limit = {"limit_micro": figures["allowance_micro"], "renews_on": figures["period_end"]}
            return "plan_limit", _who(one) | used | limit | {"level": one.key.level} | _top_up(one)
        case AlertKind.UNUSUAL_USE:
            used = {name: figures[name] for name in ("feature", "day", "used_micro", "usual_micro")}
            reason = "far from the same weekday of the eight weeks before"
            return "unusual_use", _who(one) | used | {"reason": reason, "link": _customer_link(one)}
        case AlertKind.EXPIRING:
            return "expiring_soon", _expiring([one])
        case AlertKind.RECHARGE_STOPPED:
            told = {"because": figures["because"], "declines": figures["declines"]}
            balance = {"balance_micro": figures["available_micro"], "link": _money_link(one)}
            return "recharge_stopped", _who(one) | told | balance | _top_up(one)
        case AlertKind.PAYMENT_BLOCKED | AlertKind.DISPUTE_OPEN:
            names = ("payment", "price_cents", "currency", "amount_micro", "because")
            told = {name: figures[name] for name in names} | {"link": _money_link(one)}
            return "payment_needs_you", _who(one) | told | {"is_dispute": one.key.kind is AlertKind.DISPUTE_OPEN}


def _expiring(alerts: Sequence[Told]) -> dict[str, Any]:
    """Batches of one customer, soonest first."""
    ordered = sorted(alerts, key=lambda one: (one.figures["days_left"], one.id))
    batches = [
        {
            "credit_type": one.figures["credit_type"],
            "amount_micro": one.figures["left_micro"],
            "last_day": one.figures["last_day"],
            "label": "",
        }
        for one in ordered
    ]
    return _who(ordered[0]) | {
        "days": ordered[0].figures["days_left"],
        "amount_micro": sum(one.figures["left_micro"] for one in ordered),
        "batches": batches,
        "link": _customer_link(ordered[0]),
    }


def _who(one: Told) -> dict[str, Any]:
    return {"customer": one.customer, "account": one.account}


def _runway(one: Told) -> dict[str, Any]:
    low, high = (one.figures.get(name) for name in ("low_days", "high_days"))
    spread = "" if low is None or high is None else f"{low} to {high} days"
    return {"runway": runway_text(one.figures), "runway_range": spread}


def _top_up(one: Told) -> dict[str, Any]:
    return {"top_up_link": settings().page_address("top_ups", customer=one.account)}


def _money_link(one: Told) -> str:
    return settings().page_address("customer", customer=one.account, tab="Money")


def _customer_link(one: Told) -> str:
    return settings().page_address("customer", customer=one.account)
