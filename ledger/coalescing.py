"""Charges of many callers at once, brought together so that they share transactions; each is answered after its commit.

A lock on an account is held until the commit is durable, so charges that queue one by one for a busy account wait for
the disk in turn. A caller without company books its charge itself. Those who come meanwhile queue up, and one thread
books them in groups: one lock and one commit for all, and while the database writes a group the next one is decided.
PostgreSQL only. Source: docs/decisions/0007, 0010.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ledger.groups import Request
from ledger.together import Sent, Together

_log = logging.getLogger(__name__)
# More requests in one transaction gain little and keep the first caller waiting.
GROUP_MAX = 200
# Seconds after which the thread ends when nobody came.
IDLE_SECONDS = 5.0
# How often, and how many seconds apart, to look whether those who were answered have come back during a write.
GATHER_SECONDS = 0.0002
GATHER_LOOKS = 25


class Coalescer:
    """Brings concurrent charges of one process together."""

    def __init__(self, together: Together) -> None:
        self._together = together
        # Held by whoever uses ``together``: one caller, or the thread that serves the queue.
        self._turn = threading.Lock()
        self._queue: deque[tuple[Request, Callable[[], None]]] = deque()
        # Guards the three below. Nobody serves the queue while `_is_idle`; who ends that wakes the thread.
        self._lock = threading.Lock()
        self._is_idle = True
        self._thread: threading.Thread | None = None
        self._wakes = threading.Semaphore(0)

    def book(self, request: Request) -> None:
        """Book one request; comes back when it is answered, or has to be booked alone."""
        if self._is_idle and self._turn.acquire(blocking=False):
            try:
                # Without company: the same way, from here.
                group = _Group(self._together, [(request, _nobody)])
                group.send()
                group.finish()
            finally:
                self._turn.release()
            return
        # A bare lock wakes its one waiter faster than an event.
        waits = threading.Lock()
        waits.acquire()
        self.queue(request, waits.release)
        waits.acquire()

    def queue(self, request: Request, done: Callable[[], None]) -> None:
        """Have one request booked in company; ``done`` is called by another thread then."""
        with self._lock:
            self._queue.append((request, done))
            if not self._is_idle:
                return
            self._is_idle = False
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="charges", daemon=True)
                self._thread.start()
        self._wakes.release()

    def _serve(self) -> None:
        while True:
            if not self._wakes.acquire(timeout=IDLE_SECONDS):
                with self._lock:
                    if self._is_idle:
                        self._thread = None
                        return
                continue
            with self._turn:
                self._serve_queue()

    def _serve_queue(self) -> None:
        """Book what is queued and what comes meanwhile: while one group is written the next one is decided."""
        under_way: _Group | None = None
        coming_back = 0
        while True:
            if under_way is not None:
                self._let_come_back(coming_back, under_way)
            group = self._next_group()
            if under_way is not None:
                coming_back = len(under_way)
                if not under_way.finish() and group is not None:
                    # It was decided on what the group before would have left.
                    group.take_back()
            under_way = group
            if group is not None:
                group.send()
            else:
                with self._lock:
                    if not self._queue:
                        self._is_idle = True
                        return

    def _let_come_back(self, many: int, under_way: "_Group") -> None:
        """Give those who were just answered time to queue up again while a group is written, or they miss the next."""
        for _ in range(GATHER_LOOKS):
            if len(self._queue) >= many or under_way.has_ended(GATHER_SECONDS):
                return

    def _next_group(self) -> "_Group | None":
        with self._lock:
            taken = [self._queue.popleft() for _ in range(min(len(self._queue), GROUP_MAX))]
        return _Group(self._together, taken) if taken else None


class _Group:
    """Requests of the queue on their way: decided, sent, finished. Whatever happens, every caller is told.

    What nobody foresaw leaves requests unanswered; booked alone, each of them meets it again in its caller's thread.
    """

    def __init__(self, together: Together, taken: list[tuple[Request, Callable[[], None]]]) -> None:
        self._together, self._taken = together, taken
        self._sent: Sent | None = None
        with _logged():
            self._sent = together.from_memory([one for one, _ in taken])

    def __len__(self) -> int:
        return len(self._taken)

    def take_back(self) -> None:
        """Forget what was decided: it goes by what never happened."""
        if self._sent is not None:
            self._sent.give_up()
            self._sent = None

    def send(self) -> None:
        """Let the database write what was decided from memory; what was not is booked here and now."""
        sent, self._sent = self._sent, None
        with _logged():
            if sent is not None and sent.send():
                self._sent = sent
        decided = set() if self._sent is None else self._sent.requests
        if left := [one for one, _ in self._taken if one not in decided]:
            with _logged():
                self._together.after_reading(left)

    def has_ended(self, seconds: float) -> bool:
        """Whether what was sent has an answer; waits for one as long as that."""
        return self._sent is None or self._sent.has_ended(seconds)

    def finish(self) -> bool:
        """Wait until everything is booked, and tell the callers; False when what was sent was not written."""
        is_written = self._sent is None
        with _logged():
            if self._sent is not None:
                is_written = self._sent.wait()
        if not is_written:
            with _logged():
                self._together.after_reading([one for one, _ in self._taken if not one.is_answered])
        for _, done in self._taken:
            with _logged():
                done()
        return is_written


def _nobody() -> None:
    """Who is told when the caller waits itself."""


@contextmanager
def _logged() -> Iterator[None]:
    """Go on after what nobody foresaw; it is in the log."""
    try:
        yield
    except Exception:  # noqa: BLE001 - callers are told, each in its own thread
        _log.exception("a group of charges could not be booked together")
