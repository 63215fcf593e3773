"""A second set of books, kept in plain lists by somebody who has read the rules and not the code.

Everything is looked up by walking through all of it; nothing is cached, sorted ahead or shared with the product.
Amounts in micro-credits, instants aware UTC. Source: docs/accounting.md.
"""

from calendar import monthrange
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

MICRO = 1_000_000
ON_SHELF = ("available", "held")


@dataclass
class Lot:
    """A batch as the auditor remembers it; its place in the auditor's list is its age."""

    account: str
    credit_type: str
    granted: int
    left: int
    priority: int
    starts: datetime
    ends: datetime | None
    held: int = 0
    # What of it was written off and did not come back.
    expired: int = 0
    cents: int = 0

    @property
    def free(self) -> int:
        return self.left - self.held

    def is_over(self, at: datetime) -> bool:
        return self.ends is not None and self.ends <= at


@dataclass
class Hold:
    """Credits set aside, batch by batch, in the order in which they would be used."""

    account: str
    reference: str
    feature: str
    amount: int
    until: datetime | None
    parts: list[tuple[int, int]]
    state: str = "open"

    def is_live(self, at: datetime) -> bool:
        return self.state == "open" and (self.until is None or at < self.until)


@dataclass
class Event:
    """A use as it was charged; ``hold`` is the reference of the hold that it captured."""

    feature: str
    quantity: int
    happened: datetime
    cost: int
    hold: str | None = None


@dataclass
class CodeSet:
    """Gift codes that are worth the same; who redeemed which of them."""

    credit_type: str
    amount: int
    days: int | None
    until: datetime | None
    limit: int
    is_disabled: bool = False
    redeemed: dict[str, str] = field(default_factory=dict)


class Move(NamedTuple):
    """One amount from one bucket to another; no place is usage on debt."""

    account: str
    place: int | None
    origin: str
    target: str
    amount: int
    event: str | None = None


@dataclass
class Act:
    """What was booked together, and whether it was taken back."""

    kind: str
    account: str
    moves: list[Move]
    is_reversed: bool = False


@dataclass
class Verdict:
    """What the auditor expects: a refusal by its code, or what batches give and get, by their place in the list.

    "replayed" is among the refusals, because nothing moves.
    """

    refusal: str | None = None
    takes: list[tuple[int, int]] = field(default_factory=list)
    returned: list[tuple[int, int]] = field(default_factory=list)
    expired: list[tuple[int, int]] = field(default_factory=list)
    cents: int | None = None
    # The place of the act in the auditor's list.
    act: int | None = None


