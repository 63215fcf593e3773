"""What every command has, what every handler answers, and the checks that need no database."""

import unicodedata
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

import orjson

from ledger.core.amounts import MAX_MICRO
from ledger.core.policy import Permission
from ledger.errors import Fault
from ledger.journal import AccountState
from ledger.receipt import Receipt

NOTE_MIN_CHARS = 10
TEXT_MAX_CHARS = 500
DETAILS_MAX_BYTES = 20_000
_PLAIN_JSON = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_SUBCLASS
# Years in which instants can lie: wide enough for everybody, narrow enough for every calendar and time zone.
YEARS = range(1970, 3000)
# Controls, halves of characters and line separators; and what makes a text read backwards on the screen.
_UNSHOWABLE = frozenset({"Cc", "Cs", "Cn", "Zl", "Zp"})
_BACKWARDS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a person moved credits: a code to count by, a note to read, a ticket to follow."""

    code: str
    note: str
    ticket: str = ""

    def faults(self) -> list[Fault]:
        found = []
        if not self.code.strip():
            found.append(Fault("reason", "choose a reason code"))
        if len(self.note.strip()) < NOTE_MIN_CHARS:
            found.append(Fault("note", f"say why in at least {NOTE_MIN_CHARS} characters"))
        for name, text in (("reason", self.code), ("note", self.note), ("ticket", self.ticket)):
            found += text_faults(name, text, required=False)
        return found


class Command:
    """Base of all commands: frozen values; ``faults`` lists everything wrong that needs no database to see."""

    __slots__ = ()
    kind: ClassVar[str]
    permission: ClassVar[Permission]
    # True for what nobody may do alone, however small.
    needs_two: ClassVar[bool] = False
    # True for what carries a secret: it must not be stored, so it cannot wait for a second person.
    is_secret: ClassVar[bool] = False

    def faults(self) -> list[Fault]:
        return []


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a handler has queued: the receipt without its transaction id, and the columns of the transaction row.

    ``weight_micro`` is what counts against the amount that one person may move alone (docs/accounting.md, rule 13).
    """

    receipt: Receipt
    account_id: int | None
    effective_at: datetime
    reason: Reason = field(default=Reason("", ""))
    nothing_to_do: bool = False
    weight_micro: int = 0
    reverses_id: int | None = None


@dataclass(frozen=True, slots=True)
class Before:
    """What an account had before a command: taken first, because posting keeps the state in step."""

    available_micro: int
    balance_micro: int
    owed_micro: int

    @classmethod
    def of(cls, state: AccountState, at: datetime) -> "Before":
        return cls(state.usable_micro(at), state.balance_micro(at), state.owed_micro)


def effect(kind: str, state: AccountState, at: datetime, before: Before, **more: Any) -> Receipt:
    """The receipt of a command on one account: what it had before, what it has now, and ``more`` fields of Receipt."""
    return Receipt(
        kind,
        state.external_id,
        at,
        available_before_micro=before.available_micro,
        available_after_micro=state.usable_micro(at),
        balance_before_micro=before.balance_micro,
        balance_after_micro=state.balance_micro(at),
        owed_before_micro=before.owed_micro,
        owed_after_micro=state.owed_micro,
        **more,
    )


def text_faults(name: str, text: str, *, required: bool = True, longest: int = TEXT_MAX_CHARS) -> list[Fault]:
    """Faults of a text that somebody typed."""
    if required and not text.strip():
        return [Fault(name, "must not be empty")]
    if len(text) > longest:
        return [Fault(name, f"has {len(text)} characters, at most {longest} are allowed")]
    if not text.isprintable() and any(not c.isprintable() and _is_unshowable(c) for c in text):
        return [Fault(name, "contains characters that cannot be shown")]
    return []


def _is_unshowable(character: str) -> bool:
    if character in "\n\r\t":
        return False
    return unicodedata.category(character) in _UNSHOWABLE or character in _BACKWARDS


def amount_faults(name: str, amount_micro: int) -> list[Fault]:
    """Faults of an amount of credits that has to be positive."""
    if amount_micro <= 0:
        return [Fault(name, "must be more than 0 credits")]
    if amount_micro > MAX_MICRO:
        return [Fault(name, "is more than 1,000,000,000 credits, the most one batch may hold")]
    return []


def instant_faults(name: str, at: datetime | None) -> list[Fault]:
    """Faults of an instant: it must carry a time zone and lie in a year that calendars can reckon with."""
    if at is None:
        return []
    if at.tzinfo is None:
        return [Fault(name, "has no time zone; give an offset such as +00:00")]
    if at.year not in YEARS:
        return [Fault(name, f"must lie between the years {YEARS[0]} and {YEARS[-1]}")]
    return []


def details_faults(details: dict[str, Any] | None) -> list[Fault]:
    """Faults of what callers keep beside a row: JSON that both databases give back as it was."""
    try:
        # NaN and infinity would become null; dates and other objects texts.
        body = orjson.dumps(details, option=_PLAIN_JSON)
    except orjson.JSONEncodeError as error:
        return [Fault("details", f"must be plain JSON with texts as names and integers of 64 bits: {error}")]
    if len(body) > DETAILS_MAX_BYTES:
        return [Fault("details", f"take {len(body):,} bytes as JSON, at most {DETAILS_MAX_BYTES:,} are allowed")]
    if b"\\u0000" in body or orjson.loads(body) != details:
        return [Fault("details", "contain what JSON cannot keep as it is, such as NaN, a tuple or a NUL character")]
    return []
