"""Usage from a CSV file: every row read and judged on its own, wrong rows named with place, value and mend."""

import csv
import gzip
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import TextIO

from ledger import UsageEvent, credits_to_micro

ACCOUNT_NAMES = ("account", "customer_id", "customer")
QUANTITY_NAMES = ("quantity", "units")
TIME_NAMES = ("occurred_at", "day")


@dataclass(frozen=True, slots=True)
class UsageRow:
    """One good row: the event it tells of, and where it stands."""

    line: int
    account: str
    event: UsageEvent


@dataclass(frozen=True, slots=True)
class RowFault:
    """One thing wrong in one row: where, what stands there, and how to mend it."""

    line: int
    column: str
    value: str
    mend: str

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}: {self.value!r} {self.mend}"


class FileFault(Exception):
    """The file as a whole cannot be read; the message says why and what is expected."""


def read_usage(path: Path) -> Iterator[UsageRow | RowFault]:
    """Rows of a usage file in file order, each either good or a fault.

    Columns: account (or customer_id), feature, quantity (or units), occurred_at (ISO 8601 with offset) or day
    (YYYY-MM-DD, taken as noon UTC), and optionally event_id. Without event_id a row is named by its own content, and a
    repeated row by its number, so that the same file read twice names the same events.
    Raises FileFault when columns are missing or the file is not CSV text.
    """
    with reading(path), _open(path) as handle:
        yield from _rows(csv.DictReader(handle))


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what is wrong with a file as a whole into FileFault."""
    try:
        yield
    except (UnicodeDecodeError, csv.Error) as error:
        raise FileFault(f"{path} is not a CSV file in UTF-8: {error}") from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise FileFault(f"{path} is cut off or not a gzip file: {error}") from error


def _open(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _rows(reader: "csv.DictReader[str]") -> Iterator[UsageRow | RowFault]:
    columns = _Columns(list(reader.fieldnames or []))
    seen: Counter[tuple[str, str]] = Counter()
    for row in reader:
        yield _judge(reader.line_num, row, columns, seen)


class _Columns:
    def __init__(self, names: list[str]) -> None:
        self.account = _one_of(names, ACCOUNT_NAMES)
        self.feature = _one_of(names, ("feature",))
        self.quantity = _one_of(names, QUANTITY_NAMES)
        self.time = _one_of(names, TIME_NAMES)
        self.event_id = "event_id" if "event_id" in names else None


def _one_of(header: list[str], names: tuple[str, ...]) -> str:
    for name in names:
        if name in header:
            return name
    raise FileFault(f"there is no column {' or '.join(names)}; the header has: {', '.join(header) or 'nothing'}")


def _judge(
    line: int, row: dict[str, str | None], columns: _Columns, seen: Counter[tuple[str, str]]
) -> UsageRow | RowFault:
    def text(column: str) -> str:
        return (row.get(column) or "").strip()

    for column in (columns.account, columns.feature):
        if not text(column):
            return RowFault(line, column, "", "is empty; every row needs one")
    try:
        quantity = credits_to_micro(text(columns.quantity))
    except ValueError:
        return RowFault(line, columns.quantity, text(columns.quantity), "is not a number such as 3 or 0.25")
    if quantity <= 0:
        return RowFault(line, columns.quantity, text(columns.quantity), "must be more than 0; leave the row out")
    try:
        occurred_at = _instant(text(columns.time))
    except ValueError:
        mend = "is not a time such as 2026-03-10T12:00:00+00:00 or a day such as 2026-03-10"
        return RowFault(line, columns.time, text(columns.time), mend)
    account, feature = text(columns.account), text(columns.feature)
    event_id = text(columns.event_id) if columns.event_id else ""
    if not event_id:
        event_id = f"{text(columns.time)}|{feature}"
        seen[account, event_id] += 1
        if seen[account, event_id] > 1:
            event_id += f"|{seen[account, event_id]}"
    event = UsageEvent(event_id, feature, occurred_at, quantity)
    faults = event.faults()
    if faults:
        return RowFault(line, faults[0].field, text(columns.feature), faults[0].message)
    return UsageRow(line, account, event)


def _instant(text: str) -> datetime:
    if len(text) == len("2026-03-10"):
        # Noon UTC falls on the same calendar day in every zone from -12 to +11 hours.
        return datetime.combine(date.fromisoformat(text), time(12), tzinfo=UTC)
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("naive")
    return at.astimezone(UTC)
