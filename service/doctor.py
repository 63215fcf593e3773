"""Is everything in order? Settings, database, migrations, and the invariants of the books."""

from dataclasses import dataclass

import sqlalchemy as sa

from ledger import LedgerError, open_ledger
from ledger.migrations import pending
from ledger.reconcile import reconcile
from ledger.settings import Settings
from service.show import address

FINDINGS_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Result:
    """One thing looked at, whether it is in order, and what was seen or what to do."""

    subject: str
    is_good: bool
    message: str


def examine(settings: Settings) -> list[Result]:
    """Look at everything that has to be in order; later checks are left out when the database cannot be opened."""
    results = [_database(settings), _migrations(settings)]
    if all(result.is_good for result in results):
        results += _books(settings)
    return results


def _database(settings: Settings) -> Result:
    try:
        ledger = open_ledger(settings.database_url)
    except (LedgerError, ValueError, sa.exc.SQLAlchemyError) as error:
        return Result("database", False, str(error))
    zone = ledger.company_zone
    ledger.database.dispose()
    return Result("database", True, f"{address(settings.database_url)} answers, days are cut in {zone}")


def _migrations(settings: Settings) -> Result:
    try:
        current, newest = pending(settings.database_url)
    except (sa.exc.SQLAlchemyError, ValueError) as error:
        return Result("migrations", False, str(error))
    if current == newest:
        return Result("migrations", True, f"at version {current}")
    return Result(
        "migrations", False, f"at {current or 'nothing'}, newest is {newest}; run: python -m service.cli migrate"
    )


def _books(settings: Settings) -> list[Result]:
    ledger = open_ledger(settings.database_url)
    with ledger.database.snapshot() as connection:
        proof = reconcile(connection)
    ledger.database.dispose()
    over = f"{len(proof.checks)} invariants over {proof.accounts:,} accounts and {proof.entries:,} entries"
    if not proof.findings:
        return [Result("books", True, f"{over} hold")]
    shown = [
        Result("books", False, f"{f.check}: {f.place} states {f.stated_micro}, entries say {f.proven_micro} (micro)")
        for f in proof.findings[:FINDINGS_SHOWN]
    ]
    return [*shown, Result("books", False, f"{len(proof.findings):,} disagreements in {over}")]
