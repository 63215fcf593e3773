"""The tab of payment providers: how far the books agree, control sums, every finding, and a comparison on demand."""

from datetime import timedelta
from decimal import Decimal

import pandas as pd
import streamlit as st
from babel.numbers import get_currency_precision

from analytics import frames
from analytics.finding_words import KIND_WORDS, OBJECT_WORDS, PROVIDER_NAMES, STATE_WORDS, title
from ledger import MICRO, LedgerError, Permission, Provider
from ledger.comparing import compare
from ledger.core.matching import Kind, ObjectKind
from ledger.gateways import registry
from pages.ui import address, finding_adopt, finding_drawer, parts
from pages.ui.guard import Visit
from pages.ui.text import age_text, escape, instant_text, money_text

PERIODS = {7: "Last 7 days", 35: "Last 35 days", 90: "Last 90 days", 190: "Last 190 days"}
STATES = {"open": "Open", "explained": "Explained", "fixed": "Fixed", "all": "All"}
FILTERS = ("state", "kind", "about", "owner", "q")
PER_PAGE = 100
# Those that stand come first, so nothing is hidden that somebody has to deal with.
LISTED_MAX = 5_000
_ANSWER = "compared"


def draw(visit: Visit) -> None:
    """The tab."""
    known = registry.set_up(visit.ledger)
    if not known:
        may = visit.may(Permission.MANAGE_PAYMENTS)
        parts.first_use(
            "No payment provider is set up, so there is nothing to compare with."
            + ("" if may else " An admin gives the server the key of one."),
            page="system/settings.py" if may else None,
            label="Settings & health",
        )
        return
    provider = known[0]
    if len(known) > 1:
        provider = address.radio(
            "provider", "Provider", known, default=known[0], to_text=str, format_func=PROVIDER_NAMES.__getitem__
        )
    if finding_adopt.is_asked():
        finding_adopt.draw(visit, provider)
        return
    runs = visit.ask_now(frames.load_provider_runs, provider=provider.value)
    good = next((one for one in runs if one.is_good), None)
    _tiles(visit, provider, good)
    _run_now(visit, provider, runs)
    if good is None:
        return
    _sums(visit, provider, good)
    _findings(visit, provider)


def _tiles(visit: Visit, provider: Provider, good: frames.ProviderRun | None) -> None:
    counts = visit.ask_now(frames.load_finding_counts, provider=provider.value)
    absent = "Nothing was compared yet."
    twice, young = counts.get(Kind.DUPLICATE, 0), counts.get(Kind.TIMING, 0)

    def shown(number: int) -> str | None:
        return None if good is None else f"{number:,}"

    with st.grid(5, min_column_width=140):
        note = "" if good is None else f"of {good.objects:,} payments, refunds, disputes and batches"
        parts.tile("Matched", shown(good.matched if good else 0), absent=absent, note=note)
        parts.tile("Only ours", shown(counts.get(Kind.MISSING_THERE, 0)), absent=absent, note="open findings")
        note = "open findings" + (f", and {twice:,} paid twice" if twice else "")
        parts.tile("Only theirs", shown(counts.get(Kind.MISSING_HERE, 0)), absent=absent, note=note)
        differing = counts.get(Kind.AMOUNT, 0) + counts.get(Kind.CURRENCY, 0)
        note = "open findings" + (f"; {young:,} too young to tell" if young else "")
        parts.tile("Amount differs", shown(differing), absent=absent, note=note)
        _last_run(visit, good)


def _last_run(visit: Visit, good: frames.ProviderRun | None) -> None:
    if good is None or good.finished_at is None:
        parts.tile("Last run", None, absent="Every night, or now.")
        return
    age = (visit.ledger.clock.now() - good.finished_at).total_seconds()
    when = instant_text(good.finished_at, visit.zone, visit.locale)
    # A tile is too narrow for the whole sentence.
    parts.tile("Last run", age_text(age).removesuffix(" ago"), note=f"ago: {when}, by {escape(good.by)}")


