"""Words about files; each row is an act in an indented line, booked once under its words and its number.

file spring [good rows only]
    grant acme 100 promotional
    remove bolt 5
undo file spring
expect file booked 2, replayed 0, refused 0
"""

import re
from collections.abc import Callable

from ledger import AdjustBalance, BookFile, Command, FileRow, IssueGrant, UndoFile
from tests.operations.books import all_rows
from tests.scenarios.interpreter import REASON, Line, Story, StoryError


def _file(story: Story, found: re.Match[str], line: Line) -> Command:
    rows = []
    for number, text in enumerate(line.below, 1):
        command = story.command(Line(line.number + number, text))
        if not isinstance(command, IssueGrant | AdjustBalance):
            raise StoryError(f"{text!r} is no grant and no adjustment")
        rows.append(FileRow(number, f"{found[1]}:{text}", command))
    return BookFile(found[1], tuple(rows), REASON, good_rows_only=bool(found[2]))


def _undo(story: Story, found: re.Match[str], line: Line) -> Command:
    booked = [
        row["id"]
        for row in all_rows(story.ledger)["transaction"]
        if row["kind"] == "file" and len(row["receipt"].get("made", ())) > 1
    ]
    return UndoFile(booked[-1], REASON)


def _expect_file(story: Story, found: re.Match[str], line: Line) -> None:
    assert story.last is not None
    receipt = story.last[2]
    told = (receipt.events_recorded, receipt.events_replayed, len(receipt.refusals))
    if told != tuple(int(found[n]) for n in (1, 2, 3)):
        raise StoryError(f"booked, replayed, refused are {told}")


ACTS: dict[str, Callable[[Story, re.Match[str], Line], Command]] = {
    r"file (\S+)( good rows only)?": _file,
    r"undo file (\S+)": _undo,
}
SENTENCES: dict[str, Callable[[Story, re.Match[str], Line], None]] = {
    r"expect file booked (\d+), replayed (\d+), refused (\d+)": _expect_file,
}
