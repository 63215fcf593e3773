"""How often unusual use would have told, over years of real usage: the budget of false alarms, measured.

python -m tools.evaluate_unusual FOLDER reads customers.csv and usage.csv.gz (see service/real_data.py) and counts what
the detector and the rule of crossings make of every day. Nothing in the data is labelled, so real changes count too:
the figure bounds the false alarms from above.
"""

import csv
import gzip
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import numpy as np

from analytics import unusual
from analytics.forecast import Floats
from ledger.core.alerts import REARM, AlertKind, Line, LineKey
from ledger.core.crossings import Watch, step
from service.real_data import PRICES

QUARTER_DAYS = 91.31


def read_credits(folder: Path) -> tuple[list[tuple[str, str]], date, Floats]:
    """Series (customer, feature), the first day, and credits by day and series."""
    found: dict[tuple[str, str], dict[date, float]] = defaultdict(dict)
    with gzip.open(folder / "usage.csv.gz", "rt") as handle:
        for row in csv.DictReader(handle):
            credits = float(row["units"]) * PRICES[row["feature"]]
            found[row["customer_id"], row["feature"]][date.fromisoformat(row["day"])] = credits
    days = {day for series in found.values() for day in series}
    first, last = min(days), max(days)
    used = np.zeros(((last - first).days + 1, len(found)))
    for place, series in enumerate(found.values()):
        for day, credits in series.items():
            used[(day - first).days, place] = credits
    return list(found), first, used


def alarms(used: Floats, first: date) -> Iterator[tuple[int, date, bool]]:
    """Each (series, day) that would have told, and whether use was above the usual."""
    watches: dict[int, Watch] = {}
    key, rearm = LineKey(AlertKind.UNUSUAL_USE, 0, "feature:x"), REARM[AlertKind.UNUSUAL_USE]
    for number in range(unusual.WINDOW_DAYS, len(used)):
        day = first + timedelta(days=number)
        judged = unusual.judge(used[number - unusual.WINDOW_DAYS : number], used[number])
        at = datetime.combine(day, time(), tzinfo=UTC)
        waiting = {place for place, watch in watches.items() if watch.crossing}
        for place in set(map(int, np.flatnonzero(judged.is_unusual))) | waiting:
            if not judged.can_say[place]:
                continue
            odd = bool(judged.is_unusual[place])
            made = step(watches.get(place, Watch()), Line(key, odd, not odd), at, rearm)
            watches[place] = made.watch
            if made.is_raised:
                yield place, day, bool(used[number, place] > judged.usual[place])


def main() -> None:
    series, first, used = read_credits(Path(sys.argv[1]))
    customers = sorted({customer for customer, _ in series})
    told = list(alarms(used, first))
    quarters = (len(used) - unusual.WINDOW_DAYS) / QUARTER_DAYS
    by_customer = Counter(series[place][0] for place, _, _ in told)
    by_quarter = Counter((series[place][0], day.year, (day.month - 1) // 3) for place, day, _ in told)
    rates = np.array([by_customer[customer] / quarters for customer in customers])
    above = sum(is_above for _, _, is_above in told)
    print(f"{len(customers)} customers, {len(series)} series, {quarters:.1f} quarters")
    print(f"{len(told)} alerts, {above} of them above the usual")
    print(f"per customer and quarter: mean {rates.mean():.2f}, median {np.median(rates):.2f}, most {rates.max():.2f}")
    print(
        f"quarters of a customer with more than one: {sum(n > 1 for n in by_quarter.values())} of "
        f"{len(customers) * quarters:.0f}"
    )
    print(f"customers above one a quarter: {(rates > 1).sum()}")


if __name__ == "__main__":
    main()
