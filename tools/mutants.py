"""Changes the core and the operations in small ways, one at a time, and counts the changes that no test notices.

    python -m tools.mutants [ledger.operations.refunds ...] [--share 0.1] [--least 30] [--seed 1]

mutmut makes the changes, in a copy of the committed repository in var/mutants, and runs those tests on SQLite that
reach the changed function ([tool.mutmut] in pyproject.toml says which are left out). All of them would take days:
of each module a share is drawn, the same one for the same seed. The first call after a commit also learns which test
reaches what, which takes some minutes. (The one statement that is built while its module is loaded, `_root` of refunds,
is there before a mutant can be chosen: those always survive.)
"""

import argparse
import random
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[1]
COPY = ROOT / "var" / "mutants"
MUTMUT = Path(sys.executable).with_name("mutmut")
KILLED, TIMED_OUT, SURVIVED, NOT_REACHED = "killed", "timeout", "survived", "no tests"


def head_of(repository: Path) -> str:
    asked = subprocess.run(["git", "-C", str(repository), "rev-parse", "HEAD"], check=True, capture_output=True)
    return asked.stdout.decode().strip()


def copy_repository() -> None:
    """Make var/mutants a copy of what is committed here, with the mutants and results of before if they are of it."""
    if COPY.exists() and head_of(COPY) == head_of(ROOT):
        return
    # mutmut does not copy anew what changed beside the mutated files, so another commit begins from nothing.
    shutil.rmtree(COPY, ignore_errors=True)
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(COPY)], check=True)


def module_of(mutant: str) -> str:
    """The module of a mutant: "ledger.core.burn.x_burn_order__mutmut_3" is one of ledger.core.burn."""
    return mutant.rsplit(".", 1)[0]


def drawn(mutants: Iterable[str], *, share: float, least: int, seed: int) -> list[str]:
    """A share of the mutants of each module, at least so many where there are as many, the same for the same seed."""
    by_module: dict[str, list[str]] = defaultdict(list)
    for mutant in sorted(mutants):
        by_module[module_of(mutant)].append(mutant)
    chosen: list[str] = []
    for module, names in by_module.items():
        # One stream of chance per module, so that a module alone has the same sample as among the others.
        chance = random.Random(f"{seed} {module}")
        chosen += chance.sample(names, min(len(names), max(least, round(share * len(names)))))
    return chosen


def row(name: str, total: int, states: Iterable[str]) -> str:
    """A line of the table: mutants there are, drawn, killed, timed out, survived, reached by no test; share noticed."""
    count = Counter(states)
    noticed = count[KILLED] + count[TIMED_OUT]
    tried = noticed + count[SURVIVED]
    figures = (total, count.total(), count[KILLED], count[TIMED_OUT], count[SURVIVED], count[NOT_REACHED])
    share = f"{noticed / tried:.0%}" if tried else "–"
    return f"{name:<34}" + "".join(f"{cell:>12}" for cell in (*figures, share))


def table(states: dict[str, str], totals: Counter[str]) -> str:
    """One line per module and one for all of them."""
    heads = ("mutants", "drawn", "killed", "timed out", "survived", "not reached", "noticed")
    of_module: dict[str, list[str]] = defaultdict(list)
    for mutant, state in states.items():
        of_module[module_of(mutant)].append(state)
    lines = [f"{'module':<34}" + "".join(f"{head:>12}" for head in heads)]
    lines += [row(module, totals[module], of_module[module]) for module in sorted(of_module)]
    return "\n".join([*lines, row("all", sum(totals[module] for module in of_module), states.values())])


def try_mutants(*names: str) -> None:
    """Let mutmut make all mutants anew where the source changed, and run the tests against those named."""
    # One at a time: the tests of a mutant are measured, and are not to wait for those of another.
    subprocess.run([MUTMUT, "run", "--max-children", "1", *names], cwd=COPY, check=True)


def states_of_mutants() -> dict[str, str]:
    """What is known of every mutant: killed, survived, timeout, no tests, not checked."""
    listed = subprocess.run([MUTMUT, "results", "--all", "true"], cwd=COPY, check=True, capture_output=True, text=True)
    return dict(line.strip().split(": ") for line in listed.stdout.splitlines())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="*", help="such as ledger.operations.refunds; none: all of them")
    parser.add_argument("--share", type=float, default=0.1, help="of each module's mutants (1 tries all of them)")
    parser.add_argument("--least", type=int, default=30, help="mutants of each module, where there are as many")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    copy_repository()
    # Any run makes all mutants and looks which test reaches what; this module is the smallest.
    try_mutants("ledger.core.extensions.*")
    found = [mutant for mutant in states_of_mutants() if not asked.modules or module_of(mutant) in asked.modules]
    sample = drawn(found, share=asked.share, least=asked.least, seed=asked.seed)
    if not sample:
        sys.exit(f"No mutants in {', '.join(asked.modules)}: write modules as ledger.operations.refunds.")
    try_mutants(*sample)
    known = states_of_mutants()
    print(table({mutant: known[mutant] for mutant in sample}, Counter(map(module_of, found))))
    print("\nSurvived:", *[mutant for mutant in sample if known[mutant] == SURVIVED], sep="\n  ")
    print(f"\nWhat one changes: cd {COPY.relative_to(ROOT)} && ../../.venv/bin/mutmut show NAME")


if __name__ == "__main__":
    main()
