"""The dependency rule, enforced on the syntax trees.

Every rule is one function from a source file to its breaches, and every rule comes with a snippet that breaks it, so
that a rule which stopped working is noticed.
"""

import ast
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("ledger", "analytics", "service", "pages")


@dataclass(frozen=True)
class Source:
    """One Python file: its path from the root, and its tree."""

    path: str
    tree: ast.Module

    @classmethod
    def of(cls, path: str, text: str) -> "Source":
        return cls(path, ast.parse(text))

    def is_in(self, *folders: str) -> bool:
        """Whether the file lies in one of the folders, or is one of the files."""
        return any(self.path == folder or self.path.startswith(f"{folder}/") for folder in folders)


Rule = Callable[[Source], Iterator[str]]


def imports(source: Source) -> Iterator[tuple[int, str]]:
    """Each imported name with its line: ``ledger.journal.post`` for ``from ledger.journal import post``."""
    package = source.path.removesuffix(".py").removesuffix("/__init__").split("/")
    if not source.path.endswith("__init__.py"):
        package = package[:-1]
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, node.module] if node.module else base)
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and _called(node) in {"__import__", "import_module"} and node.args:
            target = node.args[0]
            if isinstance(target, ast.Constant) and isinstance(target.value, str):
                yield node.lineno, target.value


