"""Words about four eyes.

ask <any act>                       ada asks for it; nothing happens yet
approve [as bea]                    bea, another admin unless said, approves the newest request
refuse                              bea refuses it
refused approve as ada because …    one's own request
expect waiting 1                    how many requests wait for somebody
"""

import re
from collections.abc import Callable

from ledger import Actor, AskApproval, Command, DecideApproval, Role
from tests.operations.books import all_rows
from tests.scenarios.interpreter import Line, Story, StoryError


def _ask(story: Story, found: re.Match[str], line: Line) -> Command:
    return AskApproval(story.command(Line(line.number, found[1], line.below)))


def _decide(story: Story, found: re.Match[str], line: Line) -> Command:
    waiting = [row["id"] for row in all_rows(story.ledger)["approval"] if row["state"] == "asked"]
    if not waiting:
        raise StoryError("nothing waits for approval")
    if found[2] != "ada":
        story.actor = Actor("bea@example.com", Role.ADMIN)
    return DecideApproval(waiting[-1], found[1] == "approve", "decided in a story")


def _expect_waiting(story: Story, found: re.Match[str], line: Line) -> None:
    waiting = sum(row["state"] == "asked" for row in all_rows(story.ledger)["approval"])
    if waiting != int(found[1]):
        raise StoryError(f"{waiting} requests are waiting")


ACTS: dict[str, Callable[[Story, re.Match[str], Line], Command]] = {
    r"ask (.+)": _ask,
    r"(approve|refuse)(?: as (\w+))?": _decide,
}
SENTENCES: dict[str, Callable[[Story, re.Match[str], Line], None]] = {
    r"expect waiting (\d+)": _expect_waiting,
}
