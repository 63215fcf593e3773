"""Plan of one customer: what it gives, what of that is used, what comes next; for admins, the form to change it."""

import pandas as pd
import streamlit as st

from analytics import frames
from ledger import CancelPlan, ChangePlan, Command, Permission, StartPlan
from ledger.core.plans import is_upgrade
from pages.ui import forms, parts, plan_billing, plan_comparison
from pages.ui.customer_overview import View
from pages.ui.forms import Form
from pages.ui.review import Act, receipt_panel, review
from pages.ui.text import credit_text, day_text, days_text, escape, money_text, percent_text

KINDS = {"allowance": "Allowance", "upgrade": "Upgrade", "rollover": "Rolled over"}
REASONS = ("contract", "goodwill", "billing_error", "other")
ACTS = {"start": "Start a plan", "change": "Change the plan", "cancel": "Cancel the plan"}
DONE = {"start_plan": "Plan started.", "change_plan": "Plan changed.", "cancel_plan": "Plan cancelled."}


def draw(view: View) -> None:
    """The tab."""
    visit = view.visit
    found = visit.ask(frames.load_plan_of, account=view.account)
    today = visit.at.astimezone(view.customer.zone).date()
    is_on = found is not None and found.is_on(today)
    if found is None:
        st.markdown("This customer was never on a plan.")
    else:
        st.markdown(_sentence(view, found, is_on))
        if found.provider is not None:
            st.markdown(plan_billing.sentence(view, found, today))
        _given(view, found, is_on)
        if found.provider is not None:
            plan_billing.draw(view, found)
    plans = visit.ask(frames.load_plans, at=visit.at)
    if is_on and found is not None:
        plan_comparison.draw(view, found.terms, plans)
    if not plans:
        st.caption("No plan is defined yet.")
    elif is_on and found is not None and found.provider is not None:
        st.caption(plan_billing.refusal(found))
    elif visit.may(Permission.MANAGE_PLANS):
        _form(view, found if is_on else None, plans)


def _sentence(view: View, found: frames.CustomerPlan, is_on: bool) -> str:
    visit = view.visit
    name = f"**{escape(found.terms.label)}**"
    end = day_text(found.period_end, visit.locale)
    if not is_on:
        return f"This customer has no plan. The last one was {name}; it ended on {end}."
    terms = found.terms
    each = "a month" if terms.months == 1 else f"every {terms.months} months"
    price = money_text(terms.price.cents, terms.price.currency, visit.locale)
    words = f"On {name}: {credit_text(terms.credits_micro, visit.locale)} credits {each} for {escape(price)}. "
    today = visit.at.astimezone(view.customer.zone).date()
    when = f"on {end}, {days_text((found.period_end - today).days)}"
    is_unpaid = found.paid_through is not None and found.paid_through <= found.period_end
    if found.period_end <= today and is_unpaid:
        words += f"Its last period ended on {end}."
    elif found.period_end <= today:
        words += f"Its renewal was due on {end} and is booked by the next run of the nightly jobs."
    elif found.state == "cancelled":
        words += f"It is cancelled and ends {when}; what it gave can be used until it expires."
    else:
        words += f"It renews {when}"
        words += "." if found.next_code == terms.code else f", as {escape(found.next_code)}."
    return words


def _given(view: View, found: frames.CustomerPlan, is_on: bool) -> None:
    visit = view.visit
    given = visit.ask(frames.load_allocations, account=view.account, at=visit.at)
    now = given[(given["period_start"] == pd.Timestamp(found.period_start)) & is_on]
    own, rolled = now[now["kind"] != "rollover"], given[given["kind"] == "rollover"]
    total, left = int(own["amount_micro"].sum()), int(own["left_micro"].sum())
    locale = visit.locale
    with st.grid(3, min_column_width=200):
        with st.container(border=True, height="stretch"):
            st.metric("Allowance used", percent_text((total - left) / total if total else 0, locale))
            if total:
                st.progress((total - left) / total)
            st.caption(f"{credit_text(total - left, locale)} of {credit_text(total, locale)} credits of this period")
        parts.tile("Rolled over, still usable", credit_text(int(rolled["left_micro"].sum()), locale))
        parts.tile("At renewal", _next_text(view, found) if is_on else None, absent="No plan runs")
    st.caption(escape(_rollover_rule(view, found.terms)))
    # A renewal also notes that nothing was left to roll over; nobody needs to read that.
    given = given[given["amount_micro"] > 0]
    used = given["amount_micro"] - given["left_micro"] - given["expired_micro"]
    shown = given.assign(
        kind=given["kind"].map(KINDS),
        given=parts.whole_credits(given["amount_micro"]),
        left=parts.whole_credits(given["left_micro"]),
        used=parts.whole_credits(used),
        expired=parts.whole_credits(given["expired_micro"]),
        used_share=used / given["amount_micro"] * 100,
        last_day=given["period_end"] - pd.Timedelta(days=1),
    )
    columns = {
        "period_start": st.column_config.DateColumn("From", format="D MMM YYYY"),
        "last_day": st.column_config.DateColumn("Through", format="D MMM YYYY"),
        "label": st.column_config.TextColumn("Plan"),
        "kind": st.column_config.TextColumn("What"),
        "given": parts.credits_column("Given"),
        "used": parts.credits_column("Used", help="Or moved elsewhere, or taken back"),
        "used_share": st.column_config.ProgressColumn("Used, share", format="%.0f %%", min_value=0, max_value=100),
        "expired": parts.credits_column("Expired", help="Some of it may have rolled over into the next period"),
        "left": parts.credits_column("Left"),
        "expires_at": parts.instant_column("Expires", view.customer.zone),
        "transaction_id": st.column_config.NumberColumn("Entry", format="%d"),
    }
    count = f"{len(shown)} allocation{'s' * (len(shown) != 1)}"
    totals = f"**{count}**, newest first, days of {escape(view.customer.zone.key)}."
    parts.table(shown, key="allocations", alt="What plans gave this customer", columns=columns, totals=totals)


