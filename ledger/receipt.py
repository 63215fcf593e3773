"""What a command answers: the effect in figures, stored with the transaction so that a repeat gets the same answer."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from ledger.core.amounts import Money
from ledger.core.records import CreditType, Take

_TAKES = ("takes", "returned", "expired")
# Written as they are, when there is something.
_PLAIN = ("hold_id", "approval_id", "subject_id", "notes", "made")


@dataclass(frozen=True, slots=True)
class NewBatch:
    """A batch that the command put on the shelf."""

    id: int
    credit_type: CreditType
    amount_micro: int
    effective_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """One event of a bulk command that was not recorded, and why."""

    event_id: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Overdraft:
    """How far an account may go below zero; ``until`` None: without an end. A limit of 0 means not at all."""

    limit_micro: int
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Receipt:
    """The answer to a command.

    ``available_*`` is what could be used at once (open batches, less holds); ``balance_*`` also counts credits that
    become effective later. All amounts in micro-credits. ``transaction_id`` is None only in a preview and when a
    command found nothing to do. ``replayed`` is True when the key was known and this is the first answer again.
    """

    kind: str
    account: str | None
    recorded_at: datetime
    transaction_id: int | None = None
    replayed: bool = False
    available_before_micro: int = 0
    available_after_micro: int = 0
    balance_before_micro: int = 0
    balance_after_micro: int = 0
    takes: tuple[Take, ...] = ()
    new_batches: tuple[NewBatch, ...] = ()
    events_recorded: int = 0
    events_replayed: int = 0
    refusals: tuple[Refusal, ...] = field(default=())
    # Credits put back on the shelf: by a release, a give-back, a reversal.
    returned: tuple[Take, ...] = ()
    # What of it was past its date and expired again at once.
    expired: tuple[Take, ...] = ()
    owed_before_micro: int = 0
    owed_after_micro: int = 0
    # The other account of a transfer, a gift, a referral: what it could and can use, what is on its shelf now.
    counterpart: str | None = None
    counterpart_before_micro: int = 0
    counterpart_available_micro: int = 0
    counterpart_balance_micro: int = 0
    # What the command made or decided, by its id in its own table.
    hold_id: int | None = None
    # Until when a hold keeps its credits; None also: until it is captured or released.
    held_until_at: datetime | None = None
    approval_id: int | None = None
    subject_id: int | None = None
    money: Money | None = None
    # Transactions that the command made beside its own: one per row of a file.
    made: tuple[int, ...] = ()
    # What no figure above says, as sentences.
    notes: tuple[str, ...] = ()
    # What an approved overdraft allows from now on.
    overdraft: Overdraft | None = None
    # Only in a preview: one person alone may not do this.
    needs_approval: bool = False

    def as_replayed(self) -> "Receipt":
        """The same answer, marked as given again."""
        return replace(self, replayed=True)

    def take_ids(self, transactions: Sequence[int], holds: Sequence[int]) -> None:
        """Put ids in the place of -1, -2, … that stood for them until they were written; for who made the receipt."""
        if self.transaction_id is not None and self.transaction_id < 0:
            object.__setattr__(self, "transaction_id", transactions[-self.transaction_id - 1])
        if self.hold_id is not None and self.hold_id < 0:
            object.__setattr__(self, "hold_id", holds[-self.hold_id - 1])

    def to_body(self) -> dict[str, Any]:
        """A JSON body without the transaction id, which is the row's own."""
        body: dict[str, Any] = {
            "kind": self.kind,
            "account": self.account,
            "recorded_at": self.recorded_at.isoformat(),
            "available": [self.available_before_micro, self.available_after_micro],
            "balance": [self.balance_before_micro, self.balance_after_micro],
        }
        for name in _TAKES:
            if takes := getattr(self, name):
                body[name] = [[t.batch_id, t.credit_type.value, t.amount_micro] for t in takes]
        if self.new_batches:
            body["new_batches"] = [
                [b.id, b.credit_type.value, b.amount_micro, b.effective_at.isoformat(), _iso(b.expires_at)]
                for b in self.new_batches
            ]
        if self.events_recorded or self.events_replayed or self.refusals:
            body["events"] = [self.events_recorded, self.events_replayed]
            body["refusals"] = [asdict(refusal) for refusal in self.refusals]
        if self.held_until_at is not None:
            body["held_until_at"] = self.held_until_at.isoformat()
        if self.owed_before_micro or self.owed_after_micro:
            body["owed"] = [self.owed_before_micro, self.owed_after_micro]
        if self.counterpart is not None:
            body["counterpart"] = [
                self.counterpart,
                self.counterpart_before_micro,
                self.counterpart_available_micro,
                self.counterpart_balance_micro,
            ]
        if self.money is not None:
            body["money"] = [self.money.cents, self.money.currency]
        if self.overdraft is not None:
            body["overdraft"] = [self.overdraft.limit_micro, _iso(self.overdraft.until)]
        for name in _PLAIN:
            if value := getattr(self, name):
                body[name] = value
        return body

    @classmethod
    def from_body(cls, body: dict[str, Any], *, transaction_id: int) -> "Receipt":
        """Undo `to_body`."""
        events = body.get("events", (0, 0))
        owed = body.get("owed", (0, 0))
        counterpart = body.get("counterpart", (None, 0, 0, 0))
        return cls(
            kind=body["kind"],
            account=body["account"],
            recorded_at=datetime.fromisoformat(body["recorded_at"]),
            transaction_id=transaction_id,
            available_before_micro=body["available"][0],
            available_after_micro=body["available"][1],
            balance_before_micro=body["balance"][0],
            balance_after_micro=body["balance"][1],
            takes=_takes(body.get("takes", ())),
            new_batches=tuple(
                NewBatch(i, CreditType(kind), amount, datetime.fromisoformat(start), _instant(end))
                for i, kind, amount, start, end in body.get("new_batches", ())
            ),
            events_recorded=events[0],
            events_replayed=events[1],
            refusals=tuple(Refusal(**refusal) for refusal in body.get("refusals", ())),
            returned=_takes(body.get("returned", ())),
            expired=_takes(body.get("expired", ())),
            held_until_at=_instant(body.get("held_until_at")),
            owed_before_micro=owed[0],
            owed_after_micro=owed[1],
            counterpart=counterpart[0],
            counterpart_before_micro=counterpart[1],
            counterpart_available_micro=counterpart[2],
            counterpart_balance_micro=counterpart[3],
            money=Money(*body["money"]) if "money" in body else None,
            overdraft=_overdraft(body.get("overdraft")),
            notes=tuple(body.get("notes", ())),
            made=tuple(body.get("made", ())),
            hold_id=body.get("hold_id"),
            approval_id=body.get("approval_id"),
            subject_id=body.get("subject_id"),
        )


def _takes(rows: Iterable[Any]) -> tuple[Take, ...]:
    return tuple(Take(i, CreditType(kind), amount) for i, kind, amount in rows)


def _overdraft(found: Any) -> Overdraft | None:
    return None if found is None else Overdraft(found[0], _instant(found[1]))


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
