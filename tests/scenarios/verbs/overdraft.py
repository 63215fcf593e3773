"""Words about debt.

ask overdraft acme 50 [until 2026-04-01 [00:00]]     a limit; a second person approves it
expect owed acme 15                                  what the account owes
"""

import re
from collections.abc import Callable

from ledger import ApproveOverdraft, Command, credits_to_micro, micro_to_text
from tests.scenarios.interpreter import NUMBER, REASON, WHEN, Line, Story, StoryError


def _overdraft(story: Story, found: re.Match[str], line: Line) -> Command:
    until = story.instant(found[3], found[4], default="00:00") if found[3] else None
    return ApproveOverdraft(found[1], credits_to_micro(found[2]), until, REASON)


def _expect_owed(story: Story, found: re.Match[str], line: Line) -> None:
    (account,) = (row for row in story.rows("entry", found[1])["account"] if row["external_id"] == found[1])
    owed = micro_to_text(account["owed_micro"])
    if owed != found[2]:
        raise StoryError(f"{found[1]} owes {owed}, not {found[2]}")


ACTS: dict[str, Callable[[Story, re.Match[str], Line], Command]] = {
    rf"overdraft (\S+) ({NUMBER})(?: until {WHEN})?": _overdraft,
}
SENTENCES: dict[str, Callable[[Story, re.Match[str], Line], None]] = {
    rf"expect owed (\S+) ({NUMBER})": _expect_owed,
}
