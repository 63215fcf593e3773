"""The ledger that requests share: opened when the first of them comes, so that a server starts before its database."""

import threading
from typing import Protocol

from ledger import Ledger, open_ledger
from ledger.limits import Limiter


class Opens(Protocol):
    """What has a ledger and its limits; both may raise NotSetUp, Unavailable, and the next request tries again."""

    @property
    def ledger(self) -> Ledger:
        """The ledger."""
        ...

    @property
    def limits(self) -> Limiter:
        """How often may be asked."""
        ...


class Opened:
    """A ledger of its own, given or opened by the settings."""

    def __init__(self, ledger: Ledger | None = None) -> None:
        self._lock = threading.Lock()
        self._parts = None if ledger is None else (ledger, Limiter(ledger.database))

    @property
    def ledger(self) -> Ledger:
        """The ledger. Raises NotSetUp, Unavailable."""
        return self._all()[0]

    @property
    def limits(self) -> Limiter:
        """How often may be asked."""
        return self._all()[1]

    def _all(self) -> tuple[Ledger, Limiter]:
        with self._lock:
            if self._parts is None:
                ledger = open_ledger()
                self._parts = (ledger, Limiter(ledger.database))
        return self._parts
