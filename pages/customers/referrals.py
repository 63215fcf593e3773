"""Referrals: who brings whom, what it costs, and which pairs a person should look at."""

import pandas as pd
import streamlit as st

from analytics import frames
from ledger import Permission
from pages.ui import address, forms, parts, referral_forms
from pages.ui.guard import Visit, guard
from pages.ui.review import receipt_panel, review
from pages.ui.text import escape, percent_text

LISTED = 200
STATES = {
    "invited": "Invited",
    "joined": "Joined",
    "qualified": "Bought, held for review",
    "rewarded": "Rewarded",
    "refused": "Refused",
}


def main(visit: Visit) -> None:
    parts.header(visit, "Referrals")
    programmes = visit.ask(frames.load_programmes)
    if programmes.empty:
        whom = "Define the first one below." if visit.may(Permission.MANAGE_REFERRALS) else "Ask an admin to add one."
        parts.first_use(f"No referral programme yet. {whom}")
    else:
        funnel(visit)
        held(visit)
        lists(visit, programmes)
    if visit.may(Permission.MANAGE_REFERRALS):
        acts(visit)


def funnel(visit: Visit) -> None:
    """How many came how far, each stage with its share of the one before."""
    found = visit.ask(frames.load_funnel)
    stages = [("Invited or joined", found.invited), ("Joined", found.joined), ("Bought", found.qualified)]
    stages.append(("Rewarded", found.rewarded))
    with st.grid(4, min_column_width=160):
        before = None
        for label, count in stages:
            note = "" if not before else f"{percent_text(count / before, visit.locale, decimals=0)} of the stage before"
            parts.tile(label, f"{count:,}", note=note)
            before = count
    if found.refused:
        st.caption(f"{found.refused} more were refused.")


def held(visit: Visit) -> None:
    """Pairs that look like one customer, each with a way to decide."""
    waiting = visit.ask(frames.load_referrals, is_held=True, limit=LISTED)
    if waiting.empty:
        return
    st.subheader("Held for review", anchor=False)
    for row in waiting.astype({"referral_id": str}).itertuples():
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            why = escape(str(row.held_because))
            st.markdown(
                f"**{escape(row.referrer_name)}** brought **{escape(row.referee_name)}**: {why}. "
                f"{STATES[str(row.state)]}.",
                width="stretch",
            )
            if visit.may(Permission.MANAGE_REFERRALS):
                for word in ("release", "refuse"):
                    st.page_link(
                        "customers/referrals.py",
                        label=f"{word.capitalize()} no. {row.referral_id}",
                        query_params=address.link(act=word, referral=str(row.referral_id)),
                        width="content",
                    )


def lists(visit: Visit, programmes: pd.DataFrame) -> None:
    """Programmes, codes, referrals."""
    views = {"referrals": "Referrals", "codes": "Codes", "programmes": "Programmes"}
    chosen = address.radio("view", "Show", list(views), default="referrals", format_func=views.__getitem__)
    draw = {"referrals": referrals, "codes": codes}.get(chosen)
    if draw is not None:
        draw(visit)
        return
    shown = programmes.assign(
        referrer=parts.whole_credits(programmes["referrer_micro"]),
        referee=parts.whole_credits(programmes["referee_micro"]),
    )
    columns = {
        "label": st.column_config.TextColumn("Programme", pinned=True),
        "code": st.column_config.TextColumn("Code"),
        "referrer": parts.credits_column("Who invites gets"),
        "referee": parts.credits_column("Who joins gets"),
        "cap": st.column_config.NumberColumn("At most", help="Rewards of one who invites; empty: no cap"),
        "expires_months": st.column_config.NumberColumn("Months usable"),
        "effective_at": parts.instant_column("From", visit.zone),
        "ends_at": parts.instant_column("Until", visit.zone),
    }
    parts.table(shown, key="programmes", alt="Referral programmes", columns=columns)


def codes(visit: Visit) -> None:
    found = visit.ask(frames.load_referral_codes, at=visit.at, limit=LISTED)
    columns = {
        "name": st.column_config.TextColumn("Owner", pinned=True),
        "code": st.column_config.TextColumn("Code"),
        "programme": st.column_config.TextColumn("Programme"),
        "joined": st.column_config.NumberColumn("Joined"),
        "rewarded": st.column_config.NumberColumn("Rewarded"),
        "cap": st.column_config.NumberColumn("At most", help="Rewards of the owner; empty: no cap"),
        "state": st.column_config.TextColumn("State"),
        "created_at": parts.instant_column("Since", visit.zone),
    }
    totals = f"**{len(found)} code{'s' * (len(found) != 1)}**, most used first."
    parts.table(found, key="codes", alt="Referral codes", columns=columns, totals=totals)


def referrals(visit: Visit) -> None:
    found = visit.ask(frames.load_referrals, limit=LISTED)
    shown = found.assign(state=found["state"].map(STATES))
    columns = {
        "referrer_name": st.column_config.TextColumn("Who invites", pinned=True),
        "referee_name": st.column_config.TextColumn("Who was invited or joined"),
        "state": st.column_config.TextColumn("State"),
        "programme": st.column_config.TextColumn("Programme"),
        "code": st.column_config.TextColumn("Code"),
        "changed_at": parts.instant_column("Last step", visit.zone),
        "referral_id": st.column_config.NumberColumn("No.", format="%d"),
        "held_because": st.column_config.TextColumn("Held because"),
    }
    totals = f"**{len(found)} referral{'s' * (len(found) != 1)}**, newest first."
    parts.table(shown, key="referrals", alt="Referrals", columns=columns, totals=totals)


def acts(visit: Visit) -> None:
    """One form at a time: what an admin does about referrals."""
    st.subheader("Act on referrals", anchor=False)
    kinds = referral_forms.KINDS
    words = {word: kind.words for word, kind in kinds.items()}
    start = next(iter(kinds)) if not visit.ask(frames.load_programmes).empty else "programme"
    chosen = address.radio("act", "What to do", list(kinds), default=start, format_func=words.__getitem__)
    form = forms.open_form(visit, f"referral_{chosen}", prefill={"referral": address.get("referral")})
    receipt = forms.outcome(form)
    if receipt is not None:
        name = forms.customer_names(visit).get(receipt.account or "", "")
        receipt_panel(form, receipt, done=kinds[chosen].done, name=name)
        return
    forms.offer_draft(form)
    left, right = forms.columns()
    with left:
        command, act = kinds[chosen].fields(form)
    with right:
        review(form, command, act)


visit = guard(Permission.VIEW_CUSTOMER)
main(visit)
