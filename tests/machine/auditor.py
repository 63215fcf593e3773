"""A second set of books, kept in plain lists by somebody who has read the rules and not the code.

Everything is looked up by walking through all of it; nothing is cached, sorted ahead or shared with the product.
Amounts in micro-credits, instants aware UTC. Source: docs/accounting.md.
"""

from calendar import monthrange
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

MICRO = 1_000_000


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


@dataclass
class Verdict:
    """What the auditor expects: a refusal by its code, or what each batch gives, by its place in the list."""

    refusal: str | None = None
    takes: list[tuple[int, int]] = field(default_factory=list)


@dataclass
class Auditor:
    zone: ZoneInfo
    zones: dict[str, ZoneInfo] = field(default_factory=dict)
    lots: list[Lot] = field(default_factory=list)
    prices: list[tuple[str, datetime, int]] = field(default_factory=list)
    events: dict[tuple[str, str], tuple[str, int, datetime]] = field(default_factory=dict)
    used: dict[tuple[str, date, str, str], int] = field(default_factory=dict)
    references: list[str] = field(default_factory=list)
    expired: int = 0

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
        self.lots.append(Lot(account, credit_type, amount, amount, priority, starts, ends))
        return Verdict()

    @staticmethod
    def midnight_after(day: date, zone: ZoneInfo) -> datetime:
        """The first instant that is no longer that day, found by looking every quarter of an hour."""
        instant = datetime(day.year, day.month, day.day, 12, tzinfo=UTC) - timedelta(hours=14)
        while instant.astimezone(zone).date() <= day:
            instant += timedelta(minutes=15)
        return instant

    def is_open(self, lot: Lot, at: datetime) -> bool:
        return lot.starts <= at and (lot.ends is None or at < lot.ends)

    def available(self, account: str, at: datetime) -> int:
        return sum(lot.left for lot in self.lots if lot.account == account and self.is_open(lot, at))

    def balance(self, account: str, at: datetime) -> int:
        return sum(lot.left for lot in self.lots if lot.account == account and (lot.ends is None or at < lot.ends))

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

    def take(self, account: str, amount: int, *, at: datetime) -> Verdict:
        """Take credits in burn order, all or nothing."""
        if self.available(account, at) < amount:
            return Verdict("insufficient_credits")
        takes = []
        while amount:
            best = None
            for place, lot in enumerate(self.lots):
                if lot.account == account and lot.left and self.is_open(lot, at):
                    best = place if best is None or self._goes_before(place, best) else best
            assert best is not None
            part = min(amount, self.lots[best].left)
            self.lots[best].left -= part
            amount -= part
            takes.append((best, part))
        return Verdict(takes=takes)

    def take_from(self, account: str, place: int, amount: int, *, at: datetime) -> Verdict:
        """Take credits from one batch, also from one that is not effective yet."""
        lot = self.lots[place]
        if lot.account != account or not lot.left:
            return Verdict("not_found")
        if (lot.ends is not None and lot.ends <= at) or lot.left < amount:
            return Verdict("batch_closed")
        lot.left -= amount
        return Verdict(takes=[(place, amount)])

    def top_up(self, account: str, amount: int, reference: str, *, at: datetime) -> Verdict:
        if reference in self.references:
            return Verdict("reference_used")
        self.references.append(reference)
        return self.give(account, "purchased", amount, at=at)

    def price(self, feature: str, since: datetime, credits_micro: int) -> Verdict:
        if any(one == feature and from_ == since for one, from_, _ in self.prices):
            return Verdict("invalid_command")
        self.prices.append((feature, since, credits_micro))
        return Verdict()

    def charge(
        self, account: str, event: str, feature: str, quantity: int, happened: datetime, *, at: datetime
    ) -> Verdict:
        """Charge one use; "replayed" is a refusal here, because nothing moves."""
        content = (feature, quantity, happened)
        if (account, event) in self.events:
            return Verdict("replayed" if self.events[account, event] == content else "event_reused")
        if happened > at + timedelta(minutes=5):
            return Verdict("invalid_command")
        since, price = None, 0
        for one, from_, credits_micro in self.prices:
            if one == feature and from_ <= happened and (since is None or from_ > since):
                since, price = from_, credits_micro
        if since is None:
            return Verdict("not_found")
        cost, rest = divmod(price * quantity, MICRO)
        verdict = self.take(account, cost + (1 if rest else 0), at=at)
        if verdict.refusal is None:
            self.events[account, event] = content
            day = happened.astimezone(self.zone).date()
            for place, part in verdict.takes:
                cell = (account, day, feature, self.lots[place].credit_type)
                self.used[cell] = self.used.get(cell, 0) + part
        return verdict

    def sweep(self, account: str, *, at: datetime) -> list[tuple[int, int]]:
        """Write off what has expired; answers how much of which batch."""
        gone = []
        for place, lot in enumerate(self.lots):
            if lot.account == account and lot.ends is not None and lot.ends <= at and lot.left:
                gone.append((place, lot.left))
                self.expired += lot.left
                lot.left = 0
        return gone
