"""The balance of past days, worked back from what is available now."""

from datetime import date, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from analytics.frames.schema import Schema, day, micro
from ledger.core.records import Bucket

PAST = Schema(
    "one company-zone day, no gaps, sorted; the last one is today",
    (
        day("day", "company-zone day"),
        micro("available_micro", "available at the end of that day, after its expiries; for today: now"),
        micro("expired_micro", "expired unused at the end of that day"),
    ),
)


def past(
    usage: pd.DataFrame,
    movements: pd.DataFrame,
    batches: pd.DataFrame,
    *,
    available_micro: int,
    today: date,
    days: int,
    zone: ZoneInfo,
) -> pd.DataFrame:
    """What one account had available on each of the last ``days`` days, today included: see PAST.

    Args: frames.DAILY_USAGE_BY_TYPE (or DAILY_USAGE), ACCOUNT_MOVEMENTS and BATCHES of the account, the first two
    reaching back that far; available_micro as of now. Use counts on the day on which it happened, even when it was
    reported later.
    """
    grid = pd.date_range(pd.Timestamp(today - timedelta(days=days - 1)), pd.Timestamp(today), unit="us", name="day")

    def by_day(on: pd.Series, amount: pd.Series) -> np.ndarray:
        sums = np.zeros(days, dtype=np.int64)
        place = (on - grid[0]).dt.days.to_numpy()
        inside = (place >= 0) & (place < days)
        np.add.at(sums, place[inside].astype(np.int64), amount.to_numpy()[inside])
        return sums

    # Due dates come from the batches, so that an expiry the sweep has not booked yet is in it.
    over = batches[(batches["expired_micro"] > 0) & batches["expires_at"].notna()]
    ends = (over["expires_at"] - pd.Timedelta(microseconds=1)).dt.tz_convert(zone).dt.tz_localize(None).dt.normalize()
    expired = by_day(ends, over["expired_micro"])
    came = movements[movements["movement"] == "issued"]
    went = movements[~movements["movement"].isin(["issued", "expired"])]
    # What was used on debt never left the shelf; what repaid it did.
    used = usage[usage["credit_type"] != Bucket.OWED]
    lost = by_day(used["day"], used["used_micro"]) + expired
    lost += by_day(went["day"], went["amount_micro"]) - by_day(came["day"], came["amount_micro"])
    # The end of a day is today's figure plus all that went, less all that came, on the days after it.
    later = np.append(np.cumsum(lost[:0:-1])[::-1], 0)
    return PAST.check(pd.DataFrame({"day": grid, "available_micro": available_micro + later, "expired_micro": expired}))
