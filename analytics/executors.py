"""Where many forecasts are computed: in this process or in a pool on this machine; elsewhere by the same interface.

An executor answers in the order of the items, so the figures are the same whoever computed them.
"""

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import Protocol, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")

# A worker process imports Prophet first (about two seconds), so a pool pays off only from some series on.
_ITEMS_PER_PROCESS_MIN = 40
_CHUNK = 8


class Progress(Protocol):
    """How a long work says how far it is; may raise to make it stop, so it is called where stopping does no harm."""

    def __call__(self, done: int, total: int) -> None:
        """``done`` of ``total`` are done."""
        ...


class Executor(Protocol):
    """Carries one function of a module out over many items."""

    def map(self, function: Callable[[Item], Answer], items: Sequence[Item]) -> Iterable[Answer]:
        """What the function makes of each item, in their order. Function, items and answers can be pickled."""
        ...


class Here:
    """Works in this process."""

    def map(self, function: Callable[[Item], Answer], items: Sequence[Item]) -> Iterable[Answer]:
        return map(function, items)


class Processes:
    """Works in a pool of processes on this machine."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool

    def map(self, function: Callable[[Item], Answer], items: Sequence[Item]) -> Iterable[Answer]:
        return self._pool.map(function, items, chunksize=_CHUNK)


class Counted:
    """Another executor, with its progress told: ``done_before`` of ``total`` were done before this one's items."""

    def __init__(self, inner: Executor, progress: Progress, *, total: int, done_before: int = 0) -> None:
        self._inner, self._progress = inner, progress
        self._done, self._total = done_before, total

    def map(self, function: Callable[[Item], Answer], items: Sequence[Item]) -> Iterable[Answer]:
        for answer in self._inner.map(function, items):
            self._done += 1
            self._progress(self._done, self._total)
            yield answer


@contextmanager
def on_this_machine(items: int, *, processes: int | None = None) -> Iterator[Executor]:
    """The executor for so many items; ``processes``: 1 works here, None decides by the items and the cores.

    Workers are spawned, never forked: a fork after Prophet has run hangs. They yield to everything else on the machine
    and end when this process does.
    """
    count = processes or max(1, min(os.cpu_count() or 1, items // _ITEMS_PER_PROCESS_MIN))
    if count == 1:
        yield Here()
        return
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=count, mp_context=spawn, initializer=_serve) as pool:
        yield Processes(pool)


def _serve() -> None:
    os.nice(10)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    # A parent that was killed says nothing to its pool: the workers would wait for work for ever.
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
