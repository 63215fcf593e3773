"""Top-ups: packages sold by card, which one fits a customer, and recording what was paid outside the product."""

import streamlit as st

from analytics import frames
from ledger import MICRO, Money, Permission, RecordTopUp
from ledger.core.lifecycle import default_expiry
from ledger.core.packages import Package
from ledger.core.records import CreditType
from pages.ui import address, forms, package_cards, parts, sale, sell_form
from pages.ui.forms import Form
from pages.ui.guard import Visit, guard
from pages.ui.review import Act, receipt_panel, review
from pages.ui.text import credit_text, day_text, escape, money_text

visit = guard(Permission.RECORD_TOP_UP, Permission.SELL)

METHODS = {
    "bank_transfer": "Bank transfer",
    "card_elsewhere": "Card, charged elsewhere",
    "invoice": "Invoice",
    "cash": "Cash or cheque",
    "other": "Other, see note",
}
CURRENCIES = ("USD", "EUR", "GBP", "CHF", "JPY")
NO_PACKAGE = "none"
REASONS = ("payment", "contract", "data_correction", "other")
RECENT = 10


def fields(form: Form, packages: list[Package]) -> tuple[RecordTopUp | None, str]:
    """Draw the fields; the command they make, or None while it cannot be made, and the customer's name."""
    account = form.customer()
    choices = {one.code: package_cards.words(visit, one) for one in packages}
    code = form.select("package", "Package", {NO_PACKAGE: "None, another sum was paid"} | choices, default=NO_PACKAGE)
    sold = next((one for one in packages if one.code == code), None)
    amount_micro, price = (sold.credits_micro, sold.price) if sold else sum_paid(form)
    left, right = st.columns(2)
    with left:
        method = form.select("source", "Paid by", METHODS, default="bank_transfer")
    with right:
        reference = form.text(
            "reference",
            "Payment reference",
            required=True,
            max_chars=120,
            help="Number of the transfer or invoice. Each can be booked once.",
        )
    zone = forms.customer_zone(visit, account)
    today = visit.ledger.clock.now().astimezone(zone).date()
    last = default_expiry(CreditType.PURCHASED, today)
    expires_on = form.day(
        "expires_on",
        "Usable through",
        default=last,
        earliest=today,
        latest=None,
        variant=str(today),
        help="The last day on which the credits can be used, whole day in the customer's zone",
    )
    st.caption(f"Purchased credits last 12 months unless you say otherwise: through {day_text(last, visit.locale)}.")
    reason = form.reason(codes=REASONS)
    name = forms.customer_names(visit).get(account or "", "")
    if account is None or amount_micro is None or price is None or method is None:
        return None, name
    package = sold.code if sold else ""
    return RecordTopUp(
        account, amount_micro, price, reference, reason, source=method, expires_on=expires_on, package=package
    ), name


def sum_paid(form: Form) -> tuple[int | None, Money | None]:
    """Credits and price of a top-up that is no package."""
    own = visit.company.currency
    currencies = [own, *(one for one in CURRENCIES if one != own)]
    left, middle, right = st.columns([3, 3, 2])
    with left:
        amount_micro = form.credits("amount", "Credits", help="What the customer bought")
    with right:
        currency = form.select("currency", "Currency", {one: one for one in currencies}, default=own) or own
    with middle:
        cents = form.money("price", "Price paid", currency, help="In all, without tax")
    return amount_micro, None if cents is None else Money(cents, currency)


def act_of(command: RecordTopUp, name: str) -> Act:
    """The act in words, with the price of one credit worked out."""
    price = money_text(command.price.cents, command.price.currency, visit.locale)
    amount = credit_text(command.amount_micro, visit.locale)
    facts = {"Price": f"{price} by {METHODS[command.source].lower()}", "Payment": escape(command.reference)}
    if command.amount_micro > 0:
        thousand = round(command.price.cents * 1000 * MICRO / command.amount_micro)
        facts["Price of 1,000 credits"] = money_text(thousand, command.price.currency, visit.locale)
    return Act(button=f"Record {amount} credits for {price}, {escape(name)}", facts=facts)


def recent() -> None:
    """The newest recorded top-ups, to see whether a payment is in already."""
    found = visit.ask(frames.load_top_ups, limit=RECENT)
    st.subheader("Newest top-ups", anchor=False)
    if found.empty:
        st.caption("None recorded yet.")
        return
    shown = found.assign(
        credits=parts.whole_credits(found["granted_micro"]),
        price=[
            money_text(cents, currency, visit.locale)
            for cents, currency in zip(found["cost_cents"], found["currency"], strict=True)
        ],
        refunded=[
            f"{money_text(cents, currency, visit.locale)} for {credit_text(amount, visit.locale)}" if amount else ""
            for cents, currency, amount in zip(
                found["refunded_cents"], found["currency"], found["refunded_micro"], strict=True
            )
        ],
        method=[(METHODS | frames.PROVIDER_WORDS).get(source, source) for source in found["source"]],
    )
    parts.table(
        shown,
        key="recent",
        alt=f"The {len(found)} newest top-ups with customer, credits, price and payment reference",
        columns={
            "granted_at": parts.instant_column("Booked", visit.zone),
            "name": st.column_config.TextColumn("Customer", pinned=True),
            "credits": parts.credits_column("Credits"),
            "price": st.column_config.TextColumn("Price", alignment="right"),
            "refunded": st.column_config.TextColumn("Refunded", help="Money given back, and for how many credits"),
            "method": "Paid by",
            "reference": "Reference",
        },
    )


def record(visit: Visit) -> None:
    """The form for what was paid elsewhere, or what became of it."""
    form = forms.open_form(visit, "top_up", prefill={"account": st.query_params.get("customer")})
    receipt = forms.outcome(form)
    if receipt is not None:
        names = forms.customer_names(visit)
        receipt_panel(form, receipt, done="Recorded.", name=names.get(receipt.account or "", ""))
    else:
        forms.offer_draft(form)
        packages = package_cards.pick_list(visit)
        if packages:
            package_cards.shop(form, packages)
        left, right = forms.columns()
        with left:
            command, name = fields(form, packages)
        with right:
            review(form, command, Act(button="Record") if command is None else act_of(command, name))


def page(visit: Visit) -> None:
    """One sale that the address names; else a way to sell or to record, and the newest top-ups."""
    parts.header(visit, "Top-ups & packages")
    if payment := address.get(sale.PARAM):
        sell_form.back_to_the_form()
        sale.draw(visit, payment)
        return
    ways = {
        "outside": ("Record what was paid outside", Permission.RECORD_TOP_UP, record),
        "card": ("Sell by card", Permission.SELL, sell_form.draw),
    }
    mine = {name: words for name, (words, permission, _) in ways.items() if visit.may_start(permission)}
    chosen = next(iter(mine))
    if len(mine) > 1:
        chosen = address.radio("how", "What to do", list(mine), default=chosen, format_func=mine.__getitem__)
    ways[chosen][2](visit)
    recent()


page(visit)
