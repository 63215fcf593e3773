"""Issue: give promotional, referral, compensation or rollover credits to a customer."""

from datetime import datetime, time, timedelta

import streamlit as st

from analytics import frames
from ledger import CreditType, IssueGrant, Permission
from ledger.core.lifecycle import allowed_expiry, default_expiry
from pages.ui import address, forms, gift_codes, parts
from pages.ui.forms import Form
from pages.ui.guard import Visit, guard
from pages.ui.review import Act, receipt_panel, review
from pages.ui.text import TYPE_WORDS, age_text, credit_text, day_text, escape

visit = guard(Permission.ISSUE_GRANT)

KINDS = (CreditType.PROMOTIONAL, CreditType.REFERRAL, CreditType.COMPENSATION, CreditType.ROLLOVER)
RULES = {
    CreditType.PROMOTIONAL: "90 days unless you say otherwise, 30 to 90 allowed",
    CreditType.REFERRAL: "6 months unless you say otherwise",
    CreditType.COMPENSATION: "12 months unless you say otherwise",
    CreditType.ROLLOVER: "the end of the next calendar month unless you say otherwise",
}
REASONS = {
    CreditType.PROMOTIONAL: ("campaign", "goodwill", "contract", "other"),
    CreditType.REFERRAL: ("referral", "goodwill", "other"),
    CreditType.COMPENSATION: ("service_problem", "billing_error", "goodwill", "data_correction", "other"),
    CreditType.ROLLOVER: ("contract", "goodwill", "other"),
}
SIMILAR_WITHIN = timedelta(minutes=10)


def fields(form: Form) -> tuple[IssueGrant | None, str]:
    """Draw the fields; the command they make, or None while it cannot be made, and the customer's name."""
    kind = CreditType(
        form.choice(
            "credit_type", "Kind", [kind.value for kind in KINDS], words={k.value: TYPE_WORDS[k] for k in KINDS}
        )
    )
    account = form.customer()
    amount_micro = form.credits("amount", "Credits", help="Whole credits or up to six decimals")
    zone = forms.customer_zone(visit, account)
    today = visit.ledger.clock.now().astimezone(zone).date()
    starts, ends = st.columns(2)
    with starts:
        first = form.day(
            "effective_at",
            "Usable from",
            default=today,
            earliest=today,
            latest=None,
            help=f"At once when it is today, else from midnight in the customer's zone, {zone.key}",
        )
    allowed = allowed_expiry(kind, first)
    with ends:
        last = form.day(
            "expires_on",
            "Usable through",
            default=default_expiry(kind, first),
            earliest=allowed.earliest,
            latest=allowed.latest,
            variant=f"{kind} {first}",
            help="The last day on which the credits can be used, whole day in the customer's zone",
        )
    until = f" and {day_text(allowed.latest, visit.locale)}" if allowed.latest else " or later"
    between = "between " if allowed.latest else ""
    st.caption(
        f"{TYPE_WORDS[kind]} credits last {RULES[kind]}: {between}{day_text(allowed.earliest, visit.locale)}{until}."
    )
    campaign = form.text("campaign", "Campaign", max_chars=120, help="To count what a campaign gave away")
    features = form.several(
        "features",
        "Only for features",
        visit.ask(frames.load_feature_labels, at=visit.at),
        help="The credits pay for uses of these features only; for all when left empty",
    )
    reason = form.reason(codes=REASONS[kind])
    name = forms.customer_names(visit).get(account or "", "")
    if account is None or amount_micro is None:
        return None, name
    starts_at = None if first == today else datetime.combine(first, time(), tzinfo=zone)
    return IssueGrant(
        account,
        kind,
        amount_micro,
        reason,
        campaign=campaign,
        expires_on=last,
        effective_at=starts_at,
        features=features,
    ), name


def caution(command: IssueGrant) -> str:
    """What to say when somebody gave the same minutes ago."""
    now = visit.ledger.clock.now()
    wanted = frames.TransactionFilter(
        account=command.account,
        kinds=("grant",),
        since=now - SIMILAR_WITHIN,
        amount_min_micro=command.amount_micro,
        amount_max_micro=command.amount_micro,
    )
    found = visit.ask_now(frames.load_transactions, wanted=wanted)
    found = found[found["credit_types"] == command.credit_type.value]
    if found.empty:
        return ""
    last = found.iloc[0]
    age = age_text((now - last["recorded_at"]).total_seconds())
    return (
        f"{escape(last['actor'])} gave this customer the same amount of the same kind {age}, entry "
        f"{last['transaction_id']}. Is this really a second one?"
    )


def page(visit: Visit) -> None:
    """Form, or what became of it."""
    parts.header(visit, "Issue credits")
    views = {"grant": "Grant", "codes": "Gift codes"}
    if address.radio("view", "Give", list(views), default="grant", format_func=views.__getitem__) == "codes":
        gift_codes.draw(visit)
        return
    given = {"account": "customer", "credit_type": "type", "amount": "amount"}
    form = forms.open_form(visit, "grant", prefill={field: st.query_params.get(name) for field, name in given.items()})
    receipt = forms.outcome(form)
    if receipt is not None:
        names = forms.customer_names(visit)
        receipt_panel(form, receipt, done="Granted.", name=names.get(receipt.account or "", ""))
        return
    forms.offer_draft(form)
    left, right = forms.columns()
    with left:
        command, name = fields(form)
    with right:
        act = Act(button="Grant")
        if command is not None:
            amount = credit_text(command.amount_micro, visit.locale)
            labels = visit.ask(frames.load_feature_labels, at=visit.at)
            only = ", ".join(escape(labels.get(one, one)) for one in command.features)
            act = Act(
                button=f"Grant {amount} credits to {escape(name)}",
                facts={"Only for": only} if only else {},
                caution=caution(command),
            )
        review(form, command, act)


page(visit)
