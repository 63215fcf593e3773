"""The worked examples of docs/accounting.md and docs/accounting/ are true, on both databases."""

import re
from pathlib import Path

import pytest

from tests.scenarios.interpreter import stories_in, tell

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "docs/accounting.md", *sorted((ROOT / "docs/accounting").glob("*.md"))]
EXAMPLES = [
    pytest.param(first_line, story, id=f"{path.stem}-{first_line}")
    for path in DOCUMENTS
    for first_line, story in stories_in(path.read_text(encoding="utf-8"))
]


@pytest.mark.parametrize(("first_line", "story"), EXAMPLES)
def test_example(database_url: str, first_line: int, story: str) -> None:
    tell(story, database_url, first_line=first_line)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_every_rule_has_an_example(path: Path) -> None:
    rules = re.split(r"^#+ Rule \d+", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    assert rules
    assert [number for number, rule in enumerate(rules, 1) if "```story" not in rule] == []
