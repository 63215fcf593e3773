"""Expiry: what ends soon, and what of it will be wasted if use goes on at today's pace.

The pace is the mean day of the last 28 complete days. It is spent through each account's batches in the ledger's own
burn order (ledger.core.burn), scheduled batches included, nothing added.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
import pandas as pd

from analytics.frames import EXPIRING, RATE_DAYS
from analytics.frames.schema import Schema, micro, text, whole
from analytics.scopes import Mix, Share, is_scoped, shares
from ledger.core.burn import burn_key
from ledger.core.records import Batch, CreditType

BUCKETS = (3, 14, 30, 60, 90)
_MICROSECOND = timedelta(microseconds=1)
_DAY_IN_MICROSECONDS = timedelta(days=1) // _MICROSECOND

WASTE = EXPIRING.extended(
    EXPIRING.row,
    micro("needed_micro", "will be used of it at today's pace"),
    micro("wasted_micro", "will expire unused at today's pace"),
)
BY_BUCKET = Schema(
    "one bucket of days and credit type, every bucket with all five types in their order",
    (
        text("bucket", "days until the last usable one, such as '4–14 days'"),
        whole("within_days", "upper end of the bucket, included"),
        text("credit_type", "credit type"),
        micro("left_micro", "credits that end"),
        micro("wasted_micro", "of them unused at today's pace"),
        whole("batches", "number of batches"),
    ),
)


def wasted(
    batches: Iterable[Batch],
    *,
    at: datetime,
    used_micro: int,
    over_days: int = RATE_DAYS,
    mix: Mix | None = None,
    until: datetime | None = None,
) -> dict[int, int]:
    """Credits of each batch that will expire unused, by batch id, if use goes on evenly at a given pace.

    Args: batches of one account in any order, those not yet effective included; the pace as use over a number of days;
    recent use by feature, of which credits for some features pay their share (without it, nothing).
    Returns: micro-credits for every batch with free credits that ends after ``at``; 0 when it will be used up. With
    ``until`` only for those that end by then.

    A stretch between two dates at which a batch opens or ends is charged at once: inside it the burn order is fixed.
    """
    order = sorted(
        (b for b in batches if b.free_micro > 0 and (b.expires_at is None or b.expires_at > at)), key=burn_key
    )
    left = {batch.id: batch.free_micro for batch in order}
    ending = [b for b in order if b.expires_at is not None and (until is None or b.expires_at <= until)]
    if used_micro == 0 or not ending:
        return {batch.id: left[batch.id] for batch in ending}
    ends = {b.expires_at for b in ending if b.expires_at is not None}
    last = max(ends)
    marks = sorted({at} | ends | {b.effective_at for b in order if at < b.effective_at < last})
    scale = over_days * _DAY_IN_MICROSECONDS

    def used_by(instant: datetime) -> int:
        return used_micro * ((instant - at) // _MICROSECOND) // scale

    parts = shares(order, mix or {}) if is_scoped(order) else None
    for start, end in pairwise(marks):
        used = used_by(end) - used_by(start)
        burning = [batch for batch in order if left[batch.id] and batch.is_open(start)]
        if parts is None:
            _take(used, burning, left)
        else:
            _take_by_share(_split(used, parts), burning, left)
    return {batch.id: left[batch.id] for batch in ending}


def _take(missing: int, burning: list[Batch], left: dict[int, int]) -> None:
    """Take an amount from batches in their order, as far as they go; ``left`` is what they have."""
    for batch in burning:
        taken = min(left[batch.id], missing)
        left[batch.id] -= taken
        missing -= taken
        if missing == 0:
            return


def _take_by_share(missing: dict[str, int], burning: list[Batch], left: dict[int, int]) -> None:
    """The same, each share from the batches that serve it."""
    for batch in burning:
        asked = {name: amount for name, amount in missing.items() if amount and batch.serves(name)}
        taken = min(left[batch.id], sum(asked.values()))
        left[batch.id] -= taken
        missing |= _reduced(asked, taken)


def _split(amount: int, parts: list[Share]) -> dict[str, int]:
    """An amount by share; the last one gets what rounding leaves."""
    found = {share.feature: int(amount * share.part) for share in parts[:-1]}
    return found | {parts[-1].feature: amount - sum(found.values())}


def _reduced(asked: dict[str, int], taken_micro: int) -> dict[str, int]:
    """What each share still asks for after so much was given to them in proportion."""
    total, rest = sum(asked.values()), taken_micro
    left = {}
    for name, amount in asked.items():
        given = min(rest, amount, -(-amount * taken_micro // total))
        left[name] = amount - given
        rest -= given
    return left


def with_waste(
    expiring: pd.DataFrame,
    batches: Mapping[str, list[Batch]],
    used_28d_micro: Mapping[str, int],
    *,
    at: datetime,
    mixes: Mapping[str, Mix] | None = None,
) -> pd.DataFrame:
    """Expiring batches with what will be used and wasted of each at today's pace: see WASTE.

    Args: a frame of EXPIRING; the batches of each account (frames.load_all_core_batches); the use of each account on
    the last 28 complete days, absent means none; the same by feature, for accounts with credits for some features.
    """
    waste: dict[int, int] = {}
    until = None if expiring.empty else expiring["expires_at"].max().to_pydatetime()
    for account in dict.fromkeys(expiring["account"].tolist()):
        mix = (mixes or {}).get(account)
        waste |= wasted(
            batches.get(account, []), at=at, used_micro=used_28d_micro.get(account, 0), mix=mix, until=until
        )
    found = np.array([waste.get(number, 0) for number in expiring["batch_id"].tolist()], dtype=np.int64)
    return WASTE.check(expiring.assign(needed_micro=expiring["left_micro"].to_numpy() - found, wasted_micro=found))


def by_bucket(waste: pd.DataFrame) -> pd.DataFrame:
    """What ends in 3, 14, 30, 60 and 90 days, by type: see BY_BUCKET. A batch counts in the first bucket it fits."""
    types = [kind.value for kind in CreditType]
    upper = np.array(BUCKETS)
    bucket = np.searchsorted(upper, waste["days_left"].to_numpy())
    place = pd.Index(types).get_indexer(pd.Index(waste["credit_type"]))
    inside = bucket < len(BUCKETS)
    cell = bucket[inside] * len(types) + place[inside]
    size = len(BUCKETS) * len(types)
    sums = {name: np.zeros(size, dtype=np.int64) for name in ("left_micro", "wasted_micro", "batches")}
    np.add.at(sums["left_micro"], cell, waste["left_micro"].to_numpy()[inside])
    np.add.at(sums["wasted_micro"], cell, waste["wasted_micro"].to_numpy()[inside])
    np.add.at(sums["batches"], cell, 1)
    return BY_BUCKET.check(
        pd.DataFrame(
            {
                "bucket": pd.array([name for name in bucket_names() for _ in types], dtype="str"),
                "within_days": np.repeat(upper, len(types)).astype(np.int64),
                "credit_type": pd.array(types * len(BUCKETS), dtype="str"),
                **sums,
            }
        )
    )


def bucket_names() -> list[str]:
    """The buckets in words: '0–3 days', '4–14 days', …"""
    lower = (0, *(end + 1 for end in BUCKETS[:-1]))
    return [f"{start}–{end} days" for start, end in zip(lower, BUCKETS, strict=True)]
