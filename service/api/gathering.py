"""Single charges of one event loop, booked in company without a thread for each.

The ledger's own thread books them in groups; the event loop reads and answers meanwhile, and is told of a whole group
at once. Measured with tests/bench/load.py: docs/benchmarks.md.
"""

import asyncio
from collections import deque
from functools import partial

from starlette.concurrency import run_in_threadpool

from ledger import Actor, Ledger, Receipt, RecordUsage


class Gatherer:
    """Charges of the requests of one event loop."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        # Those who can be answered; the loop is told when the first of them comes.
        self._ended: deque[asyncio.Future[None]] = deque()

    async def charge(self, command: RecordUsage, *, actor: Actor, key: str) -> Receipt:
        """As `Ledger.execute`."""
        loop = asyncio.get_running_loop()
        waits: asyncio.Future[None] = loop.create_future()
        request = self._ledger.charge_soon(command, actor=actor, key=key, done=partial(self._end, loop, waits))
        await waits
        if request.is_answered:
            return self._ledger.answer(request)
        return await run_in_threadpool(self._ledger.answer, request)

    def _end(self, loop: asyncio.AbstractEventLoop, waits: asyncio.Future[None]) -> None:
        self._ended.append(waits)
        if len(self._ended) == 1:
            loop.call_soon_threadsafe(self._tell)

    def _tell(self) -> None:
        while self._ended:
            waits = self._ended.popleft()
            # A caller who hung up waits no more; the charge stands, and its key answers for it.
            if not waits.done():
                waits.set_result(None)
