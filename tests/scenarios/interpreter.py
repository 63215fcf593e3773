"""Runs stories about credits that are written as text: one sentence per line, "#" begins a comment.

What can be said (square brackets: may be left out; days and times are the company's, last days the customer's):

    company zone Europe/Berlin                      only as the first line; Europe/Berlin unless said
    at 2026-03-10 [12:00]                           it is now that time
    advance 100 days                                or hours, minutes, seconds
    customer acme [zone Asia/Tokyo] [organisation north]
    price linux 1 [from 2026-03-01 [00:00]]         credits per unit; in force since long ago unless said
    grant acme 100 promotional [expires 2026-06-08] [never expires] [from 2026-04-01 [09:00]] [priority -1]
                                                    [only for linux,macos]
    top-up acme 1000 for 10.00 USD ref INV-1        the same endings as grant
    add acme 50                                     a correction upwards
    remove acme 50 [from batch 2]                   a correction downwards; batches count from 1 as they were given
    usage acme linux 150 [on 2026-03-01 [10:00]] [id call-7] [by ana]
    import acme                                     many uses at once, each in an indented line below:
        linux 5 on 2026-03-01 10:00 id call-8
    sweep                                           book what has expired
    again                                           send the last act once more, with the same key
    refused <any act> because insufficient_credits  it is refused with that code and books nothing
    expect …                                        see EXPECTATIONS below

Further words, for holds, refunds, transfers and so on, stand in the modules of tests/scenarios/verbs/.

After every line the books are audited, so a story proves more than it says.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from ledger import (
    SYSTEM,
    Actor,
    AdjustBalance,
    Command,
    CreditType,
    ExpireDue,
    IssueGrant,
    Ledger,
    LedgerError,
    Money,
    OpenAccount,
    Reason,
    Receipt,
    RecordTopUp,
    RecordUsage,
    RecordUsageBulk,
    SetFeaturePrice,
    UsageEvent,
    credits_to_micro,
    micro_to_text,
    open_ledger,
    queries,
)
from ledger.clock import FixedClock
from ledger.core.amounts import share_of_cost_cents
from ledger.core.burn import burn_key
from ledger.core.lifecycle import last_day
from ledger.core.records import Batch
from ledger.models import company
from tests.kit.factories import ADMIN
from tests.operations.books import Rows, all_rows, audit
from tests.scenarios import verbs

REASON = Reason("story", "told by a scenario")
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
NUMBER = r"-?[\d.]+"
WHEN = r"(\d{4}-\d\d-\d\d)(?: (\d\d:\d\d(?::\d\d)?))?"


class StoryError(Exception):
    """A line of a story that is not true, or not understood; says which."""


@dataclass(frozen=True, slots=True)
class Line:
    """One sentence with the indented lines below it."""

    number: int
    text: str
    below: tuple[str, ...] = ()


def read(text: str, *, first_line: int = 1) -> list[Line]:
    """The sentences of a story, without comments and empty lines."""
    lines: list[Line] = []
    for number, raw in enumerate(text.splitlines(), first_line):
        said = raw.split("#")[0].rstrip()
        if not said.strip():
            continue
        if said.startswith((" ", "\t")):
            if not lines:
                raise StoryError(f"line {number}: is indented, but there is nothing above it")
            last = lines[-1]
            lines[-1] = Line(last.number, last.text, (*last.below, " ".join(said.split())))
        else:
            lines.append(Line(number, " ".join(said.split())))
    return lines


def tell(text: str, url: str, *, first_line: int = 1) -> None:
    """Run a story on a freshly migrated database. Raises StoryError at the first line that is not true."""
    lines = read(text, first_line=first_line)
    zone = "Europe/Berlin"
    if lines and (named := re.fullmatch(r"company zone (\S+)", lines[0].text)):
        zone, lines = named[1], lines[1:]
    clock = FixedClock(datetime(2026, 1, 1, 12, tzinfo=ZoneInfo(zone)))
    ledger = open_ledger(url, clock=clock)
    with ledger.database.engine.begin() as connection:
        connection.execute(sa.update(company).values(zone=zone))
    ledger.database.dispose()
    ledger = open_ledger(url, clock=clock)
    try:
        story = Story(ledger, clock)
        for line in lines:
            try:
                story.play(line)
            except (StoryError, LedgerError, ValueError) as error:
                raise StoryError(f"line {line.number}: {line.text}\n    {error}") from error
            if wrong := audit(ledger):
                raise StoryError(f"line {line.number}: {line.text}\n    the books do not add up: {wrong}")
    finally:
        ledger.database.dispose()


@dataclass
class Story:
    """A story while it is told."""

    ledger: Ledger
    clock: FixedClock
    zones: dict[str, ZoneInfo] = field(default_factory=dict)
    acts: int = 0
    actor: Actor = ADMIN
    last: tuple[Command, str, Receipt] | None = None
    # What the modules of tests/scenarios/verbs/ remember between sentences, by a name of theirs.
    memory: dict[str, Any] = field(default_factory=dict)

    def play(self, line: Line) -> None:
        """Do, or check, what one sentence says."""
        _learn()
        for pattern, sentence in SENTENCES.items():
            if found := re.fullmatch(pattern, line.text):
                sentence(self, found, line)
                return
        command = self.command(line)
        self.last = (command, self.next_key(), self.ledger.execute(command, actor=self.actor, key=self.key))

    def command(self, line: Line) -> Command:
        """The command that an act stands for; its maker may set who acts, who is ada unless said."""
        self.actor = ADMIN
        for pattern, make in ACTS.items():
            if found := re.fullmatch(pattern, line.text):
                return make(self, found, line)
        raise StoryError("is not understood; tests/scenarios/interpreter.py lists what can be said")

    @property
    def key(self) -> str:
        return f"act-{self.acts}"

    def next_key(self) -> str:
        self.acts += 1
        return self.key

    def instant(self, day: str, hour: str | None, *, default: str = "12:00") -> datetime:
        """A day and a time of the company as an instant."""
        local = datetime.combine(date.fromisoformat(day), time.fromisoformat(hour or default))
        return local.replace(tzinfo=self.ledger.company_zone).astimezone(UTC)

    def batches(self, account: str | None = None) -> list[dict[str, object]]:
        """The rows of an account's batches, or of all, as they were given."""
        rows = all_rows(self.ledger)
        names = {row["id"]: row["external_id"] for row in rows["account"]}
        return [row for row in rows["batch"] if account is None or names[row["account_id"]] == account]

    def rows(self, table: str, account: str) -> Rows:
        """Rows of one account in a table, beside the accounts and batches."""
        rows = all_rows(self.ledger)
        ids = {row["id"] for row in rows["account"] if row["external_id"] == account}
        if not ids:
            raise StoryError(f"there is no customer {account}")
        return rows | {table: [row for row in rows[table] if row["account_id"] in ids]}


