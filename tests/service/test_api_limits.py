"""Rate limits: several processes on one database share each bucket."""

from datetime import timedelta

import pytest

from ledger import Ledger, TooManyRequests
from ledger.clock import FixedClock
from ledger.limits import Limiter


def passed(limiter: Limiter, name: str, per_minute: int, tries: int) -> int:
    """How many of so many tries in one instant get a token."""
    count = 0
    for _ in range(tries):
        try:
            limiter.take(name, per_minute, whose="This API key")
        except TooManyRequests:
            continue
        count += 1
    return count


def test_two_processes_share_a_small_bucket_exactly(ledger: Ledger, clock: FixedClock) -> None:
    one, two = Limiter(ledger.database, clock), Limiter(ledger.database, clock)
    assert passed(one, "key:1", 100, 70) == 70
    assert passed(two, "key:1", 100, 70) == 30
    assert passed(one, "key:1", 100, 5) == 0
    assert passed(one, "key:2", 100, 5) == 5


def test_tokens_come_back_evenly_and_the_refusal_says_when(ledger: Ledger, clock: FixedClock) -> None:
    limiter = Limiter(ledger.database, clock)
    assert passed(limiter, "key:1", 60, 61) == 60
    clock.set(clock.now() + timedelta(seconds=3))
    assert passed(limiter, "key:1", 60, 10) == 3
    with pytest.raises(TooManyRequests) as refused:
        limiter.take("key:1", 60, whose="This API key")
    assert refused.value.retry_after_seconds == 1
    assert "60 requests a minute" in str(refused.value)
    clock.set(clock.now() + timedelta(minutes=2))
    assert passed(limiter, "key:1", 60, 100) == 60


def test_processes_learn_of_each_other_within_a_block(ledger: Ledger, clock: FixedClock) -> None:
    limiters = [Limiter(ledger.database, clock) for _ in range(2)]
    total = sum(passed(limiters[number % 2], "key:1", 6_000, 50) for number in range(200))
    assert 6_000 <= total <= 6_000 + 2 * 100


def test_the_database_is_written_once_per_block(
    ledger: Ledger, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    limiter = Limiter(ledger.database, clock)
    settled = []
    settle = limiter.settle
    monkeypatch.setattr(limiter, "settle", lambda *args, **named: (settled.append(args), settle(*args, **named)))
    assert passed(limiter, "key:1", 6_000, 1_000) == 1_000
    assert len(settled) == 10


def test_a_process_that_was_quiet_settles_what_it_took_before(ledger: Ledger, clock: FixedClock) -> None:
    one, two = Limiter(ledger.database, clock), Limiter(ledger.database, clock)
    assert passed(one, "key:1", 6_000, 99) == 99
    clock.set(clock.now() + timedelta(seconds=1))
    one.take("key:2", 6_000, whose="This API key")
    # Written down late, they count as taken now: the limit errs to the safe side.
    assert passed(two, "key:1", 6_000, 7_000) == 6_000 - 99


def test_full_buckets_leave_no_rows(ledger: Ledger, clock: FixedClock) -> None:
    import sqlalchemy as sa

    from ledger.models import rate_limit

    limiter = Limiter(ledger.database, clock)
    for number in range(5):
        limiter.take(f"customer:{number}", 60, whose="All keys together")
    clock.set(clock.now() + timedelta(minutes=2))
    limiter.take("key:1", 60, whose="This API key")
    with ledger.database.reading() as connection:
        assert connection.execute(sa.select(rate_limit.c.name)).scalars().all() == ["key:1"]
