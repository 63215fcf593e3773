"""What is written for people agrees with what the product does."""

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import click
import pytest

from ledger.settings import Settings
from service.cli import main
from tools.developer_list import developer_list

ROOT = Path(__file__).parents[1]
TEXT_SUFFIXES = {".py", ".md", ".toml", ".txt", ".sh", ".yml", ".yaml", ".cfg", ".mako", ".json", ".csv", ""}
# Streamlit's own names; the product never reads them.
SIGN_IN = {"redirect_uri", "cookie_secret", "client_id", "client_secret", "server_metadata_url"}
# Written in two halves so that this file is not a finding of its own.
MACHINE_ADDRESSES = re.compile(
    "|".join(
        [
            r"--(extra-)?index" + "-url",
            r"--find" + "-links",
            r"/opt/" + r"(wheels|pypi)",
            r"(pypi\.|files\.python" + r"hosted\.)",
            r"/wo" + r"rk/",
            r"/ro" + r"ot/",
            r"\b(10\.\d+|192\.168|172\.(1[6-9]|2\d|3[01]))\.\d+\.\d+\b",
        ]
    )
)


def tracked_files() -> list[Path]:
    """Every file in the repository, as git lists them; in a copy without git, every file outside hidden folders."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode == 0:
        return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]
    folders = ("ledger", "analytics", "service", "pages", "tests", "tools", "docs", ".streamlit", ".ci")
    inside = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()]
    return [path for path in ROOT.iterdir() if path.is_file()] + [p for p in inside if "__pycache__" not in p.parts]


def settings_in(example: str) -> set[str]:
    """The names that an example file of secrets offers, commented out: ``# NAME = value``."""
    return set(re.findall(r"^#\s*([A-Za-z_]+)\s*=", example, re.MULTILINE))


def test_every_setting_is_in_the_example_and_the_other_way_round() -> None:
    example = (ROOT / ".streamlit" / "secrets.example.toml").read_text(encoding="utf-8")
    assert settings_in(example) - SIGN_IN == {name.upper() for name in Settings.model_fields}
    assert settings_in(example) >= SIGN_IN
    assert tomllib.loads(example) == {}, "the example must set nothing"


def test_every_setting_says_what_it_is_for() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_every_make_target_has_one_line_of_help() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z][a-z-]*):(.*)$", makefile, re.MULTILINE)
    assert [name for name, rest in targets if not re.search(r"## \S", rest)] == []
    phony = re.search(r"^\.PHONY:(.*)$", makefile, re.MULTILINE)
    assert phony is not None
    assert set(phony[1].split()) == {name for name, _ in targets}