def calls(source: Source) -> Iterator[tuple[int, str]]:
    """The last name of each call with its line: ``now`` for ``datetime.now()``."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call):
            yield node.lineno, _called(node)


def _called(node: ast.Call) -> str:
    function = node.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _breaches(source: Source, forbidden: tuple[str, ...]) -> Iterator[str]:
    for line, name in imports(source):
        if any(name == one or name.startswith(f"{one}.") for one in forbidden):
            yield f"{source.path}:{line} imports {name}"


def ledger_knows_no_reader(source: Source) -> Iterator[str]:
    """The ledger imports nothing that draws, computes figures, or serves."""
    if source.is_in("ledger"):
        readers = ("streamlit", "pandas", "numpy", "plotly", "prophet", "analytics", "pages", "service", "app")
        yield from _breaches(source, readers)


def core_is_standard_library_only(source: Source) -> Iterator[str]:
    """The core imports the standard library and itself, and nothing that asks the world: no os, time, random."""
    if not source.is_in("ledger/core"):
        return
    for line, name in imports(source):
        first = name.split(".")[0]
        is_own = name == "ledger.core" or name.startswith("ledger.core.")
        if not is_own and (first not in sys.stdlib_module_names or first in {"os", "time", "random", "pathlib", "io"}):
            yield f"{source.path}:{line} imports {name}"
    for line, name in calls(source):
        if name in {"open", "input", "print"}:
            yield f"{source.path}:{line} calls {name}"


def only_the_clock_asks_for_the_time(source: Source) -> Iterator[str]:
    """Inside the ledger and in the figures nobody calls now() but the clock, or on a clock that was passed in."""
    if not source.is_in("ledger", "analytics") or source.path == "ledger/clock.py":
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and _called(node) in {"now", "utcnow", "today", "localtime", "gmtime"}:
            # A function of our own that is told the instant, such as today(at, zone), asks nobody.
            if node.args and (isinstance(node.func, ast.Name) or _called(node) == "today"):
                continue
            asked = ast.unparse(node.func).rpartition(".")[0]
            if source.is_in("ledger/core") or asked.split(".")[-1] not in {"clock", "_clock"}:
                yield f"{source.path}:{node.lineno} asks for the time: {ast.unparse(node)}"
        elif isinstance(node, ast.Attribute) and ast.unparse(node) in {"time.time", "time.time_ns"}:
            yield f"{source.path}:{node.lineno} asks for the time: {ast.unparse(node)}"


def only_frames_turn_sql_into_frames(source: Source) -> Iterator[str]:
    """Columns, types and units are declared and checked in one place: analytics/frames."""
    if source.is_in("analytics/frames", "analytics/frames.py"):
        return
    for line, name in calls(source):
        if name in {"read_sql", "read_sql_query", "read_sql_table"}:
            yield f"{source.path}:{line} calls {name}"


def only_the_journal_inserts_entries(source: Source) -> Iterator[str]:
    """An entry is written by the journal and nowhere else, not even in words.

    On PostgreSQL the journal writes through two database functions. A migration defines them; nobody else names them.
    """
    if source.path == "ledger/journal.py":
        return
    is_migration = source.is_in("ledger/migrations")
    for node in ast.walk(source.tree):
        is_write = isinstance(node, ast.Call) and _called(node) in {"insert", "queue_rows", "to_sql"}
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if is_write and any(re.fullmatch(r"(\w+\.)*entry", name) for name in _table_names(node)):
            yield f"{source.path}:{node.lineno} inserts entries: {ast.unparse(node)}"
        elif is_text and not (is_migration and _POSTS.search(node.value)) and _INSERTS_ENTRY.search(node.value):
            yield f"{source.path}:{node.lineno} inserts entries in SQL"


_POSTS = re.compile(r"\bpost_(to_ledger|charges)\b")
_INSERTS_ENTRY = re.compile(r"\b(insert\s+into|copy)\s+[\"']?entry\b|\bpost_(to_ledger|charges)\b", re.IGNORECASE)


def _table_names(call: ast.Call) -> list[str]:
    owner = [call.func.value] if isinstance(call.func, ast.Attribute) else []
    return [ast.unparse(one) for one in [*call.args[:1], *owner]]


def pages_only_draw(source: Source) -> Iterator[str]:
    """Pages ask analytics and the public names of the ledger; they know no handler, no SQL and no service."""
    if source.is_in("pages"):
        yield from _breaches(source, ("ledger.operations", "ledger.journal", "sqlalchemy", "service", "prophet"))


def service_knows_no_page(source: Source) -> Iterator[str]:
    """The other faces of the product do not lean on the pages."""
    if source.is_in("service"):
        yield from _breaches(source, ("pages",))


def analytics_only_reads(source: Source) -> Iterator[str]:
    """Figures are made without writing, drawing pages, or calling anybody."""
    if source.is_in("analytics"):
        strangers = ("ledger.operations", "ledger.journal", "streamlit", "stripe", "smtplib", "pages", "service")
        yield from _breaches(source, strangers)


def only_gateways_call_other_machines(source: Source) -> Iterator[str]:
    """Payment providers, the signatures of their messages and mail are imported by the gateways alone."""
    if not source.is_in("ledger/gateways"):
        yield from _breaches(source, ("stripe", "polar", "standardwebhooks", "smtplib"))


def pages_start_with_a_guard(source: Source) -> Iterator[str]:
    """The first thing a page does is to check the permission; the shell and the parts in pages/ui are no pages."""
    is_page = source.is_in("pages") and not source.is_in("pages/ui", "pages/shell.py")
    if not is_page or source.path.endswith("__init__.py"):
        return
    inert = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)
    for node in source.tree.body:
        is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        # A constant of plain values does nothing; anything with a call in it may already draw or read.
        is_constant = isinstance(node, ast.Assign | ast.AnnAssign) and not _calls_something(node)
        if isinstance(node, inert) or is_text or is_constant:
            continue
        value = node.value if isinstance(node, ast.Expr | ast.Assign | ast.AnnAssign) else None
        if not (isinstance(value, ast.Call) and _called(value) == "guard"):
            yield f"{source.path}:{node.lineno} does something before guard(...): {ast.unparse(node)[:80]}"
        return
    yield f"{source.path} never calls guard(...)"


def _calls_something(node: ast.AST) -> bool:
    return any(isinstance(inner, ast.Call) for inner in ast.walk(node))


# Each rule with a file that breaks it and one that is close but allowed.
RULES: dict[Rule, tuple[tuple[str, str], tuple[str, str]]] = {
    ledger_knows_no_reader: (
        ("ledger/queries.py", "def f():\n    import pandas as pd\n"),
        ("ledger/queries.py", "import sqlalchemy as sa\n"),
    ),
    core_is_standard_library_only: (
        ("ledger/core/burn.py", "from ledger.models import batch\n"),
        ("ledger/core/burn.py", "from datetime import datetime\nfrom ledger.core.records import Batch\n"),
    ),
    only_the_clock_asks_for_the_time: (
        ("ledger/operations/usage.py", "from datetime import datetime, UTC\nat = datetime.now(UTC)\n"),
        ("ledger/facade.py", "def at(self):\n    return self.clock.now()\n"),
    ),
    only_frames_turn_sql_into_frames: (
        ("pages/finance/usage.py", "import pandas as pd\nframe = pd.read_sql('select 1', c)\n"),
        ("analytics/frames/usage.py", "import pandas as pd\nframe = pd.read_sql(statement, c)\n"),
    ),
    only_the_journal_inserts_entries: (
        ("ledger/operations/grants.py", "import sqlalchemy as sa\nwrite = sa.insert(models.entry)\n"),
        ("ledger/operations/grants.py", "import sqlalchemy as sa\nwrite = sa.insert(account)\n"),
    ),
    pages_only_draw: (
        ("pages/credits/grants.py", "from ledger.operations.grants import IssueGrant\n"),
        ("pages/credits/grants.py", "from ledger import IssueGrant\n"),
    ),
    service_knows_no_page: (
        ("service/cli.py", "import pages.ui.text\n"),
        ("service/cli.py", "from analytics import burn\n"),
    ),
    analytics_only_reads: (
        ("analytics/advice.py", "import streamlit as st\n"),
        ("analytics/advice.py", "from ledger.core.burn import plan_consumption\n"),
    ),
    only_gateways_call_other_machines: (
        ("service/webhooks.py", "import stripe\n"),
        ("ledger/gateways/stripe.py", "import stripe\n"),
    ),
    pages_start_with_a_guard: (
        ("pages/overview.py", "import streamlit as st\nst.title('Overview')\nguard(VIEW)\n"),
        (
            "pages/overview.py",
            "'''Text.'''\nfrom x import guard\nLIMIT = 5\nactor = guard(VIEW)\nst.title('Overview')\n",
        ),
    ),
}


@cache
def product() -> list[Source]:
    """Every file of the product; read once, because parsing takes longer than all rules together."""
    files = [ROOT / "app.py", *(path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py")))]
    return [Source.of(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")) for path in files]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_product_keeps_the_rule(rule: Rule) -> None:
    assert [breach for source in product() for breach in rule(source)] == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_rule_sees_a_breach_and_only_a_breach(rule: Rule) -> None:
    broken, allowed = RULES[rule]
    assert list(rule(Source.of(*broken))) != []
    assert list(rule(Source.of(*allowed))) == []


@pytest.mark.parametrize(
    ("rule", "path", "text"),
    [
        (only_the_clock_asks_for_the_time, "ledger/core/burn.py", "def f(clock):\n    return clock.now()\n"),
        (only_the_clock_asks_for_the_time, "ledger/facade.py", "import time\nat = time.time()\n"),
        (only_the_journal_inserts_entries, "service/cli.py", "sql = 'INSERT INTO entry VALUES (1)'\n"),
        (only_the_journal_inserts_entries, "service/cli.py", "sql = 'SELECT post_to_ledger(:body)'\n"),
        (only_the_journal_inserts_entries, "ledger/migrations/versions/2.py", "sql = 'INSERT INTO entry SELECT 1'\n"),
        (only_the_journal_inserts_entries, "ledger/demo.py", "entry.insert().values(id=1)\n"),
        (core_is_standard_library_only, "ledger/core/burn.py", "import random\n"),
        (core_is_standard_library_only, "ledger/core/burn.py", "from ..models import batch\n"),
        (ledger_knows_no_reader, "ledger/facade.py", "import importlib\nimportlib.import_module('pandas')\n"),
        (pages_start_with_a_guard, "pages/system/audit.py", "TITLE = load()\nguard(VIEW)\n"),
        (pages_start_with_a_guard, "pages/system/audit.py", "def main():\n    guard(VIEW)\n"),
    ],
    ids=lambda value: value.__name__ if callable(value) else None,
)
def test_the_ways_around_a_rule_are_seen_too(rule: Rule, path: str, text: str) -> None:
    assert list(rule(Source.of(path, text))) != []


def test_the_executed_script_has_no_pages_folder_beside_it() -> None:
    # With pages/pages, Streamlit would serve its files without running the shell, and so without sign-in.
    assert not (ROOT / "pages" / "pages").exists()
    assert (ROOT / "pages" / "shell.py").exists()


def names_its_app_literally(source: Source) -> bool:
    """Whether `streamlit run` finds the app: it reads the file and looks for a literal ``app = st.App(...)``."""
    return any(
        isinstance(node, ast.Assign)
        and [ast.unparse(target) for target in node.targets] == ["app"]
        and isinstance(node.value, ast.Call)
        and ast.unparse(node.value.func) == "st.App"
        for node in source.tree.body
    )


def test_the_entry_names_its_app_literally() -> None:
    assert names_its_app_literally(Source.of("app.py", (ROOT / "app.py").read_text(encoding="utf-8")))
    # Without it the file would run as a plain page, with no API, and nothing would warn.
    assert not names_its_app_literally(Source.of("app.py", "app = make_app()\n"))
