"""Words about the past and about proof.

close through 2026-03-31
reopen [through 2026-02-28]
seal
expect as of 2026-03-05 12:00 [known 2026-03-09 [12:00]] acme 100     available then
expect sealed 5
expect proof                        reconciliation, rebuild and seal find nothing wrong
"""

import re
from collections.abc import Callable
from datetime import date

from ledger import Actor, ClosePeriod, Command, ReopenPeriod, Role, micro_to_text
from ledger.as_of import balance_as_of
from ledger.rebuild import differences
from ledger.reconcile import reconcile
from ledger.sealing import seal_new, verify
from tests.operations.books import all_rows
from tests.scenarios.interpreter import REASON, WHEN, Line, Story, StoryError


def _close(story: Story, found: re.Match[str], line: Line) -> Command:
    story.actor = Actor("fritz@example.com", Role.FINANCE)
    return ClosePeriod(date.fromisoformat(found[1]), REASON)


def _reopen(story: Story, found: re.Match[str], line: Line) -> Command:
    return ReopenPeriod(date.fromisoformat(found[1]) if found[1] else None, REASON)


def _seal(story: Story, found: re.Match[str], line: Line) -> None:
    seal_new(story.ledger)


def _expect_as_of(story: Story, found: re.Match[str], line: Line) -> None:
    at = story.instant(found[1], found[2])
    known_at = story.instant(found[3], found[4]) if found[3] else story.clock.now()
    with story.ledger.database.reader.connect() as connection:
        then = balance_as_of(connection, found[5], at=at, known_at=known_at)
    if micro_to_text(then.available_micro) != found[6]:
        raise StoryError(f"{micro_to_text(then.available_micro)} were available then")


def _expect_sealed(story: Story, found: re.Match[str], line: Line) -> None:
    links = len(all_rows(story.ledger)["seal"])
    if links != int(found[1]):
        raise StoryError(f"{links} transactions are sealed")


def _expect_proof(story: Story, found: re.Match[str], line: Line) -> None:
    ledger = story.ledger
    with ledger.database.reader.connect() as connection:
        is_sqlite, zone = ledger.database.is_sqlite, ledger.company_zone
        wrong = [
            *reconcile(connection).findings,
            *differences(connection.execute, is_sqlite=is_sqlite, zone=zone),
            *verify(connection),
        ]
    if wrong:
        raise StoryError(f"is not proven: {wrong}")


ACTS: dict[str, Callable[[Story, re.Match[str], Line], Command]] = {
    r"close through (\S+)": _close,
    r"reopen(?: through (\S+))?": _reopen,
}
SENTENCES: dict[str, Callable[[Story, re.Match[str], Line], None]] = {
    r"seal": _seal,
    rf"expect as of {WHEN}(?: known {WHEN})? (\S+) (\S+)": _expect_as_of,
    r"expect sealed (\d+)": _expect_sealed,
    r"expect proof": _expect_proof,
}
