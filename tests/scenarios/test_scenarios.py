"""Every story in tests/scenarios/stories is true on both databases, and the interpreter notices what is not."""

from pathlib import Path

import pytest

from tests.scenarios.interpreter import StoryError, tell

STORIES = sorted((Path(__file__).parent / "stories").glob("*.txt"))


@pytest.mark.parametrize("story", STORIES, ids=lambda path: path.stem)
def test_story(story: Path, database_url: str) -> None:
    tell(story.read_text(encoding="utf-8"), database_url)


def test_there_are_stories() -> None:
    assert len(STORIES) >= 8


START = "customer acme\nprice linux 1\ngrant acme 100 promotional\n"
UNTRUE = [
    ("expect available acme 99", "line 4.*\n.*available is 100, not 99"),
    ("expect batches acme\n  promotional 1 of 100 until 2026-04-01", "the shelf is"),
    ("refused usage acme linux 5 because insufficient_credits", "was not refused"),
    ("refused usage acme linux 500 because not_found", "was refused with insufficient_credits"),
    ("usage acme linux 500", "400 short"),
    ("usage acme linux", "is no use of a feature"),
    ("grant acme 5 referral tomorrow", "'tomorrow' is not understood"),
    ("give acme 5", "is not understood"),
    ("expect used nobody 1", "there is no customer nobody"),
]


@pytest.mark.parametrize(("line", "complaint"), UNTRUE)
def test_an_untrue_line_is_named(sqlite_url: str, line: str, complaint: str) -> None:
    with pytest.raises(StoryError, match=complaint):
        tell(START + line, sqlite_url)
