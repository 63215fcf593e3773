"""The API on a real socket, and a proxy before it that cuts connections by chance."""

import asyncio
import random
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from ledger import Ledger
from service.api import standalone


@contextmanager
def serving(ledger: Ledger) -> Iterator[int]:
    """The API of a ledger, served by a thread; answers the port."""
    app = standalone(ledger)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off", timeout_graceful_shutdown=2))
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


class CuttingProxy:
    """Passes bytes on and cuts connections: before a request arrives, after it arrived, in the middle of an answer."""

    def __init__(self, port: int, *, seed: int, chance: float) -> None:
        self._target, self._chance, self._random = port, chance, random.Random(seed)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run)
        self._ready = threading.Event()
        self._links: set[asyncio.Task[None]] = set()
        self.port = 0
        self.cuts = 0

    def __enter__(self) -> "CuttingProxy":
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        server = self._loop.run_until_complete(asyncio.start_server(self._link, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0.05))
        self._loop.close()

    async def _link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.close()
            return
        ways = [asyncio.create_task(self._pass(reader, back)), asyncio.create_task(self._pass(there, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            # The proxy is over; a cancelled connection would be logged as a fault of ours.
            return
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for end in (writer, back):
                end.close()

    async def _pass(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(65_536):
            if self._random.random() < self._chance:
                self.cuts += 1
                # Sometimes a part still arrives.
                target.write(data[: self._random.randrange(len(data))])
                await target.drain()
                return
            target.write(data)
            await target.drain()