def _run_now(visit: Visit, provider: Provider, runs: list[frames.ProviderRun]) -> None:
    """What became of the last run, and a button for another one, with its progress."""
    there = PROVIDER_NAMES[provider]
    newest = runs[0] if runs else None
    if newest is not None and newest.error:
        st.warning(
            f"{escape(newest.error)} The findings are those of the run before.",
            title="The last comparison did not come to its end",
            icon=":material/sync_problem:",
        )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        days = st.selectbox(
            "Compare", list(PERIODS), index=1, format_func=PERIODS.__getitem__, key="compare:days", width=200
        )
        pressed = st.button("Compare now", icon=":material/compare_arrows:", key="compare:now")
        if newest is not None and newest.finished_at is None:
            st.caption(f"A comparison is running: {newest.done:,} payments so far.")
    answer = st.session_state.pop(_ANSWER, None)
    if answer:
        st.success(answer, icon=":material/check_circle:")
    if not pressed:
        return
    until = visit.ledger.clock.now()
    with st.status(f"Asking {there} for its payments …") as status:

        def tell(done: int, total: int) -> None:
            status.update(label=f"{done:,} of at least {total:,} payments compared")

        try:
            found = compare(
                visit.ledger,
                provider,
                since=until - timedelta(days=days),
                until=until,
                by=visit.actor,
                progress=tell,
            )
        except LedgerError as error:
            status.update(label="Not compared", state="error", expanded=True)
            st.error(f"{escape(error)} No finding was changed.", title="Not compared")
            return
    st.session_state[_ANSWER] = (
        f"{found.matched:,} of {found.objects:,} records agree. New findings: {found.begun:,}; gone: {found.fixed:,}."
    )
    st.rerun()


def _sums(visit: Visit, provider: Provider, run: frames.ProviderRun) -> None:
    """Control sums: what was settled here against there, a line per currency."""
    there = PROVIDER_NAMES[provider]
    since, until = (instant_text(at, visit.zone, visit.locale) for at in (run.since, run.until))
    st.markdown(f"**Settled payments, with tax** · {since} to {until}")
    if not run.sums:
        st.caption("Nothing was paid in that time, here or there.")
    else:
        rows = {
            "Currency": [one.currency for one in run.sums],
            "Here": [f"{money_text(one.here_cents, one.currency, visit.locale)} · {one.here:,}" for one in run.sums],
            f"At {there}": [
                f"{money_text(one.there_cents, one.currency, visit.locale)} · {one.there:,}" for one in run.sums
            ],
            "Difference": [money_text(one.difference_cents, one.currency, visit.locale) for one in run.sums],
            "Ties": [_tie_text(visit, one.difference_cents, one.told_cents, one.currency) for one in run.sums],
        }
        st.table(pd.DataFrame(rows), border="horizontal", hide_index=True)
    if run.others:
        more = f"{run.others:,} payments at {there} name" if run.others != 1 else f"1 payment at {there} names"
        st.caption(f"{more} no payment, package or customer of ours: what else the company sells is left out.")


def _tie_text(visit: Visit, difference_cents: int, told_cents: int, currency: str) -> str:
    if not difference_cents:
        return "✓ Yes"
    if difference_cents == told_cents:
        return "Findings below make the difference"
    rest = money_text(difference_cents - told_cents, currency, visit.locale)
    return f"✕ No: {rest} without a finding"


def _findings(visit: Visit, provider: Provider) -> None:
    found = visit.ask_now(frames.load_findings, provider=provider.value, limit=LISTED_MAX)
    if found.empty:
        st.success(f"Nothing was ever found: our books and those of {PROVIDER_NAMES[provider]} agree.")
        return
    chosen, words = _filtered(found)
    if chosen.empty:
        if words == ["state = open"]:
            st.success("No finding is open.", icon=":material/check_circle:")
            return
        parts.nothing_matches(words, clear=address.clear(*FILTERS), what="No finding")
        return
    place = st.container()
    number = address.page_number(len(chosen), per_page=PER_PAGE, resets=tuple(words))
    with place:
        _table(visit, provider, chosen, number)


