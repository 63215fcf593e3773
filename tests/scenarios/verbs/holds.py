"""Words about holds and about giving credits back.

hold acme job-1 30 [for linux] [until 2026-03-11 [12:00]] [by maya]    without "until" it never times out
capture acme job-1 [20] [id call-1] [on 2026-03-01 [10:00]]            all of it unless an amount is said
release acme job-1
extend acme job-1 until 2026-03-12 [12:00]
give back acme 10 from call-1                                          or: give back acme all from call-1
expect held acme 30                                                    as reads say it now
expect hold acme job-1 captured 20                                     open, captured, released, lapsed; as booked
expect returned promotional 5, purchased 10                            what the last act put back
expect expired again promotional 5                                     what of that expired at once; also: nothing
"""

import re
from collections.abc import Callable, Iterable

from ledger import (
    CaptureHold,
    Command,
    ExtendHold,
    GiveBack,
    PlaceHold,
    ReleaseHold,
    Take,
    credits_to_micro,
    micro_to_text,
    queries,
)
from tests.scenarios.interpreter import NUMBER, REASON, WHEN, Line, Story, StoryError


def _hold(story: Story, found: re.Match[str], line: Line) -> Command:
    until = story.instant(found[5], found[6]) if found[5] else None
    return PlaceHold(found[1], found[2], found[4] or "linux", credits_to_micro(found[3]), until, found[7] or "")


def _capture(story: Story, found: re.Match[str], line: Line) -> Command:
    amount = credits_to_micro(found[3]) if found[3] else None
    at = story.instant(found[5], found[6]) if found[5] else None
    return CaptureHold(found[1], found[2], found[4] or f"event-{line.number}", amount, at)


def _release(story: Story, found: re.Match[str], line: Line) -> Command:
    return ReleaseHold(found[1], found[2], REASON)


def _extend(story: Story, found: re.Match[str], line: Line) -> Command:
    return ExtendHold(found[1], found[2], story.instant(found[3], found[4]), REASON)


def _give_back(story: Story, found: re.Match[str], line: Line) -> Command:
    amount = None if found[2] == "all" else credits_to_micro(found[2])
    return GiveBack(found[1], found[3], REASON, amount)


def _expect_held(story: Story, found: re.Match[str], line: Line) -> None:
    statement = queries.balances(at=story.clock.now(), account_name=found[1])
    with story.ledger.database.reader.connect() as connection:
        held = micro_to_text(sum(row.held_micro for row in connection.execute(statement)))
    if held != found[2]:
        raise StoryError(f"held is {held}, not {found[2]}")


def _expect_hold(story: Story, found: re.Match[str], line: Line) -> None:
    rows = [row for row in story.rows("hold", found[1])["hold"] if row["reference"] == found[2]]
    states = [row["state"] + (f" {micro_to_text(row['captured_micro'])}" if found[4] else "") for row in rows]
    wanted = found[3] + (f" {found[4]}" if found[4] else "")
    if states != [wanted]:
        raise StoryError(f"the hold is {states}, not {wanted}")


def _expect_returned(story: Story, found: re.Match[str], line: Line) -> None:
    _compare_takes(found[1], () if story.last is None else story.last[2].returned)


def _expect_expired_again(story: Story, found: re.Match[str], line: Line) -> None:
    _compare_takes(found[1], () if story.last is None else story.last[2].expired)


def _compare_takes(wanted: str, takes: Iterable[Take]) -> None:
    said = ", ".join(f"{take.credit_type} {micro_to_text(take.amount_micro)}" for take in takes) or "nothing"
    if said != wanted:
        raise StoryError(f"it is {said}, not {wanted}")


ACTS: dict[str, Callable[[Story, re.Match[str], Line], Command]] = {
    rf"hold (\S+) (\S+) ({NUMBER})(?: for (\S+))?(?: until {WHEN})?(?: by (\S+))?": _hold,
    rf"capture (\S+) (\S+)(?: ({NUMBER}))?(?: id (\S+))?(?: on {WHEN})?": _capture,
    r"release (\S+) (\S+)": _release,
    rf"extend (\S+) (\S+) until {WHEN}": _extend,
    rf"give back (\S+) (all|{NUMBER}) from (\S+)": _give_back,
}
SENTENCES: dict[str, Callable[[Story, re.Match[str], Line], None]] = {
    rf"expect held (\S+) ({NUMBER})": _expect_held,
    rf"expect hold (\S+) (\S+) (open|captured|released|lapsed)(?: ({NUMBER}))?": _expect_hold,
    r"expect returned (.+)": _expect_returned,
    r"expect expired again (.+)": _expect_expired_again,
}
