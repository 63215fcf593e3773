"""Forecasts real use on a local Ray cluster of two workers, kills one in the middle, and compares with a process pool.

usage: make ray DATA=folder, the folder with usage.csv.gz and customers.csv that `tools.build_calibration` takes.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from ray.cluster_utils import Cluster

from analytics.executors import Counted, on_this_machine
from analytics.forecast import HISTORY_DAYS_MAX, Forecast, forecast_many
from service.jobs.executors import on_ray
from tools.build_calibration import load_histories

_STORE_BYTES = 100_000_000


def main() -> int:
    """Compute both ways; answers 0 when they are equal to the last digit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--customers", type=int, default=196, help="so many of them")
    wanted = parser.parse_args()
    found = load_histories(wanted.data)
    # Every history ends on a day of its own here; the forecast of each is as of its last day.
    histories = {name: found[name].iloc[-HISTORY_DAYS_MAX:] for name in list(found)[: wanted.customers]}

    started = time.monotonic()
    with on_this_machine(len(histories), processes=2) as pool:
        by_pool = forecast_many(histories, executor=pool)
    print(f"{len(by_pool)} forecasts in two processes: {time.monotonic() - started:.0f} s")

    by_ray, killed_at, seconds = _on_cluster(histories)
    print(f"{len(by_ray)} forecasts on two Ray workers, one killed after {killed_at}: {seconds:.0f} s")
    different = [name for name in by_pool if _body(by_pool[name]) != _body(by_ray[name])]
    print(f"{len(different)} differ." if different else "All are equal to the last digit.")
    return 1 if different or not 0 < killed_at < len(histories) else 0


def _on_cluster(histories: dict[str, Any]) -> tuple[dict[str, Forecast], int, float]:
    # The workers yield to everything else on this machine, as the pool does.
    os.nice(5)
    # The head computes nothing, so the figures come from the two workers.
    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 0, "object_store_memory": _STORE_BYTES, "include_dashboard": False},
    )
    workers = [cluster.add_node(num_cpus=1, object_store_memory=_STORE_BYTES) for _ in range(2)]
    cluster.wait_for_nodes()
    killed_at = 0

    def kill(done: int, total: int) -> None:
        nonlocal killed_at
        if not killed_at and done >= total // 3:
            killed_at = done
            cluster.remove_node(workers.pop(), allow_graceful=False)
            print(f"killed one of two workers after {done} of {total}", flush=True)

    started = time.monotonic()
    try:
        with on_ray(cluster.address) as executor:
            made = forecast_many(histories, executor=Counted(executor, kill, total=len(histories)))
    finally:
        cluster.shutdown()
    return made, killed_at, time.monotonic() - started


def _body(forecast: Forecast) -> str:
    return json.dumps(forecast.to_body(), sort_keys=True)


if __name__ == "__main__":
    sys.exit(main())
