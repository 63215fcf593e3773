"""Some accounts are reconciled every hour, so that all of them are within a day. What disagrees stays loud."""

from collections.abc import Sequence
from math import ceil

import sqlalchemy as sa

from ledger import Ledger, jobs
from ledger.models import account
from ledger.reconcile import Finding, reconcile
from service.jobs.kit import Figures, Progress, StepFailed

NAME = "invariants"
RUNS_A_ROUND = 24
ACCOUNTS_MIN = 50
NAMED_MAX = 5
KEPT_MAX = 200


def check(ledger: Ledger, progress: Progress) -> Figures:
    """Reconcile the next accounts of the round, and again those that did not agree the last time.

    Answers how many were checked, how far the round is and where it goes on. Raises StepFailed with the same figures
    when something disagrees: it fails until that is mended, while the round goes on.
    """
    known = jobs.load_jobs(ledger).get(NAME)
    before = dict(known.result or {}) if known else {}
    names, done, total = _next(ledger, after=str(before.get("next_after", "")))
    again = [name for name in before.get("broken", []) if name not in names]
    findings: dict[str, tuple[Finding, ...]] = {}
    for number, name in enumerate([*again, *names]):
        progress(number, len(again) + len(names))
        found = _reconcile(ledger, name)
        if found:
            findings[name] = found
    is_over = done + len(names) >= total
    figures = {
        "checked": len(again) + len(names),
        "round_done": done + len(names),
        "round_total": total,
        "next_after": "" if is_over or not names else names[-1],
        "broken": sorted(findings),
        "disagreements": _kept(findings),
    }
    if findings:
        raise StepFailed(_words(findings), figures)
    return figures


def _next(ledger: Ledger, *, after: str) -> tuple[Sequence[str], int, int]:
    """The accounts that come next, how many of the round come before them, and how many there are in all."""
    with ledger.database.reading() as connection:
        total = connection.execute(sa.select(sa.func.count()).select_from(account)).scalar_one()
        # By id, so that what comes next does not depend on how a database sorts texts.
        began = sa.select(sa.func.coalesce(sa.func.max(account.c.id), 0)).where(account.c.external_id == after)
        last_id = connection.execute(began).scalar_one() if after else 0
        done = connection.execute(sa.select(sa.func.count()).where(account.c.id <= last_id)).scalar_one()
        names = connection.execute(
            sa.select(account.c.external_id)
            .where(account.c.id > last_id)
            .order_by(account.c.id)
            .limit(max(ACCOUNTS_MIN, ceil(total / RUNS_A_ROUND)))
        ).scalars()
        return list(names), done, total


def _reconcile(ledger: Ledger, name: str) -> tuple[Finding, ...]:
    # Totals and entries have to be of one instant while writers are active.
    with ledger.database.snapshot() as connection:
        return reconcile(connection, account_name=name).findings


def _kept(findings: dict[str, tuple[Finding, ...]]) -> list[dict[str, str | int]]:
    """Disagreements for the page Reconciliation: account, check, place, what the totals say, what entries prove."""
    kept: list[dict[str, str | int]] = []
    for name, found in sorted(findings.items()):
        for one in found:
            figures = {"stated": one.stated_micro, "proven": one.proven_micro}
            kept.append({"account": name, "check": one.check, "place": one.place, **figures})
    return kept[:KEPT_MAX]


def _words(findings: dict[str, tuple[Finding, ...]]) -> str:
    listed = [
        f"{name}: {one.check}, {one.place} says {one.stated_micro}, proven {one.proven_micro} (micro)"
        for name, found in findings.items()
        for one in found
    ]
    more = f"; and {len(listed) - NAMED_MAX} more" if len(listed) > NAMED_MAX else ""
    return f"The books disagree in {len(findings)} accounts. " + "; ".join(listed[:NAMED_MAX]) + more
