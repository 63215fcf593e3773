"""What an admin does about customers: open one or a lead, change what is known about one."""

from typing import Any

from ledger import LEAD_CREDITS_MICRO, AccountType, ChangeCustomer, Command, ConvertLead, OpenAccount, OpenLead
from pages.ui.forms import Form
from pages.ui.review import Act
from pages.ui.text import credit_text, escape

WHAT = {"customer": "A customer", "lead": "A lead, who tries the product"}
TYPES = {one.value: one.value.capitalize() for one in AccountType if one is not AccountType.LEAD}
ORGANISATION_HELP = "Accounts of one organisation may move credits among each other"
LABELS = {
    "name": "Name",
    "email": "E-mail",
    "account_type": "Account type",
    "tier": "Tier",
    "owner": "Account manager",
    "organisation": "Organisation",
}


def open_fields(form: Form) -> tuple[Command | None, Act]:
    """The fields of a new customer or lead; the command, or None while it cannot be made, and the act in words."""
    visit = form.visit
    what = form.choice("what", "Open", list(WHAT), words=WHAT)
    name = form.text("name", LABELS["name"], required=True, max_chars=200)
    account = form.text(
        "account", "Account id", required=True, max_chars=120, help="By which usage names the account; it never changes"
    )
    email = form.text("email", LABELS["email"], max_chars=254, help="Where alerts and receipts go")
    zone = form.text(
        "zone", "Time zone", max_chars=60, placeholder=visit.zone.key, help="Credits end at the end of a day there"
    )
    owner = form.text("owner", LABELS["owner"], max_chars=200, help="E-mail")
    kind, tier, organisation = AccountType.PREPAID.value, "", ""
    if what == "customer":
        kind = form.choice("account_type", LABELS["account_type"], list(TYPES), words=TYPES)
        tier = form.text("tier", LABELS["tier"], max_chars=200)
        organisation = form.text("organisation", LABELS["organisation"], max_chars=200, help=ORGANISATION_HELP)
    if not name or not account:
        return None, Act("Open the account")
    facts = {"Account": escape(f"{name} · {account}"), "Time zone": escape(zone or visit.zone.key)}
    if what == "lead":
        free = credit_text(LEAD_CREDITS_MICRO, visit.locale)
        lead = OpenLead(account, name, email=email, zone=zone or visit.zone.key, owner=owner)
        return lead, Act(f"Open the lead {escape(name)} with {free} free credits", facts=facts)
    command = OpenAccount(
        account,
        name,
        email=email,
        zone=zone or visit.zone.key,
        account_type=AccountType(kind),
        tier=tier,
        owner=owner,
        organisation=organisation,
    )
    return command, Act(f"Open the customer {escape(name)}", facts=facts)


def change_fields(form: Form, known: dict[str, str]) -> tuple[Command | None, Act]:
    """What is known about a customer, to be typed over; the command holds only what differs.

    ``known`` has the account id, and the present value of each of LABELS.
    """
    is_lead = known["account_type"] == AccountType.LEAD
    typed = {"name": form.text("name", LABELS["name"], default=known["name"], required=True, max_chars=200)}
    typed["email"] = form.text("email", LABELS["email"], default=known["email"], max_chars=254)
    kinds = {AccountType.LEAD.value: "Lead"} | TYPES if is_lead else TYPES
    help = "A lead becomes a customer with its credits and its history" if is_lead else None
    typed["account_type"] = (
        form.select("account_type", LABELS["account_type"], kinds, default=known["account_type"], help=help)
        or known["account_type"]
    )
    typed["tier"] = form.text("tier", LABELS["tier"], default=known["tier"], max_chars=200)
    typed["owner"] = form.text("owner", LABELS["owner"], default=known["owner"], max_chars=200, help="E-mail")
    typed["organisation"] = form.text(
        "organisation", LABELS["organisation"], default=known["organisation"], max_chars=200, help=ORGANISATION_HELP
    )
    changed: dict[str, Any] = {field: value for field, value in typed.items() if value != known[field]}
    facts = {LABELS[field]: f"{_shown(known[field])} → {_shown(value)}" for field, value in changed.items()}
    name = escape(known["name"])
    if not changed:
        form.missing["change"] = "a change"
        return None, Act(f"Change {name}")
    kind = AccountType(changed.pop("account_type", known["account_type"]))
    if is_lead and kind is not AccountType.LEAD:
        return ConvertLead(known["account"], kind, **changed), Act(f"Make {name} a customer", facts=facts)
    return ChangeCustomer(known["account"], account_type=kind, **changed), Act(f"Change {name}", facts=facts)


def _shown(value: str) -> str:
    return escape(value) if value else "empty"
