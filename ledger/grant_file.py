"""Grants and adjustments from a CSV file: every row judged on its own, wrong ones named with place, value and mend."""

import csv
import difflib
import hashlib
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from ledger.commands import Reason
from ledger.core.amounts import credits_to_micro
from ledger.core.records import CreditType
from ledger.operations.corrections import AdjustBalance
from ledger.operations.files import FileRow
from ledger.operations.grants import IssueGrant

# The header is a promise: names are never changed, new ones come at the end.
COLUMNS = ("customer", "kind", "type", "credits", "expires_on", "campaign", "reason", "note", "ticket", "key")
REQUIRED = ("customer", "credits", "note")
# Unknown customers for whom the nearest ones are looked for.
NEAREST_MAX = 100
_UNPAID = [kind.value for kind in CreditType if kind is not CreditType.PURCHASED]


class FileUnreadable(Exception):
    """The file as a whole cannot be read; the message says why and what is expected."""


@dataclass(frozen=True, slots=True)
class RowFault:
    """One thing wrong in one row: where, what stands there, and how to mend it."""

    line: int
    column: str
    value: str
    mend: str

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}: {self.value!r} {self.mend}"


@dataclass(frozen=True, slots=True)
class GrantFile:
    """A file as it was read: good rows, faults by line, rows that look like repeats, and the rows as typed."""

    rows: tuple[FileRow, ...]
    faults: tuple[RowFault, ...]
    repeats: tuple[int, ...]
    typed: Mapping[int, Mapping[str, str]]

    def problems(self) -> dict[int, str]:
        """What is wrong with each wrong row, by its line."""
        found: dict[int, list[str]] = {}
        for fault in self.faults:
            found.setdefault(fault.line, []).append(f"{fault.column}: {fault.mend}")
        return {line: "; ".join(texts) for line, texts in found.items()}

    def wrong_rows(self) -> str:
        """The wrong rows as CSV text with a column ``problem``, to be mended and loaded again."""
        return rows_with_problems(self.typed, self.problems())


def template() -> str:
    """An empty file with one example row."""
    example = {
        "customer": "cus_acme",
        "kind": "grant",
        "type": "promotional",
        "credits": "500",
        "campaign": "Spring",
        "reason": "campaign",
        "note": "Spring campaign, wave 1",
        "key": "spring-0001",
    }
    return _csv((*COLUMNS,), [[example.get(name, "") for name in COLUMNS]])


def read_grants(text: str, *, customers: Iterable[str]) -> GrantFile:
    """Read a file of grants and adjustments.

    Columns: customer, kind (grant or adjust; grant when empty), type (of the credits; promotional when empty), credits
    (negative takes away, only in an adjust), expires_on (YYYY-MM-DD), campaign, reason, note, ticket, key. Without a
    key a row is named by its own content and, when it is repeated, by its number, so the same file again books nothing.

    Args: ``customers`` are the ids that exist, to name the nearest one of an unknown.
    Raises FileUnreadable when columns are missing or it is no CSV text.
    """
    known = dict.fromkeys(customers)
    try:
        reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")), strict=True)
        header = [name.strip().lower() for name in reader.fieldnames or ()]
        missing = [name for name in REQUIRED if name not in header]
        if missing:
            raise FileUnreadable(f"The column {missing[0]} is missing; the header is: {','.join(COLUMNS)}")
        unknown = [name for name in header if name not in (*COLUMNS, "problem")]
        if unknown:
            raise FileUnreadable(f"The column {unknown[0]!r} is not known; allowed are: {', '.join(COLUMNS)}")
        reader.fieldnames = header
        typed = {}
        for row in reader:
            typed[reader.line_num] = {name: (value or "").strip() for name, value in row.items() if name in COLUMNS}
    except csv.Error as error:
        raise FileUnreadable(f"This is not a CSV file: {error}") from error
    return _judge(typed, known)