def _filtered(found: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        state = address.radio("state", "State", list(STATES), default="open", format_func=STATES.__getitem__)
        kinds = address.multiselect("kind", "Finding", list(Kind), to_text=str, format_func=KIND_WORDS.__getitem__)
        about = address.multiselect(
            "about", "About", list(ObjectKind), to_text=str, format_func=OBJECT_WORDS.__getitem__
        )
        people = sorted(set(found["owner"]) - {""})
        owners = address.multiselect("owner", "Owner", people) if people else []
        wanted = address.text("q", "Search", placeholder="Id, customer").strip()
    keep = found["state"].notna() if state == "all" else found["state"] == state
    words = [] if state == "all" else [f"state = {STATES[state].lower()}"]
    for label, column, values in (
        ("finding", "kind", [one.value for one in kinds]),
        ("about", "object_kind", [one.value for one in about]),
        ("owner", "owner", owners),
    ):
        if values:
            words.append(f"{label} = {' or '.join(values)}")
            keep &= found[column].isin(values)
    if wanted:
        words.append(f"search = {wanted}")
        columns = ["object_ref", "payment_ref", "payment", "account", "customer"]
        text = found[columns].fillna("").agg("\n".join, axis=1).str.casefold()
        keep &= text.str.contains(wanted.casefold(), regex=False)
    return found[keep], words


def _table(visit: Visit, provider: Provider, chosen: pd.DataFrame, number: int) -> None:
    shown = chosen.iloc[(number - 1) * PER_PAGE : number * PER_PAGE].reset_index(drop=True)
    now = visit.ledger.clock.now()

    def open_row() -> None:
        row = st.session_state["findings-open"].row
        finding_drawer.open_finding(int(shown.iloc[row]["finding_id"]))

    since = shown["happened_at"].fillna(shown["found_at"])
    columns = {
        "what": st.column_config.TextColumn("Finding", pinned=True, width=300),
        "open": st.column_config.ButtonColumn("Open", key="findings-open", on_click=open_row, width=80),
        "ours": st.column_config.TextColumn("Here", width=95, alignment="right"),
        "theirs": st.column_config.TextColumn("There", width=95, alignment="right"),
        "credits": parts.credits_column("Credits", help="That hang on it, as far as known here"),
        "payment": st.column_config.TextColumn("Our id", width=120),
        "object_ref": st.column_config.TextColumn("Their id", width=120),
        "customer": st.column_config.TextColumn("Customer", width=140),
        "days": st.column_config.NumberColumn("Age", format="%d days", width=80, help="Since it came about"),
        "words": st.column_config.TextColumn("State", width=90),
        "owner": st.column_config.TextColumn("Owner", width=170),
        "note": st.column_config.TextColumn("Note", width="large"),
    }
    rows = shown.assign(
        what=[
            title(kind, about, figure, provider)
            for kind, about, figure in zip(shown["kind"], shown["object_kind"], shown["figure"], strict=True)
        ],
        open="Open",
        ours=_money(visit, shown, "our"),
        theirs=_money(visit, shown, "their"),
        credits=parts.whole_credits(shown["credits_micro"]),
        payment=shown["payment"].fillna("–"),
        customer=shown["customer"].fillna(shown["account"]).fillna("–"),
        days=(now - since).dt.days,
        words=shown["state"].map(STATE_WORDS),
    )
    count = len(chosen)
    parts.table(
        rows,
        key="findings",
        alt="Findings, those that stand first, then the newest",
        totals=f"**{count:,} finding{'s' * (count != 1)}**, the newest first.",
        columns=columns,
        height="content",
        download=parts.Download(visit, "reconciliation", lambda: to_export(chosen), whose=provider.value),
    )


def to_export(found: pd.DataFrame) -> pd.DataFrame:
    """Findings by the contract of CSV files: money in its currency, credits as numbers."""
    return pd.DataFrame(
        {
            "finding": found["finding_id"],
            "provider": found["provider"],
            "kind": found["kind"],
            "object": found["object_kind"],
            "object_ref": found["object_ref"],
            "figure": found["figure"],
            "payment_ref": found["payment_ref"],
            "payment": found["payment"],
            "batch": found["batch_id"],
            "account": found["account"],
            "our_amount": _amounts(found, "our"),
            "our_currency": found["our_currency"],
            "their_amount": _amounts(found, "their"),
            "their_currency": found["their_currency"],
            "credits": [None if pd.isna(one) else Decimal(int(one)) / MICRO for one in found["credits_micro"]],
            "happened_at": found["happened_at"],
            "found_at": found["found_at"],
            "seen_at": found["seen_at"],
            "state": found["state"],
            "owner": found["owner"],
            "note": found["note"],
            "entry": found["transaction_id"],
        }
    ).astype(object)


def _amounts(found: pd.DataFrame, side: str) -> list[Decimal | None]:
    pairs = zip(found[f"{side}_cents"], found[f"{side}_currency"], strict=True)
    return [
        None if pd.isna(cents) else Decimal(int(cents)).scaleb(-get_currency_precision(currency))
        for cents, currency in pairs
    ]


def _money(visit: Visit, found: pd.DataFrame, side: str) -> list[str]:
    pairs = zip(found[f"{side}_cents"], found[f"{side}_currency"], strict=True)
    return ["–" if pd.isna(cents) else money_text(int(cents), currency, visit.locale) for cents, currency in pairs]
