"""Importing a usage file through the ledger's bulk path, account by account, restartable at any point."""

import uuid
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ledger import Actor, Ledger, NotFound, RecordUsageBulk
from service.usage_file import RowFault, UsageRow, read_usage

CHUNK_EVENTS = 5_000


@dataclass(slots=True)
class ImportReport:
    """What became of a file: rows recorded, known from before, refused by the ledger, and wrong in themselves."""

    recorded: int = 0
    replayed: int = 0
    refused: list[tuple[UsageRow, str]] = field(default_factory=list)
    faults: list[RowFault] = field(default_factory=list)

    @property
    def rows(self) -> int:
        return self.recorded + self.replayed + len(self.refused) + len(self.faults)


def import_usage(
    ledger: Ledger, path: Path, *, actor: Actor, on_progress: Callable[[int], None] = lambda _rows: None
) -> ImportReport:
    """Record every good row of a file; the same file again records nothing twice, whatever happened in between.

    The event ids make it repeatable, so each attempt at a chunk carries a key of its own: rows refused for lack of
    credits are tried again when the file is imported again.
    """
    report = ImportReport()
    waiting: dict[str, list[UsageRow]] = defaultdict(list)

    def send(account: str) -> None:
        rows = waiting.pop(account)
        _record(ledger, account, rows, actor, report)
        on_progress(len(rows))

    for row in read_usage(path):
        if isinstance(row, RowFault):
            report.faults.append(row)
            on_progress(1)
            continue
        waiting[row.account].append(row)
        if len(waiting[row.account]) == CHUNK_EVENTS:
            send(row.account)
    for account in list(waiting):
        send(account)
    return report


def _record(ledger: Ledger, account: str, rows: list[UsageRow], actor: Actor, report: ImportReport) -> None:
    command = RecordUsageBulk(account, tuple(row.event for row in rows))
    try:
        receipt = ledger.execute(command, actor=actor, key=f"import:{uuid.uuid4()}")
    except NotFound as error:
        # An unknown account refuses its own rows only.
        report.refused += [(row, str(error)) for row in rows]
        return
    reasons = {refusal.event_id: refusal.message for refusal in receipt.refusals}
    report.recorded += receipt.events_recorded
    report.replayed += receipt.events_replayed
    report.refused += [(row, reasons[row.event.event_id]) for row in rows if row.event.event_id in reasons]
