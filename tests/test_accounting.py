"""The worked examples of docs/accounting.md are true, on both databases."""

import re
from pathlib import Path

import pytest

from tests.scenarios.interpreter import stories_in, tell

DOCUMENT = Path(__file__).parents[1] / "docs/accounting.md"
TEXT = DOCUMENT.read_text(encoding="utf-8")
EXAMPLES = list(stories_in(TEXT))


@pytest.mark.parametrize(("first_line", "story"), EXAMPLES, ids=[f"line-{line}" for line, _ in EXAMPLES])
def test_example(database_url: str, first_line: int, story: str) -> None:
    tell(story, database_url, first_line=first_line)


def test_every_rule_has_an_example() -> None:
    rules = re.split(r"^## Rule \d+", TEXT, flags=re.MULTILINE)[1:]
    assert len(rules) == 12
    assert [number for number, rule in enumerate(rules, 1) if "```story" not in rule] == []
