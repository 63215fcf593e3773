"""Parts of pages: header, tiles, tables, charts, downloads, and what to say when there is nothing to show.

Texts given to these parts are Markdown written by us; anything that people typed must come through `text.escape`.
"""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

import pandas as pd
import streamlit as st

from ledger import MICRO, Permission
from pages.ui import address, data
from pages.ui.guard import Visit
from pages.ui.text import age_text, escape, time_text

Verdict = Literal["on target", "off target", "not enough data", "no target"]
_BADGES: dict[str, tuple[str, str]] = {
    "on target": (":material/check_circle:", "green"),
    "off target": (":material/error:", "red"),
    "not enough data": (":material/hourglass_empty:", "gray"),
}
# A spreadsheet would run a text that begins like this as a formula.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def header(visit: Visit, title: str, *, period: str = "", typed: bool = False) -> None:
    """Title and the line under it: period, company zone, as of when and how old, with a button to refresh.

    ``typed`` says that somebody typed the title, such as a customer's name.
    """
    st.title(escape(title) if typed else title, anchor=False)
    age = (visit.ledger.clock.now() - visit.at).total_seconds()
    facts = [
        period,
        str(visit.zone.key),
        f"as of {time_text(visit.at, visit.zone, visit.locale)}, {age_text(age)}",
    ]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(" · ".join(escape(fact) for fact in facts if fact), width="content")
        st.button(
            "Refresh",
            icon=":material/refresh:",
            type="tertiary",
            key="refresh",
            on_click=data.forget,
            help="Ask the ledger again",
        )


@dataclass(frozen=True, slots=True)
class How:
    """How a figure came about, for the popover of a tile: a formula in words, its parts, the period."""

    formula: str
    parts: Mapping[str, str]
    period: str = ""


def tile(
    label: str,
    value: str | None,
    *,
    delta: str | float | None = None,
    delta_description: str | None = None,
    less_is_better: bool = False,
    help: str | None = None,
    verdict: Verdict = "no target",
    target: str = "",
    how: How | None = None,
    absent: str = "",
    note: str = "",
    page: tuple[str, str, str] | None = None,
) -> None:
    """One figure in a bordered tile, to be drawn inside `st.grid`; ``value`` None shows why it is absent.

    Under the figure stand the target with a badge that says a word, a popover "How?", ``note`` (Markdown, one line
    about the figure) and a link to a ``page``: its path, label and icon. All of it is inside the border, so the tiles
    of a row are equally high whatever they say.
    """
    with st.container(border=True, height="stretch", gap="xsmall"):
        st.metric(
            label,
            "—" if value is None else value,
            delta=delta,
            delta_color="inverse" if less_is_better else "normal",
            delta_description=delta_description,
            help=help,
            height="stretch",
        )
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            if value is None:
                st.badge("Not enough data", icon=_BADGES["not enough data"][0], color="gray")
            elif verdict in _BADGES:
                icon, color = _BADGES[verdict]
                st.badge(verdict.capitalize(), icon=icon, color=color)  # type: ignore[arg-type]
            if how is not None:
                _popover(label, how)
        for words in (absent if value is None else "", f"Target {target}" if target else "", note):
            if words:
                st.caption(words)
        if page is not None:
            path, name, icon = page
            st.page_link(path, label=name, icon=icon, query_params=address.link())


def _popover(label: str, how: How) -> None:
    panel = st.popover("How?", type="tertiary", key=f"how:{label}", on_change="rerun")
    if panel.open:
        panel.markdown(how.formula)
        panel.table(dict(how.parts), border="horizontal")
        if how.period:
            panel.caption(how.period)


def credits_column(label: str, *, help: str | None = None) -> Any:
    """Column of credits: numbers in the reader's locale, at most two decimals. Give it `whole_credits` of a column."""
    return st.column_config.NumberColumn(label, format="localized", help=help)


def instant_column(label: str, zone: ZoneInfo, *, help: str | None = None) -> Any:
    """Column of instants, shown in the company zone whatever the reader's own zone.

    Not ``format="localized"``, which shows the browser's zone and does not look at ``timezone`` (measured).
    """
    return st.column_config.DatetimeColumn(label, timezone=zone.key, format="D MMM YYYY, HH:mm", help=help)