# Acts: sentences that become a command.


def _customer(story: Story, found: re.Match[str], line: Line) -> Command:
    account, zone = found[1], found[2] or story.ledger.company_zone.key
    story.zones[account] = ZoneInfo(zone)
    return OpenAccount(account, account.title(), zone=zone, organisation=found[3] or "")


def _price(story: Story, found: re.Match[str], line: Line) -> Command:
    since = story.instant(found[3], found[4], default="00:00") if found[3] else LONG_AGO
    return SetFeaturePrice(found[1], credits_to_micro(found[2]), effective_at=since)


def _endings(story: Story, text: str) -> dict[str, object]:
    """What may follow a grant or a top-up: expiry, start, priority."""
    given: dict[str, object] = {}
    patterns = (
        r"expires (\d{4}-\d\d-\d\d)",
        "never expires",
        rf"from {WHEN}",
        r"priority (-?\d+)",
        r"only for (\S+)",
    )
    rest = text
    for pattern in patterns:
        found = re.search(rf" {pattern}(?= |$)", rest)
        if found is None:
            continue
        rest = rest.replace(found[0], "", 1)
        if pattern.startswith("expires"):
            given["expires_on"] = date.fromisoformat(found[1])
        elif pattern.startswith("never"):
            given["never_expires"] = True
        elif pattern.startswith("only"):
            given["features"] = tuple(found[1].split(","))
        elif pattern.startswith("from"):
            given["effective_at"] = story.instant(found[1], found[2], default="00:00")
        else:
            given["priority"] = int(found[1])
    if rest.strip():
        raise StoryError(f"{rest.strip()!r} is not understood")
    return given


