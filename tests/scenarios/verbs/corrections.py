"""Words about taking back and living longer.

void acme batch 2                   what is left of the second batch leaves; batches count from 1 as they were given
reverse                             the newest transaction that is no reversal, and was not reversed before
reverse usage 2                     the second transaction of that kind, counted from 1 over the whole story
refused reverse that because …      the transaction that was reversed last, once more
extend acme batch 1 through 2026-07-31
extend acme batch 1 for ever
"""

import re
from collections.abc import Callable
from datetime import date

from ledger import Command, ExtendExpiry, ReverseTransaction, VoidBatch
from tests.operations.books import all_rows
from tests.scenarios.interpreter import REASON, Line, Story, StoryError


def _batch(story: Story, account: str, number: str) -> int:
    return int(str(story.batches(account)[int(number) - 1]["id"]))


def _void(story: Story, found: re.Match[str], line: Line) -> Command:
    return VoidBatch(found[1], _batch(story, found[1], found[2]), REASON)


def _reverse(story: Story, found: re.Match[str], line: Line) -> Command:
    rows = all_rows(story.ledger)["transaction"]
    taken_back = [row["reverses_id"] for row in rows if row["reverses_id"] is not None]
    if found[1] == "that":
        return ReverseTransaction(taken_back[-1], REASON)
    if found[1]:
        return ReverseTransaction([row["id"] for row in rows if row["kind"] == found[1]][int(found[2]) - 1], REASON)
    candidates = [row["id"] for row in rows if row["reverses_id"] is None and row["id"] not in taken_back]
    if not candidates:
        raise StoryError("nothing is left to be reversed")
    return ReverseTransaction(candidates[-1], REASON)


def _extend(story: Story, found: re.Match[str], line: Line) -> Command:
    day = date.fromisoformat(found[3]) if found[3] else None
    batch_id = _batch(story, found[1], found[2])
    return ExtendExpiry(found[1], batch_id, REASON, expires_on=day, never_expires=day is None)


ACTS: dict[str, Callable[[Story, re.Match[str], Line], Command]] = {
    r"void (\S+) batch (\d+)": _void,
    r"reverse(?: (that|[a-z_]+)(?: (\d+))?)?": _reverse,
    r"extend (\S+) batch (\d+) (?:through (\d{4}-\d\d-\d\d)|for ever)": _extend,
}
SENTENCES: dict[str, Callable[[Story, re.Match[str], Line], None]] = {}