def whole_credits(micro: "pd.Series[int]") -> "pd.Series[float]":
    """Credits as numbers rounded half up to two decimals: the last step before they are shown in a table."""
    hundredths = (micro.abs() + MICRO // 200) // (MICRO // 100)
    return (hundredths * micro.gt(0).mul(2).sub(1)).astype("Float64") / 100


def table(
    frame: pd.DataFrame,
    *,
    key: str,
    alt: str,
    columns: Mapping[str, Any],
    totals: str = "",
    download: "Download | None" = None,
    placeholder: str = "–",
    **options: Any,
) -> Any:
    """A table with its totals in a line above and a download below; ``columns`` gives order and configuration.

    Only the columns named are shown, ``placeholder`` stands where there is nothing, and ``alt`` says what the table is.
    Cells are shown as typed, without Markdown.
    """
    if totals:
        st.markdown(totals)
    shown = st.dataframe(
        frame,
        key=key,
        alt=alt,
        hide_index=True,
        column_order=list(columns),
        column_config=dict(columns),
        placeholder=placeholder,
        **options,
    )
    if download is not None:
        download_csv(download, key=f"{key}:csv")
    return shown


@dataclass(frozen=True, slots=True)
class Download:
    """What a CSV button gives: ``make`` is called on the click and answers a frame whose columns are the header.

    ``what``, ``whose`` and the period make the file name. Requires the permission to export.
    """

    visit: Visit
    what: str
    make: Callable[[], pd.DataFrame]
    whose: str = "all"
    since: date | None = None
    until: date | None = None

    @property
    def file_name(self) -> str:
        """credits_<what>_<customer or all>_<from>_<to>_<asof>.csv, without characters that file systems dislike."""
        days = [day.isoformat() for day in (self.since, self.until) if day]
        return export_name(self.visit, self.what, self.whose, *days, suffix=".csv")


def export_name(visit: Visit, what: str, *parts: str, suffix: str) -> str:
    """credits_<what>_<parts>_<asof> and the suffix, without characters that file systems dislike."""
    as_of = visit.at.astimezone(visit.zone).strftime("%Y%m%dT%H%M")
    names = ("credits", what, *parts, as_of)
    return "_".join("".join(c if c.isalnum() or c in "-." else "-" for c in part) for part in names) + suffix


def download_csv(download: Download, *, key: str) -> None:
    """The CSV button; nothing is made before it is pressed. Hidden from people who may not export."""
    if not download.visit.may(Permission.EXPORT):
        return
    st.download_button(
        "CSV",
        data=lambda: to_csv(download.make(), zone=download.visit.zone),
        file_name=download.file_name,
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
        key=key,
        help="The whole table, all rows, as a file for a spreadsheet",
    )


def to_csv(frame: pd.DataFrame, *, zone: ZoneInfo) -> bytes:
    """A frame by the contract of CSV files: BOM, comma, RFC 4180, ISO instants with offset, no formulas.

    The header names are API: snake_case, only ever added at the end. Amount columns are expected as Decimal or integer.
    """
    target = io.StringIO(newline="")
    writer = csv.writer(target, lineterminator="\r\n")
    writer.writerow(frame.columns)
    for row in frame.itertuples(index=False):
        writer.writerow([_cell(value, zone) for value in row])
    return b"\xef\xbb\xbf" + target.getvalue().encode()


def _cell(value: Any, zone: ZoneInfo) -> Any:
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and pd.isna(value)):
        return ""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA_STARTS) else value
    if isinstance(value, datetime):
        return value.astimezone(zone).isoformat(timespec="seconds")
    if isinstance(value, date):
        return value.isoformat()
    return value


def chart(figure: Any, *, key: str, alt: str, twin: pd.DataFrame | Callable[[], pd.DataFrame], **options: Any) -> Any:
    """A figure with the same numbers as a table below it, drawn only when opened; ``alt`` says the finding."""
    shown = st.plotly_chart(figure, key=key, alt=alt, config={"displaylogo": False}, **options)
    panel = st.expander("Table", key=f"{key}:table", on_change="rerun", icon=":material/table:")
    if panel.open:
        frame = twin() if callable(twin) else twin
        panel.dataframe(frame, hide_index=True, key=f"{key}:twin", alt=f"The numbers of the chart: {alt}")
    return shown


def first_use(sentence: str, *, page: str | None = None, label: str = "") -> None:
    """Nothing exists yet: one sentence why, and one link to what comes next."""
    with st.container(border=True):
        st.markdown(sentence)
        if page is not None:
            st.page_link(page, label=label, icon=":material/arrow_forward:")


def nothing_matches(words: Sequence[str], *, clear: Callable[[], None], what: str = "Nothing") -> None:
    """A filter lets nothing through: which filter, in words, and a button to clear it."""
    with st.container(border=True):
        st.markdown(f"{what} matches *{escape(', '.join(words))}*." if words else f"{what} matches.")
        st.button("Clear filters", icon=":material/filter_alt_off:", on_click=clear, key="clear-filters")


def not_enough(reason: str) -> None:
    """A figure that cannot be made yet: the reason, and when it will work."""
    st.info(reason, icon=":material/hourglass_empty:", title="Not enough data yet")