def _grant(story: Story, found: re.Match[str], line: Line) -> Command:
    more = _endings(story, found[4])
    return IssueGrant(found[1], CreditType(found[3]), credits_to_micro(found[2]), REASON, **more)  # type: ignore[arg-type]


def _top_up(story: Story, found: re.Match[str], line: Line) -> Command:
    price = Money(int(Decimal(found[3]) * 100), found[4])
    more = _endings(story, found[6])
    return RecordTopUp(found[1], credits_to_micro(found[2]), price, found[5], REASON, **more)  # type: ignore[arg-type]


def _add(story: Story, found: re.Match[str], line: Line) -> Command:
    return AdjustBalance(found[1], credits_to_micro(found[2]), REASON)


def _remove(story: Story, found: re.Match[str], line: Line) -> Command:
    batch_id = None
    if found[3]:
        batch_id = int(str(story.batches(found[1])[int(found[3]) - 1]["id"]))
    return AdjustBalance(found[1], -credits_to_micro(found[2]), REASON, batch_id=batch_id)


def _event(story: Story, text: str, *, default_id: str) -> UsageEvent:
    found = re.fullmatch(rf"(\S+) ({NUMBER})(?: on {WHEN})?(?: id (\S+))?(?: by (\S+))?", text)
    if found is None:
        raise StoryError(f"{text!r} is no use of a feature; say: linux 5 on 2026-03-01 10:00 id call-7")
    at = story.instant(found[3], found[4]) if found[3] else story.clock.now()
    return UsageEvent(found[5] or default_id, found[1], at, credits_to_micro(found[2]), member=found[6] or "")


def _usage(story: Story, found: re.Match[str], line: Line) -> Command:
    return RecordUsage(found[1], _event(story, found[2], default_id=f"event-{line.number}"))


def _import(story: Story, found: re.Match[str], line: Line) -> Command:
    events = (
        _event(story, text, default_id=f"event-{line.number}-{place}") for place, text in enumerate(line.below, 1)
    )
    return RecordUsageBulk(found[1], tuple(events))


ACTS: dict[str, Callable[[Story, re.Match[str], Line], Command]] = {
    r"customer (\S+)(?: zone (\S+))?(?: organisation (\S+))?": _customer,
    rf"price (\S+) ({NUMBER})(?: from {WHEN})?": _price,
    rf"grant (\S+) ({NUMBER}) (promotional|referral|compensation|rollover)(.*)": _grant,
    rf"top-up (\S+) ({NUMBER}) for ([\d.]+) ([A-Z]{{3}}) ref (\S+)(.*)": _top_up,
    rf"add (\S+) ({NUMBER})": _add,
    rf"remove (\S+) ({NUMBER})(?: from batch (\d+))?": _remove,
    r"usage (\S+) (.+)": _usage,
    r"import (\S+)": _import,
}


# Time, repetition, refusal.


def _at(story: Story, found: re.Match[str], line: Line) -> None:
    story.clock.set(story.instant(found[1], found[2]))


def _advance(story: Story, found: re.Match[str], line: Line) -> None:
    story.clock.advance(timedelta(**{found[2] + "s": int(found[1])}))


def _sweep(story: Story, found: re.Match[str], line: Line) -> None:
    for account in story.zones:
        story.ledger.execute(ExpireDue(account), actor=SYSTEM, key=story.next_key())


def _again(story: Story, found: re.Match[str], line: Line) -> None:
    if story.last is None:
        raise StoryError("nothing was done yet")
    command, key, receipt = story.last
    before = all_rows(story.ledger)
    repeated = story.ledger.execute(command, actor=story.actor, key=key)
    if repeated != receipt.as_replayed() or all_rows(story.ledger) != before:
        raise StoryError(f"was not answered as the first time: {repeated}")


