"""What a page asks a payment provider: never for longer than three seconds, and not again for five minutes.

A provider that is slow answers in the background: the page says that it is asked, and the next draw has the answer. One
that fails is a quiet line, because nothing that the page is for hangs on it.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import Generic, TypeVar

from ledger import Ledger, LedgerError

T = TypeVar("T")

LONGEST = timedelta(seconds=3)
KEPT = timedelta(minutes=5)
# What failed is asked again sooner.
KEPT_FAILURE = timedelta(seconds=30)
_ANSWERS_MAX = 2_000


@dataclass(frozen=True, slots=True)
class Asked(Generic[T]):
    """What became of a question: the answer, or why there is none yet, as a sentence."""

    answer: T | None
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class _Kept:
    future: "Future[object]"
    asked_at: float

    def is_stale(self, now: float) -> bool:
        if not self.future.done():
            return False
        kept = KEPT_FAILURE if self.future.exception() else KEPT
        return now - self.asked_at > kept.total_seconds()


_pool = ThreadPoolExecutor(max_workers=4, thread_name_prefix="provider")
_kept: dict[tuple[object, ...], _Kept] = {}
_lock = threading.Lock()


def asked(ledger: Ledger, key: tuple[object, ...], question: Callable[[], T]) -> Asked[T]:
    """The answer of a call to a provider, or why there is none; ``key`` names the question within this ledger."""
    whole = (str(ledger.database.engine.url), *key)
    now = monotonic()
    with _lock:
        known = _kept.get(whole)
        if known is None or known.is_stale(now):
            if len(_kept) >= _ANSWERS_MAX:
                _kept.clear()
            known = _kept[whole] = _Kept(_pool.submit(question), now)
    try:
        # The future is of this very question.
        return Asked(known.future.result(LONGEST.total_seconds()))  # type: ignore[arg-type]
    except NotYet:
        return Asked(None, "The provider is being asked; refresh in a moment.")
    except LedgerError as error:
        return Asked(None, str(error))


def forget() -> None:
    """Ask everything anew: what the Refresh button of a piece does."""
    with _lock:
        _kept.clear()
