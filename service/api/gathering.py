"""Single charges of one event loop, brought together without a thread for each.

Requests that arrive while a group is being booked make up the next group. One thread books; the event loop reads and
answers meanwhile. Measured with tests/bench/load.py while it was written: with a thread for each request and FastAPI's
machinery around it, one cost the server 1.3 ms of CPU; this way, by the short way of service/api/frame.py, 0.65 ms.
"""

import asyncio
from concurrent.futures import Executor

from starlette.concurrency import run_in_threadpool

from ledger import Actor, Ledger, LedgerError, Receipt, RecordUsage
from ledger.coalescing import GROUP_MAX

Attempt = tuple[RecordUsage, Actor, str]


class Gatherer:
    """Charges of the requests of one event loop, booked in the one thread of ``thread``."""

    def __init__(self, ledger: Ledger, thread: Executor) -> None:
        self._ledger, self._thread = ledger, thread
        self._waiting: list[tuple[Attempt, asyncio.Future[Receipt | LedgerError | None]]] = []
        self._task: asyncio.Task[None] | None = None

    async def charge(self, command: RecordUsage, *, actor: Actor, key: str) -> Receipt:
        """As `Ledger.execute`."""
        answer: asyncio.Future[Receipt | LedgerError | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(((command, actor, key), answer))
        if self._task is None:
            self._task = asyncio.create_task(self._book())
        found = await answer
        if found is None:
            # Out of the ordinary, or the only one: the plain way.
            found = await run_in_threadpool(self._ledger.execute, command, actor=actor, key=key)
        if isinstance(found, LedgerError):
            raise found
        return found

    async def _book(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                group, self._waiting = self._waiting[:GROUP_MAX], self._waiting[GROUP_MAX:]
                attempts = [attempt for attempt, _ in group]
                try:
                    found = await loop.run_in_executor(self._thread, self._ledger.charge_together, attempts)
                except Exception as error:  # noqa: BLE001 - told to each of those who wait
                    for _, answer in group:
                        if not answer.done():
                            answer.set_exception(error)
                    continue
                for (_, answer), one in zip(group, found, strict=True):
                    # A caller who hung up waits no more; the charge stands, and its key answers for it.
                    if not answer.done():
                        answer.set_result(one)
        finally:
            self._task = None