def _refused(story: Story, found: re.Match[str], line: Line) -> None:
    before = all_rows(story.ledger)
    command = story.command(Line(line.number, found[1], line.below))
    try:
        story.ledger.execute(command, actor=story.actor, key=story.next_key())
    except LedgerError as error:
        if error.code != found[2]:
            raise StoryError(f"was refused with {error.code}: {error}") from error
    else:
        raise StoryError("was not refused")
    if all_rows(story.ledger) != before:
        raise StoryError("was refused, but something was written")


# Expectations.


def _compare(what: str, expected: object, found: object) -> None:
    if expected != found:
        raise StoryError(f"{what} is {found}, not {expected}")


def _shelf(story: Story, account: str) -> tuple[int, int]:
    statement = queries.balances(at=story.clock.now(), account_name=account)
    with story.ledger.database.reader.connect() as connection:
        rows = connection.execute(statement).all()
    available = sum(row.available_micro for row in rows)
    return available, available + sum(row.held_micro + row.scheduled_micro for row in rows)


def _expect_available(story: Story, found: re.Match[str], line: Line) -> None:
    _compare("available", found[2], micro_to_text(_shelf(story, found[1])[0]))


def _expect_balance(story: Story, found: re.Match[str], line: Line) -> None:
    _compare("the balance", found[2], micro_to_text(_shelf(story, found[1])[1]))


def _expect_batches(story: Story, found: re.Match[str], line: Line) -> None:
    now = story.clock.now()
    shown = []
    alive: list[tuple[Batch, int]] = []
    for row in story.batches(found[1]):
        names = ("id", "credit_type", "remaining_micro", "held_micro", "priority", "effective_at", "expires_at")
        one = Batch(**{name: row[name] for name in names})  # type: ignore[arg-type]
        if one.remaining_micro and (one.expires_at is None or one.expires_at > now):
            alive.append((one, int(str(row["granted_micro"]))))
    for one, granted in sorted(alive, key=lambda pair: burn_key(pair[0])):
        day = "never" if one.expires_at is None else last_day(one.expires_at, story.zones[found[1]]).isoformat()
        shown.append(
            f"{one.credit_type} {micro_to_text(one.remaining_micro)} of {micro_to_text(granted)} "
            + ("never expires" if one.expires_at is None else f"until {day}")
        )
    _compare("the shelf", list(line.below), shown)


def _moved(story: Story, account: str, bucket: str) -> int:
    return sum(row["amount_micro"] for row in story.rows("entry", account)["entry"] if row["to_bucket"] == bucket)


def _expect_moved(story: Story, found: re.Match[str], line: Line) -> None:
    _compare(found[1], found[3], micro_to_text(_moved(story, found[2], found[1])))


def _expect_used(story: Story, found: re.Match[str], line: Line) -> None:
    account, number, period = found[1], found[2], found[3]
    used = sum(
        row["used_micro"]
        for row in story.rows("usage_daily", account)["usage_daily"]
        if period is None or row["day"].isoformat().startswith(period)
    )
    _compare("used", number, micro_to_text(used))


def _expect_cost(story: Story, found: re.Match[str], line: Line) -> None:
    account, amount, currency = found[1], found[2], found[3]
    cents = sum(
        share_of_cost_cents(
            int(str(row["cost_cents"])),
            part_micro=int(str(row["remaining_micro"])),
            whole_micro=int(str(row["granted_micro"])),
        )
        for row in story.batches(account)
        if row["currency"] == currency
    )
    _compare("the cost left", amount, f"{Decimal(cents) / 100:.2f}")


def _expect_events(story: Story, found: re.Match[str], line: Line) -> None:
    if story.last is None:
        raise StoryError("nothing was done yet")
    receipt = story.last[2]
    counted = (receipt.events_recorded, receipt.events_replayed, len(receipt.refusals))
    _compare("recorded, replayed, refused", tuple(int(found[n]) for n in (1, 2, 3)), counted)
    if line.below:
        _compare("the refusals", list(line.below), [f"{one.event_id} {one.code}" for one in receipt.refusals])