def _next_text(view: View, found: frames.CustomerPlan) -> str:
    if found.state == "cancelled":
        return "Nothing"
    plans = {one.code: one for one in view.visit.ask(frames.load_plans, at=view.visit.at)}
    upcoming = plans.get(found.next_code, found.terms)
    return f"+{credit_text(upcoming.credits_micro, view.visit.locale)}"


def _rollover_rule(view: View, terms: frames.PlanVersion) -> str:
    if not terms.rollover_cap_micro or not terms.rollover_share_ppm:
        return "Unused allowance of this plan does not roll over."
    cap = credit_text(terms.rollover_cap_micro, view.visit.locale)
    share = percent_text(terms.rollover_share_ppm / 1_000_000, view.visit.locale, decimals=2)
    lasts = "one period" if terms.rollover_periods == 1 else f"{terms.rollover_periods} periods"
    return f"Unused allowance rolls over: at most {cap} credits and {share} of the allowance, for {lasts}."


def _form(view: View, found: frames.CustomerPlan | None, plans: list[frames.PlanVersion]) -> None:
    visit = view.visit
    # A draft belongs to one customer: switching the page must not carry it over.
    form = forms.open_form(visit, f"plan.{view.account}")
    receipt = forms.outcome(form)
    st.subheader("Change the plan" if found else "Start a plan", anchor=False)
    if receipt is not None:
        receipt_panel(form, receipt, done=DONE.get(receipt.kind, "Booked."), name=view.customer.name)
        return
    forms.offer_draft(form)
    left, right = forms.columns()
    with left:
        command, act = _fields(view, form, found, plans)
    with right:
        review(form, command, act)


def _fields(
    view: View, form: Form, found: frames.CustomerPlan | None, plans: list[frames.PlanVersion]
) -> tuple[Command | None, Act]:
    options = ("start",) if found is None else ("change", "cancel") if found.state == "active" else ("change",)
    what = form.choice("what", "What to do", options, words=ACTS) if len(options) > 1 else options[0]
    name = escape(view.customer.name)
    if what == "cancel":
        assert found is not None
        end = day_text(found.period_end, view.visit.locale)
        facts = {"Plan": f"Ends on {end}; what it gave can be used until it expires"}
        return CancelPlan(view.account, form.reason(codes=REASONS)), Act(f"Cancel the plan of {name}", facts=facts)
    words = {one.code: _plan_words(view, one) for one in plans}
    code = form.select("plan", "Plan", words)
    chosen = {one.code: one for one in plans}.get(code or "")
    if what == "start":
        days = {str(day): str(day) for day in range(1, 32)}
        today = view.visit.at.astimezone(view.customer.zone).day
        help = "In a shorter month its last day. A first period that is cut short gives its share."
        anchor = form.select("anchor_day", "Periods begin on day", days, default=str(today), help=help)
        reason = form.reason(codes=REASONS)
        if chosen is None:
            return None, Act("Start the plan")
        command: Command = StartPlan(view.account, chosen.code, reason, anchor_day=int(anchor or today))
        return command, Act(f"Put {name} on {escape(chosen.label)}")
    reason = form.reason(codes=REASONS)
    if chosen is None or found is None:
        return None, Act("Change the plan")
    return ChangePlan(view.account, chosen.code, reason), Act(
        f"Move {name} to {escape(chosen.label)}", facts=_when(view, found, chosen)
    )


def _when(view: View, found: frames.CustomerPlan, chosen: frames.PlanVersion) -> dict[str, str]:
    end = day_text(found.period_end, view.visit.locale)
    if chosen.code == found.terms.code:
        return {"Plan": "Stays; what was to come at the next period is taken back"}
    if is_upgrade(found.terms, chosen):
        return {"Plan": f"{escape(chosen.label)} at once; the difference is given for the days left until {end}"}
    return {"Plan": f"{escape(chosen.label)} from {end} on"}


def _plan_words(view: View, one: frames.PlanVersion) -> str:
    each = "a month" if one.months == 1 else f"every {one.months} months"
    price = money_text(one.price.cents, one.price.currency, view.visit.locale)
    return f"{one.label} · {credit_text(one.credits_micro, view.visit.locale)} credits {each} · {price}"
