"""Proves that the books agree with themselves. Reads only; answers what does not add up, with place and difference.

What the database refuses by itself (amounts of 0, a second use of a key, totals below zero) is not asked again.
"""

from dataclasses import dataclass

import sqlalchemy as sa

from ledger.models import account, entry, transaction
from ledger.reconcile import acts, books, payments, usage
from ledger.reconcile.parts import account_id, of

__all__ = ["Finding", "Proof", "check_names", "reconcile"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One disagreement: which check, where, what the totals say and what the entries say (micro-credits or cents)."""

    check: str
    place: str
    stated_micro: int
    proven_micro: int


@dataclass(frozen=True, slots=True)
class Proof:
    """The result of one reconciliation: what was checked, over how much, and what disagrees."""

    checks: tuple[str, ...]
    accounts: int
    transactions: int
    entries: int
    findings: tuple[Finding, ...]


def check_names() -> tuple[str, ...]:
    """What is proven of each account, in words, in the order in which it is checked."""
    one = account_id("")
    return tuple(books.checks(one) | usage.checks(one) | acts.checks(one))


def reconcile(connection: sa.Connection, *, account_name: str | None = None) -> Proof:
    """Check every invariant over one account, or over all. Source: docs/accounting.md, rules 1 to 3 and 30.

    Args: a read-only connection; one of `Database.snapshot` when writers are active.
    """
    one = None if account_name is None else account_id(account_name)
    checks = books.checks(one) | usage.checks(one) | acts.checks(one) | payments.checks(one)
    findings = []
    for name, statement in checks.items():
        findings += [Finding(name, place, stated, proven) for place, stated, proven in connection.execute(statement)]

    def count(column: sa.ColumnElement[int]) -> int:
        found: int = connection.execute(sa.select(sa.func.count(column)).where(of(column, one))).scalar_one()
        return found

    # A transaction of no account counts in the company only.
    transactions = count(transaction.c.id if one is None else transaction.c.account_id)
    return Proof(tuple(checks), count(account.c.id), transactions, count(entry.c.account_id), tuple(findings))
