"""How often may be asked: token buckets that all processes share, in the table rate_limit.

A bucket of ``per_minute`` tokens refills evenly: in any span of t minutes at most ``per_minute`` × (1 + t) requests
pass. It is one instant, ``full_at``, when the bucket will be full again (GCRA); taking a token moves it on.

Each process counts what it lets pass and settles with the database once per block of tokens, a sixtieth of the limit,
or a second after the first token of a block when somebody takes the next one, whatever comes first. So one write of the
database pays for a second's worth of requests. What that costs in exactness: the processes together may let pass one
block each beyond the limit before they learn of each other; a limit of fewer than 120 a minute has blocks of one and
is exact. A refused request takes no token.

Rows whose bucket is full again say nothing, and are removed by whoever settles, every now and then.
"""

import math
import threading
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from ledger.clock import Clock, SystemClock
from ledger.database import Database, answering
from ledger.errors import TooManyRequests
from ledger.models import rate_limit

SPAN = timedelta(minutes=1)
BLOCKS_PER_MINUTE = 60
_SETTLE_AFTER = timedelta(seconds=1)
_TIDY_AFTER = timedelta(minutes=1)


@dataclass(slots=True)
class _Bucket:
    """What this process knows of a bucket: its state when last settled, and the tokens taken since."""

    full_at: datetime
    each: timedelta
    block: int
    taken: int = 0
    # When the first of them was taken.
    since: datetime | None = None


class Limiter:
    """The buckets as one process sees them. Limits are about load, so they run on the machine's clock."""

    def __init__(self, database: Database, clock: Clock | None = None) -> None:
        self._database = database
        self._clock = clock or SystemClock()
        self._buckets: dict[str, _Bucket] = {}
        self._lock = threading.Lock()
        self._tidied_at = self._swept_at = self._clock.now()

    def take(self, name: str, per_minute: int, *, whose: str) -> None:
        """Take one token, settling when it is time. Raises TooManyRequests with the seconds until there is one again.

        ``whose`` begins the sentence of the refusal, such as "This API key".
        """
        if self.count(name, per_minute, whose=whose):
            self.settle(name, per_minute, whose=whose)

    def count(self, name: str, per_minute: int, *, whose: str) -> bool:
        """Take one token by what this process knows; True when `settle` has to follow before the request passes."""
        now = self._clock.now()
        with self._lock:
            bucket = self._buckets.get(name)
            if bucket is None or bucket.each != SPAN / per_minute:
                block = max(1, per_minute // BLOCKS_PER_MINUTE)
                bucket = self._buckets[name] = _Bucket(now, SPAN / per_minute, block)
            known = max(bucket.full_at, now) + bucket.each * (bucket.taken + 1)
            if known > now + SPAN:
                raise _refusal(whose, per_minute, known - now - SPAN)
            bucket.taken += 1
            bucket.since = bucket.since or now
            return bucket.taken >= bucket.block or now - self._swept_at >= _SETTLE_AFTER

    def settle(self, name: str, per_minute: int, *, whose: str) -> None:
        """Write down what was taken, of this bucket and of all that are due; learn what other processes took.

        Raises TooManyRequests when the others had left nothing: the token just taken is given back.
        """
        now = self._clock.now()
        with self._lock:
            due = [
                one
                for one, bucket in self._buckets.items()
                if one == name or (bucket.since is not None and now - bucket.since >= _SETTLE_AFTER)
            ]
            taken = {one: (self._buckets[one].taken, self._buckets[one].each) for one in due}
            for one in due:
                self._buckets[one].taken, self._buckets[one].since = 0, None
            is_tidying = now - self._tidied_at >= _TIDY_AFTER
            self._swept_at = now
            if is_tidying:
                self._tidied_at = now
                # A bucket that is full and of which nothing was taken is like one never heard of.
                self._buckets = {
                    one: bucket
                    for one, bucket in self._buckets.items()
                    if one in taken or bucket.taken or bucket.full_at > now
                }
        full_at, over = self._write(taken, name, now, is_tidying=is_tidying)
        with self._lock:
            for one, at in full_at.items():
                if one in self._buckets:
                    self._buckets[one].full_at = at
        if over is not None:
            raise _refusal(whose, per_minute, over)

    def _write(
        self, taken: dict[str, tuple[int, timedelta]], last: str, now: datetime, *, is_tidying: bool
    ) -> tuple[dict[str, datetime], timedelta | None]:
        """The new state of the buckets; and by how much the last token of one of them was too many, or None."""
        names = sorted(taken)
        over = None
        with answering(), self._database.engine.begin() as connection:
            self._add_missing(connection, names, now)
            # Locked in the order of their names: no two processes wait for each other in a circle.
            rows = connection.execute(
                sa.select(rate_limit.c.name, rate_limit.c.full_at)
                .where(rate_limit.c.name.in_(names))
                .order_by(rate_limit.c.name)
                .with_for_update()
            )
            before = {row.name: row.full_at for row in rows}
            after = {}
            for name, (count, each) in taken.items():
                after[name] = max(before[name], now) + each * count
                if name == last and after[name] > now + SPAN:
                    over = after[name] - now - SPAN
                    after[name] -= each
            connection.execute(_MOVE, [{"of": name, "full_at": after[name]} for name in names])
            if is_tidying:
                connection.execute(sa.delete(rate_limit).where(rate_limit.c.full_at <= now))
        return after, over

    def _add_missing(self, connection: sa.Connection, names: Collection[str], now: datetime) -> None:
        insert = (sqlite.insert if self._database.is_sqlite else postgresql.insert)(rate_limit)
        connection.execute(insert.on_conflict_do_nothing(), [{"name": name, "full_at": now} for name in names])


_MOVE = (
    sa.update(rate_limit)
    .where(rate_limit.c.name == sa.bindparam("of"))
    .values(full_at=sa.bindparam("full_at", type_=rate_limit.c.full_at.type))
)


def _refusal(whose: str, per_minute: int, wait: timedelta) -> TooManyRequests:
    seconds = max(1, math.ceil(wait.total_seconds()))
    return TooManyRequests(whose=whose, per_minute=per_minute, retry_after_seconds=seconds)