def test_make_alone_prints_that_help() -> None:
    shown = subprocess.run(["make", "-s"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for target in ("demo", "check", "test", "migrate", "real", "bench"):
        assert f"make {target} " in shown


def test_every_requirement_is_pinned_and_says_what_it_is_for() -> None:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9_.-]+(\[[a-z]+\])?==\S+  # \S.*", line)] == []
    assert [tool for tool in developer_list() if not re.fullmatch(r"[A-Za-z0-9_.-]+==\S+", tool)] == []


def addresses_in(path: Path) -> list[str]:
    """The lines of a file that give away a registry or a machine."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return [f"{path.relative_to(ROOT)}:{n}" for n, line in enumerate(lines, 1) if MACHINE_ADDRESSES.search(line)]


def test_no_address_of_a_registry_or_machine_is_in_the_repository() -> None:
    texts = [path for path in tracked_files() if path.suffix in TEXT_SUFFIXES]
    assert [found for path in texts for found in addresses_in(path)] == []


@pytest.mark.parametrize("line", ["pip install --index" + "-url x", "at 10.0." + "0.7", "cp /wo" + "rk/x ."])
def test_such_an_address_would_be_found(line: str) -> None:
    assert MACHINE_ADDRESSES.search(line)


def rules_named_in(text: str) -> set[int]:
    """The numbers of the accounting rules that a text refers to: "docs/accounting.md, rule 7" or "rules 3 and 4"."""
    numbers: set[int] = set()
    for named in re.findall(r"docs/accounting\.md,\s+rules?\s+((?:\d+(?:\s*(?:,|and|to|–)\s*)?)+)", text):
        numbers.update(int(number) for number in re.findall(r"\d+", named))
    return numbers


# The rules in the order of their numbers: the basis, then one file per kind of act.
ACCOUNTING = [ROOT / "docs/accounting.md", *sorted((ROOT / "docs/accounting").glob("*.md"))]


def test_the_accounting_rules_that_code_refers_to_exist() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in ACCOUNTING)
    written = [int(number) for number in re.findall(r"^#+\s+Rule (\d+)\b", text, re.MULTILINE | re.IGNORECASE)]
    assert written == list(range(1, len(written) + 1)), "the rules are numbered from 1 without gaps"
    missing = {}
    for path in tracked_files():
        if path.suffix == ".py" and path != Path(__file__):
            lost = rules_named_in(re.sub(r"\s+", " ", path.read_text(encoding="utf-8"))) - set(written)
            if lost:
                missing[path.relative_to(ROOT).as_posix()] = sorted(lost)
    assert missing == {}


def test_rule_numbers_are_read_in_every_spelling() -> None:
    assert rules_named_in("Source: docs/accounting.md, rule 7.") == {7}
    assert rules_named_in("(docs/accounting.md, rules 3 and 12)") == {3, 12}


def test_the_documents_that_code_refers_to_exist() -> None:
    decisions = {path.name[:4] for path in (ROOT / "docs" / "decisions").glob("[0-9]*.md")}
    lost = []
    for path in tracked_files():
        if path.suffix in {".py", ".toml", ".sh"} and path != Path(__file__):
            text = path.read_text(encoding="utf-8")
            numbers = re.findall(r"\bdocs/decisions/(\d{4})", text)
            lost += [f"{path.relative_to(ROOT)} → decision {n}" for n in numbers if n not in decisions]
            named = set(re.findall(r"(?<![\w/*-])([\w][\w/-]*\.md)\b", text))
            lost += [f"{path.relative_to(ROOT)} → {name}" for name in named if not (ROOT / name).exists()]
    assert sorted(lost) == []


def links_in(path: Path) -> list[str]:
    """The files that a document links to."""
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8"))
    return [target for target in targets if "://" not in target and not target.startswith("mailto:")]


def test_the_links_inside_the_documents_lead_somewhere() -> None:
    documents = [path for path in tracked_files() if path.suffix == ".md"]
    assert [(path.name, to) for path in documents for to in links_in(path) if not (path.parent / to).exists()] == []


def test_the_commands_in_the_documents_are_there_with_their_options() -> None:
    said = [
        (path.name, words)
        for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
        for words in re.findall(
            r"service\.cli +([a-z][^`#|>\n]*)", path.read_text(encoding="utf-8").replace("\\\n", " ")
        )
    ]
    assert len(said) > 20
    assert [(name, words) for name, words in said if not is_command(words.split())] == []


def is_command(words: list[str]) -> bool:
    """Whether words name a verb of the command line and options that it knows."""
    found: click.Command | None = main
    while isinstance(found, click.Group) and words:
        found, words = found.commands.get(words[0]), words[1:]
    if found is None or isinstance(found, click.Group):
        return False
    known = {option for parameter in found.params for option in parameter.opts} | {"--help"}
    return {word.strip("(),.;") for word in words if word.startswith("--")} <= known


def test_every_module_says_what_it_is() -> None:
    silent = []
    for path in tracked_files():
        is_code = path.suffix == ".py" and path.read_text(encoding="utf-8").strip()
        if is_code and "pages" not in path.parts and ast.get_docstring(ast.parse(path.read_text("utf-8"))) is None:
            silent.append(path.relative_to(ROOT).as_posix())
    assert silent == []