def _expect_takes(story: Story, found: re.Match[str], line: Line) -> None:
    if story.last is None:
        raise StoryError("nothing was done yet")
    takes = [f"{take.credit_type} {micro_to_text(take.amount_micro)}" for take in story.last[2].takes]
    _compare("taken", found[1], ", ".join(takes))


def _expect_ratio(story: Story, found: re.Match[str], line: Line) -> None:
    """KPIs over the whole story of all customers, from entries alone."""
    rows = all_rows(story.ledger)
    types = {row["id"]: row["credit_type"] for row in rows["batch"]}

    def moved(bucket: str, *, issued: bool = False, credit_type: str | None = None) -> int:
        side = "from_bucket" if issued else "to_bucket"
        return sum(
            row["amount_micro"]
            for row in rows["entry"]
            if row[side] == bucket and credit_type in (None, types[row["batch_id"]])
        )

    parts = {
        "utilization": lambda: (
            moved("consumed", credit_type="purchased"),
            moved("issued", issued=True, credit_type="purchased"),
        ),
        "expiration rate": lambda: (moved("expired"), moved("issued", issued=True)),
    }
    part, whole = parts[found[1]]()
    said = Decimal(found[2])
    _compare(found[1], said, (Decimal(100 * part) / Decimal(whole)).quantize(said, ROUND_HALF_UP))


SENTENCES: dict[str, Callable[[Story, re.Match[str], Line], None]] = {
    rf"at {WHEN}": _at,
    r"advance (\d+) (day|hour|minute|second)s?": _advance,
    r"sweep": _sweep,
    r"again": _again,
    r"refused (.+) because (\w+)": _refused,
}
EXPECTATIONS: dict[str, Callable[[Story, re.Match[str], Line], None]] = {
    # expect available acme 950: what can be used now
    rf"expect available (\S+) ({NUMBER})": _expect_available,
    # expect balance acme 950: that, and what becomes effective later
    rf"expect balance (\S+) ({NUMBER})": _expect_balance,
    # expect batches acme, and below it in burn order: promotional 50 of 100 until 2026-06-08
    r"expect batches (\S+)": _expect_batches,
    # expect expired acme 50: as the books say, so after a sweep
    rf"expect (expired|removed|consumed) (\S+) ({NUMBER})": _expect_moved,
    # expect used acme 150 on 2026-03-01: by the day on which it happened; also "in 2026-03", or nothing for ever
    rf"expect used (\S+) ({NUMBER})(?: (?:on|in) ([\d-]+))?": _expect_used,
    # expect cost left acme 5.00 USD: cost basis of what is left
    r"expect cost left (\S+) ([\d.]+) ([A-Z]{3})": _expect_cost,
    # expect recorded 2, replayed 0, refused 1: of the import just done; below it: call-7 insufficient_credits
    r"expect recorded (\d+), replayed (\d+), refused (\d+)": _expect_events,
    # expect taken promotional 100, purchased 30: where the last act took its credits
    r"expect taken (.+)": _expect_takes,
    # expect utilization 25 %: over all customers and the whole story; also expiration rate
    r"expect (utilization|expiration rate) ([\d.]+) %": _expect_ratio,
}
SENTENCES |= EXPECTATIONS


@cache
def _learn() -> None:
    """Add the words of tests/scenarios/verbs/, whose modules import this one."""
    for module in verbs.modules():
        ACTS.update(module.ACTS)
        SENTENCES.update(module.SENTENCES)


def stories_in(markdown: str) -> Iterator[tuple[int, str]]:
    """The fenced stories of a document, each with the number of its first line."""
    lines = markdown.splitlines()
    start = None
    for number, line in enumerate(lines, 1):
        if start is None and line.strip() == "```story":
            start = number
        elif start is not None and line.strip() == "```":
            yield start + 1, "\n".join(lines[start : number - 1])
            start = None
    if start is not None:
        raise StoryError(f"the story in line {start} never ends")
