"""What is in a file of grants and adjustments before anything is booked: good rows, wrong ones, sums.

The ledger itself is asked about the good rows, by carrying them out and rolling back.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

import pandas as pd
import streamlit as st

from analytics import frames
from ledger import AdjustBalance, BookFile, CreditType, FileRow, InvalidCommand, IssueGrant, Reason, Receipt
from ledger.grant_file import GrantFile, read_grants, rows_with_problems
from pages.ui import forms, parts
from pages.ui.guard import Visit
from pages.ui.text import TYPE_WORDS, credit_text

SIMILAR_WITHIN = timedelta(days=30)
LINES_NAMED = 10
# What a file does does not depend on its reason: with this one it can be shown before a note was written.
_STAND_IN = Reason("preview", "shown before the note is written")


@dataclass(frozen=True, slots=True)
class Report:
    """A file as it was read, and what the ledger says to its good rows."""

    name: str
    found: GrantFile
    # None: there was no row to ask about.
    effect: Receipt | None
    # Sentence per line, for good rows that the ledger refuses.
    refused: Mapping[int, str]
    # Lines that were booked before, under the same key by the same person.
    before: frozenset[int]
    # Lines for which the customer got the same amount of the same type within SIMILAR_WITHIN.
    similar: tuple[int, ...]

    @property
    def to_book(self) -> tuple[FileRow, ...]:
        """The rows that would be booked now."""
        return tuple(row for row in self.found.rows if row.line not in self.refused and row.line not in self.before)

    @property
    def left_out(self) -> int:
        """Rows that cannot be booked, wrong or refused."""
        return len({fault.line for fault in self.found.faults}) + len(self.refused)

    def problems(self) -> dict[int, str]:
        """What is wrong, by line."""
        return self.found.problems() | dict(self.refused)

    def wrong_rows(self) -> bytes:
        """The rows that cannot be booked as a CSV file with their problem."""
        return b"\xef\xbb\xbf" + rows_with_problems(self.found.typed, self.problems()).encode()


def read(visit: Visit, name: str, content: bytes) -> Report:
    """Read a file and ask the ledger about it.

    Raises FileUnreadable and UnicodeDecodeError when it is no such file, InvalidCommand when it has too many rows.
    """
    mark = sha256(content).hexdigest()
    return visit.kept("grant file", lambda: _read(visit, name, content), name, mark, visit.actor.id)


def _read(visit: Visit, name: str, content: bytes) -> Report:
    found = read_grants(content.decode("utf-8-sig"), customers=forms.customer_names(visit))
    if not found.rows:
        return Report(name, found, None, {}, frozenset(), ())
    effect = visit.ledger.preview(BookFile(name, found.rows, _STAND_IN, good_rows_only=True), actor=visit.actor)
    refused = {int(one.event_id.removeprefix("line ")): one.message for one in effect.refusals}
    before = frozenset(_booked_before(visit, found.rows)) if effect.events_replayed else frozenset()
    return Report(name, found, effect, refused, before, _similar(visit, found.rows, before))


def _booked_before(visit: Visit, rows: Iterable[FileRow]) -> list[int]:
    keys = ((row.line, f"row:{row.key}") for row in rows)
    return [line for line, key in keys if visit.ledger.receipt(actor=visit.actor, key=key) is not None]


def _similar(visit: Visit, rows: Iterable[FileRow], before: frozenset[int]) -> tuple[int, ...]:
    given = visit.ask_now(frames.load_gifts_since, since=visit.at - SIMILAR_WITHIN)
    return tuple(
        row.line
        for row in rows
        if row.line not in before
        and row.command.amount_micro > 0
        and (row.command.account, row.command.credit_type, row.command.amount_micro) in given
    )


def too_many(error: InvalidCommand) -> str:
    """Why the ledger does not look at the file at all, as a sentence."""
    return " ".join(forms.sentence(fault.message) for fault in error.faults)


def draw(visit: Visit, report: Report) -> None:
    """Counts, sums by type, and what is wrong with which row."""
    found = report.found
    wrong = {fault.line for fault in found.faults}
    with st.grid(4, min_column_width=180):
        parts.tile("Rows in the file", f"{len(found.typed):,}")
        parts.tile("To be booked", f"{len(report.to_book):,}", note=_sums(visit, report.to_book))
        parts.tile(
            "Cannot be booked", f"{report.left_out:,}", note=f"{len(wrong):,} wrong, {len(report.refused):,} refused"
        )
        parts.tile("Booked before", f"{len(report.before):,}", note="Not booked again")
    if found.repeats:
        st.warning(
            f"{_lines(found.repeats)} the same as a row above. Each is booked on its own; delete what is a repeat "
            "by mistake.",
            title="Repeats in the file",
            icon=":material/content_copy:",
        )
    if report.similar:
        st.warning(f"{similar_text(report)}.", title="Given before", icon=":material/history:")
    if report.to_book:
        st.table(
            _by_type(visit, report.to_book), hide_index=True, border="horizontal", alt="Credits to be booked by type"
        )
    if report.left_out:
        _wrong(visit, report)


def similar_text(report: Report) -> str:
    """Which rows look like something that was given already."""
    rows = f"{len(report.similar):,} row{'s' * (len(report.similar) != 1)}"
    return (
        f"For {rows} the customer got the same amount of the same "
        f"type in the last {SIMILAR_WITHIN.days} days: line {_numbers(report.similar)}"
    )


def _wrong(visit: Visit, report: Report) -> None:
    rows = [(one.line, one.column, one.value, one.mend) for one in report.found.faults]
    rows += [(line, "", "", f"refused: {message}") for line, message in report.refused.items()]
    frame = pd.DataFrame(sorted(rows), columns=["line", "column", "value", "mend"])
    parts.table(
        frame,
        key="wrong-rows",
        alt="What is wrong, by line of the file",
        totals=f"**{report.left_out:,} rows cannot be booked**",
        columns={
            "line": st.column_config.NumberColumn(
                "Line", format="%d", width=60, help="As the file counts; the header is line 1"
            ),
            "column": st.column_config.TextColumn("Column", width=90),
            "value": st.column_config.TextColumn("What stands there", width=150),
            "mend": st.column_config.TextColumn("What is wrong, and how to mend it", width="large"),
        },
    )
    download_wrong(visit, report.wrong_rows(), key="wrong-file")


def download_wrong(visit: Visit, content: bytes, *, key: str) -> None:
    """The rows that could not be booked, to be mended and loaded again."""
    st.download_button(
        "Download these rows with their problem",
        data=content,
        file_name=parts.Download(visit, "wrong_rows", pd.DataFrame).file_name,
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
        key=key,
        help="Mend them in the file and choose it here; the column problem may stay in it",
    )


def sums(rows: Iterable[FileRow]) -> tuple[int, int]:
    """Credits that rows add and that they take away, in micro-credits."""
    amounts = [row.command.amount_micro for row in rows]
    return sum(one for one in amounts if one > 0), -sum(one for one in amounts if one < 0)


def _sums(visit: Visit, rows: Iterable[FileRow]) -> str:
    added, taken = sums(rows)
    words = f"{credit_text(added, visit.locale)} credits added"
    return words + (f", {credit_text(taken, visit.locale)} taken away" if taken else "")


def _by_type(visit: Visit, rows: Iterable[FileRow]) -> pd.DataFrame:
    counts: Counter[str] = Counter()
    amounts: Counter[str] = Counter()
    for row in rows:
        label = _label(row.command)
        counts[label] += 1
        amounts[label] += row.command.amount_micro
    order = [*(TYPE_WORDS[kind] for kind in CreditType), _TAKEN]
    table = [
        {"Type": one, "Rows": f"{counts[one]:,}", "Credits": credit_text(amounts[one], visit.locale, signed=True)}
        for one in order
        if counts[one]
    ]
    return pd.DataFrame(table)


_TAKEN = "Taken away"


def _label(command: IssueGrant | AdjustBalance) -> str:
    return TYPE_WORDS[command.credit_type] if command.amount_micro > 0 else _TAKEN


def _lines(lines: tuple[int, ...]) -> str:
    return f"Line {_numbers(lines)} is" if len(lines) == 1 else f"Lines {_numbers(lines)} are"


def _numbers(lines: tuple[int, ...]) -> str:
    named = ", ".join(f"{line:,}" for line in lines[:LINES_NAMED])
    return named + (f" and {len(lines) - LINES_NAMED:,} more" if len(lines) > LINES_NAMED else "")