@dataclass
class Auditor:
    zone: ZoneInfo
    zones: dict[str, ZoneInfo] = field(default_factory=dict)
    organisations: dict[str, str] = field(default_factory=dict)
    lots: list[Lot] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)
    acts: list[Act] = field(default_factory=list)
    owed: dict[str, int] = field(default_factory=dict)
    overdrafts: dict[str, tuple[int, datetime | None]] = field(default_factory=dict)
    prices: list[tuple[str, datetime, int]] = field(default_factory=list)
    events: dict[tuple[str, str], Event] = field(default_factory=dict)
    used: dict[tuple[str, date, str, str], int] = field(default_factory=dict)
    references: list[str] = field(default_factory=list)
    code_sets: list[CodeSet] = field(default_factory=list)

    def book(self, kind: str, account: str, moves: list[Move]) -> int:
        """Write an act down and move what it moves; answers its place."""
        self.acts.append(Act(kind, account, []))
        self.add(moves)
        return len(self.acts) - 1

    def add(self, moves: list[Move]) -> None:
        """Move more within the newest act."""
        for move in moves:
            self.acts[-1].moves.append(move)
            self._move(move)

    def _move(self, move: Move) -> None:
        account, place, origin, target, amount, event = move
        assert amount > 0
        if place is not None:
            lot = self.lots[place]
            lot.left += amount * ((target in ON_SHELF) - (origin in ON_SHELF))
            lot.held += amount * ((target == "held") - (origin == "held"))
            lot.expired += amount * ((target == "expired") - (origin == "expired"))
            assert 0 <= lot.held <= lot.left
        self.owed[account] = self.owed.get(account, 0) + amount * ((origin == "owed") - (target == "owed"))
        assert self.owed[account] >= 0
        if event is not None:
            use = self.events[account, event]
            credit_type = "owed" if place is None else self.lots[place].credit_type
            cell = (account, use.happened.astimezone(self.zone).date(), use.feature, credit_type)
            self.used[cell] = self.used.get(cell, 0) + amount * ((target == "consumed") - (origin == "consumed"))

    def tidy(self, account: str, at: datetime) -> None:
        """Write down what time alone has changed, as the next act on the account does."""
        for one in self.holds:
            if one.account == account and one.state == "open" and not one.is_live(at):
                assert one.until is not None
                one.state = "lapsed"
                self.book("lapse_hold", account, [])
                self.come_back(account, one.parts, one.until)
        if moves := self.repayment(account, at):
            self.book("repay_debt", account, moves)

    def come_back(self, account: str, parts: list[tuple[int, int]], at: datetime) -> list[tuple[int, int]]:
        """Held credits go back to their batches, within the newest act; answers those that expire at that instant."""
        self.add([Move(account, place, "held", "available", amount) for place, amount in parts])
        gone = [(place, amount) for place, amount in parts if self.lots[place].is_over(at)]
        self.add([Move(account, place, "available", "expired", amount) for place, amount in gone])
        return gone

    def repayment(self, account: str, at: datetime) -> list[Move]:
        """How open credits pay what is owed, in burn order."""
        parts, _ = self.plan(account, self.owed.get(account, 0), at)
        return [Move(account, place, "available", "owed", amount) for place, amount in parts]

    def last_day(self, credit_type: str, first: date) -> date:
        """The day that a type gives when nobody names one."""
        if credit_type == "promotional":
            return first + timedelta(days=90)
        months = {"purchased": 12, "compensation": 12, "referral": 6, "rollover": 1}[credit_type]
        year, month = first.year, first.month
        for _ in range(months):
            year, month = (year + 1, 1) if month == 12 else (year, month + 1)
        longest = monthrange(year, month)[1]
        return date(year, month, longest if credit_type == "rollover" else min(first.day, longest))

    def give(
        self,
        account: str,
        credit_type: str,
        amount: int,
        *,
        at: datetime,
        starts: datetime | None = None,
        last: date | None = None,
        never: bool = False,
        priority: int = 0,
        kind: str = "grant",
        cents: int = 0,
    ) -> Verdict:
        """Put credits on the shelf, or say why not."""
        starts = at if starts is None else starts
        first = starts.astimezone(self.zones[account]).date()
        if never and last is not None:
            return Verdict("invalid_command")
        if never:
            if credit_type == "promotional":
                return Verdict("invalid_command")
            ends = None
        else:
            last = self.last_day(credit_type, first) if last is None else last
            days = (last - first).days
            if days < 0 or (credit_type == "promotional" and not 30 <= days <= 90):
                return Verdict("invalid_command")
            ends = self.midnight_after(last, self.zones[account])
            if ends <= at:
                return Verdict("invalid_command")
        place = self.put_down(Lot(account, credit_type, amount, 0, priority, starts, ends, cents=cents))
        act = self.book(kind, account, [Move(account, place, "issued", "available", amount)])
        self.repay_from(place, amount, at)
        return Verdict(act=act)

    def put_down(self, lot: Lot) -> int:
        """A new lot, empty as yet; answers its place."""
        self.lots.append(lot)
        return len(self.lots) - 1

    def repay_from(self, place: int, amount: int, at: datetime) -> None:
        """Credits that arrive pay what is owed, if they can be used already; within the newest act."""
        lot = self.lots[place]
        owed = min(self.owed.get(lot.account, 0), amount)
        if owed and self.is_open(lot, at):
            self.add([Move(lot.account, place, "available", "owed", owed)])

    @staticmethod
    def midnight_after(day: date, zone: ZoneInfo) -> datetime:
        """The first instant that is no longer that day, found by looking every quarter of an hour."""
        instant = datetime(day.year, day.month, day.day, 12, tzinfo=UTC) - timedelta(hours=14)
        while instant.astimezone(zone).date() <= day:
            instant += timedelta(minutes=15)
        return instant

    def is_open(self, lot: Lot, at: datetime) -> bool:
        return lot.starts <= at and not lot.is_over(at)

    def held(self, place: int, at: datetime) -> int:
        """What holds keep of a lot at that instant, whatever is booked."""
        return sum(amount for one in self.holds if one.is_live(at) for where, amount in one.parts if where == place)

    def available(self, account: str, at: datetime) -> int:
        return sum(
            lot.left - self.held(place, at)
            for place, lot in enumerate(self.lots)
            if lot.account == account and self.is_open(lot, at)
        )

    def all_held(self, account: str, at: datetime) -> int:
        return sum(self.held(place, at) for place, lot in enumerate(self.lots) if lot.account == account)

    def balance(self, account: str, at: datetime) -> int:
        return sum(
            self.held(place, at) if lot.is_over(at) else lot.left
            for place, lot in enumerate(self.lots)
            if lot.account == account
        )

    def credit_line(self, account: str, at: datetime) -> int:
        """How much more may be owed."""
        limit, until = self.overdrafts.get(account, (0, None))
        return 0 if until is not None and until <= at else limit - self.owed.get(account, 0)

    def _goes_before(self, one: int, other: int) -> bool:
        """Whether one batch is used before another."""
        a, b = self.lots[one], self.lots[other]
        if a.priority != b.priority:
            return a.priority < b.priority
        if a.ends != b.ends:
            return a.ends is not None and (b.ends is None or a.ends < b.ends)
        if a.starts != b.starts:
            return a.starts < b.starts
        return one < other

    def plan(self, account: str, amount: int, at: datetime) -> tuple[list[tuple[int, int]], int]:
        """What each batch gives in burn order, and what is missing then; nothing moves."""
        parts: list[tuple[int, int]] = []
        while amount:
            best = None
            for place, lot in enumerate(self.lots):
                is_candidate = lot.account == account and lot.free and self.is_open(lot, at)
                if is_candidate and place not in [taken for taken, _ in parts]:
                    best = place if best is None or self._goes_before(place, best) else best
            if best is None:
                return parts, amount
            part = min(amount, self.lots[best].free)
            amount -= part
            parts.append((best, part))
        return parts, 0

    def take(self, account: str, amount: int, *, at: datetime) -> Verdict:
        """A correction takes credits in burn order, all or nothing."""
        parts, missing = self.plan(account, amount, at)
        if missing:
            return Verdict("insufficient_credits")
        moves = [Move(account, place, "available", "removed", part) for place, part in parts]
        return Verdict(takes=parts, act=self.book("adjust", account, moves))

    def take_from(self, account: str, place: int, amount: int, *, at: datetime) -> Verdict:
        """A correction takes credits from one batch, also from one that is not effective yet."""
        lot = self.lots[place]
        if lot.account != account or not lot.left:
            return Verdict("not_found")
        if lot.is_over(at) or lot.free < amount:
            return Verdict("batch_closed")
        act = self.book("adjust", account, [Move(account, place, "available", "removed", amount)])
        return Verdict(takes=[(place, amount)], act=act)

    def top_up(self, account: str, amount: int, cents: int, reference: str, *, at: datetime) -> Verdict:
        if reference in self.references:
            return Verdict("reference_used")
        self.references.append(reference)
        return self.give(account, "purchased", amount, at=at, kind="top_up", cents=cents)

    def sweep(self, account: str, *, at: datetime) -> Verdict:
        """Write off what has expired and is not held, in burn order."""
        gone = [place for place, lot in enumerate(self.lots) if lot.account == account and lot.is_over(at) and lot.free]
        if not gone:
            return Verdict("replayed")
        ordered: list[int] = []
        while gone:
            first = gone[0]
            for place in gone:
                first = place if self._goes_before(place, first) else first
            gone.remove(first)
            ordered.append(first)
        takes = [(place, self.lots[place].free) for place in ordered]
        moves = [Move(account, place, "available", "expired", part) for place, part in takes]
        return Verdict(takes=takes, act=self.book("expire", account, moves))
