"""Where the fleet is forecast: in processes of this machine, or on the Ray cluster of RAY_ADDRESS. Same figures."""

import importlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from analytics.executors import Executor, on_this_machine
from ledger.settings import Settings

Item = TypeVar("Item")
Answer = TypeVar("Answer")

ROOT = Path(__file__).parents[2]
# Items that travel and fail together: large enough that sending them costs little, small enough to do them again.
RAY_CHUNK = 8
# A worker that was killed, or a node that was lost, costs its chunk once more; so often, then the job fails.
RAY_RETRIES = 8


def executor_of(settings: Settings, *, items: int) -> AbstractContextManager[Executor]:
    """The executor that the settings ask for."""
    if settings.ray_address:
        return on_ray(settings.ray_address)
    return on_this_machine(items)


class OnRay:
    """Works on a Ray cluster; Ray does again what was lost with a worker."""

    def __init__(self, ray: Any) -> None:
        self._ray = ray

    def map(self, function: Callable[[Item], Answer], items: Sequence[Item]) -> Iterable[Answer]:
        remote = self._ray.remote(num_cpus=1, max_retries=RAY_RETRIES)(_each)
        chunks = [items[start : start + RAY_CHUNK] for start in range(0, len(items), RAY_CHUNK)]
        waiting = [remote.remote(function, list(chunk)) for chunk in chunks]
        for reference in waiting:
            yield from self._ray.get(reference)


@contextmanager
def on_ray(address: str) -> Iterator[Executor]:
    """A connection to a running cluster, which gets the code of the product; its packages it must have itself."""
    try:
        ray = importlib.import_module("ray")
    except ImportError as error:
        raise RuntimeError(
            "RAY_ADDRESS is set, but Ray is not installed: pip install -r requirements-ray.txt, or leave it empty."
        ) from error
    packages = [str(ROOT / name) for name in ("analytics", "ledger", "service")]
    ray.init(address=address, runtime_env={"py_modules": packages}, log_to_driver=False, logging_level="error")
    try:
        yield OnRay(ray)
    finally:
        ray.shutdown()


def _each(function: Callable[[Any], Any], items: list[Any]) -> list[Any]:
    return [function(item) for item in items]