def _judge(typed: Mapping[int, Mapping[str, str]], known: Mapping[str, None]) -> GrantFile:
    seen: Counter[str] = Counter()
    keys: set[str] = set()
    unknown = 0
    rows: list[FileRow] = []
    faults: list[RowFault] = []
    repeats: list[int] = []
    for line, row in typed.items():
        reading = _Reading(line, row)
        # Looking for names alike takes long: not for every row of a file that is wrong altogether.
        unknown += row.get("customer", "") not in known
        command = reading.command(known, is_near_named=unknown <= NEAREST_MAX)
        content = "\x1f".join(row.get(name, "") for name in COLUMNS if name != "key")
        if seen[content]:
            repeats.append(line)
        key = row.get("key") or f"{hashlib.sha256(content.encode()).hexdigest()[:32]}-{seen[content]}"
        seen[content] += 1
        if key in keys:
            reading.fault("key", "names another row of this file already; a key names one row")
        if command is not None and not reading.faults:
            rows.append(FileRow(line, key, command))
            keys.add(key)
        faults += reading.faults
    return GrantFile(tuple(rows), tuple(faults), tuple(repeats), typed)


class _Reading:
    """One row while it is read: gathers everything wrong with it."""

    def __init__(self, line: int, row: Mapping[str, str]) -> None:
        self._line, self._row = line, row
        self.faults: list[RowFault] = []

    def fault(self, column: str, mend: str) -> None:
        self.faults.append(RowFault(self._line, column, self._row.get(column, ""), mend))

    def command(self, known: Mapping[str, None], *, is_near_named: bool) -> IssueGrant | AdjustBalance | None:
        """The command that the row asks for, or None with its faults."""
        customer = self._row.get("customer", "")
        if customer not in known:
            near = difflib.get_close_matches(customer, known, n=3) if is_near_named else []
            self.fault("customer", f"is no customer; nearest: {', '.join(near)}" if near else "is no customer")
        kind = self._row.get("kind") or "grant"
        if kind not in ("grant", "adjust"):
            self.fault("kind", "is not grant or adjust")
        credit_type = self._type(kind)
        amount, last_day = self._amount(kind), self._day()
        row = self._row
        default_code = "data_correction" if kind == "adjust" else "campaign"
        reason = Reason(row.get("reason") or default_code, row.get("note", ""), row.get("ticket", ""))
        if self.faults or amount is None:
            return None
        command: IssueGrant | AdjustBalance
        if kind == "grant":
            command = IssueGrant(
                customer,
                credit_type,
                amount,
                reason,
                campaign=row.get("campaign", ""),
                expires_on=last_day,
                source="file",
            )
        else:
            command = AdjustBalance(customer, amount, reason, credit_type=credit_type, expires_on=last_day)
        for one in command.faults():
            column = {"amount": "credits", "credit_type": "type"}.get(one.field, one.field)
            self.fault(column, one.message)
        return None if self.faults else command

    def _type(self, kind: str) -> CreditType:
        said = self._row.get("type") or ("compensation" if kind == "adjust" else "promotional")
        if said not in _UNPAID:
            self.fault("type", f"is not one of {', '.join(_UNPAID)}")
            return CreditType.PROMOTIONAL
        return CreditType(said)

    def _amount(self, kind: str) -> int | None:
        said = self._row.get("credits", "")
        try:
            amount = credits_to_micro(said)
        except ValueError:
            self.fault("credits", "is not a number such as 500 or 12.5, without grouping")
            return None
        if kind == "grant" and amount <= 0:
            self.fault("credits", "must be more than 0 in a grant")
        return amount

    def _day(self) -> date | None:
        said = self._row.get("expires_on", "")
        if not said:
            return None
        try:
            return date.fromisoformat(said)
        except ValueError:
            self.fault("expires_on", "is not a day such as 2026-12-31")
            return None


def rows_with_problems(typed: Mapping[int, Mapping[str, str]], problems: Mapping[int, str]) -> str:
    """Rows as CSV text with what is wrong with each in the last column, ``problem``."""
    table = [[*(typed[line].get(name, "") for name in COLUMNS), problems[line]] for line in sorted(problems)]
    return _csv((*COLUMNS, "problem"), table)


def _csv(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows([_plain(cell) for cell in row] for row in rows)
    return out.getvalue()


def _plain(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula; an amount stays a number."""
    is_number = cell.lstrip("-").replace(".", "", 1).isdigit()
    return f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t") and not is_number else cell
