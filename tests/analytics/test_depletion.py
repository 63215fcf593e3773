"""Batches and burn paths: when credits run out, by what, and what expires unused."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from analytics.depletion import Cause, DayRange, Projection, project, run_out, sentence
from analytics.spending import day_windows, spend
from ledger.core.amounts import MICRO
from ledger.core.burn import burn_key, plan_consumption
from ledger.core.lifecycle import end_of_day, last_day
from ledger.core.records import Batch, CreditType

BERLIN = ZoneInfo("Europe/Berlin")
TODAY = date(2027, 5, 1)
MORNING = datetime.combine(TODAY, time(), tzinfo=BERLIN)


def make_batch(
    batch_id: int, credits: float, *, through: date | None = None, since: date = date(2027, 1, 1), priority: int = 0
) -> Batch:
    """A batch usable from the start of one local day through the end of another."""
    return Batch(
        id=batch_id,
        credit_type=CreditType.PURCHASED,
        remaining_micro=round(credits * MICRO),
        held_micro=0,
        priority=priority,
        effective_at=datetime.combine(since, time(), tzinfo=BERLIN),
        expires_at=end_of_day(through, BERLIN) if through else None,
    )


def constant_paths(credits_per_day: float, *, days: int = 90, spread: tuple[float, ...] = (1.0,)) -> np.ndarray:
    return np.array([np.full(days, credits_per_day * factor) for factor in spread])


def projected(*batches: Batch, use: float | np.ndarray, start_at: datetime = MORNING) -> Projection:
    paths = use if isinstance(use, np.ndarray) else constant_paths(use)
    return project(batches, paths, start_at=start_at, zone=BERLIN)


def test_constant_use_runs_out_on_the_exact_day() -> None:
    result = projected(make_batch(1, 200), use=10)
    assert result.likely == TODAY + timedelta(days=19)
    assert result.range_80 == result.range_95 == DayRange(result.likely, result.likely)
    assert result.runway_days == 20
    assert result.cause is Cause.USE


def test_one_credit_more_than_whole_days_need_lasts_a_day_longer() -> None:
    assert projected(make_batch(1, 201), use=10).likely == TODAY + timedelta(days=20)


def test_use_that_is_no_round_number_still_runs_out_on_the_exact_day() -> None:
    assert projected(make_batch(1, 4), use=4 / 3).likely == TODAY + timedelta(days=2)


def test_batch_that_expires_before_it_is_reached_counts_as_wasted() -> None:
    soon = make_batch(1, 100, through=TODAY + timedelta(days=9), priority=1)
    first = make_batch(2, 150)
    result = projected(soon, first, use=10)
    assert result.likely == TODAY + timedelta(days=14)
    assert result.wasted.to_dict("records") == [
        {
            "batch_id": 1,
            "expires_on": TODAY + timedelta(days=9),
            "wasted_likely": 100.0,
            "wasted_low": 100.0,
            "wasted_high": 100.0,
        }
    ]
    assert result.wasted_before_likely == 100.0


def test_batch_can_be_used_through_its_last_day() -> None:
    result = projected(make_batch(1, 35, through=TODAY + timedelta(days=2)), use=10)
    assert result.likely == TODAY + timedelta(days=2)
    assert result.cause is Cause.EXPIRY
    assert result.wasted["wasted_likely"].tolist() == [5.0]


def test_scheduled_grant_before_run_out_moves_the_date() -> None:
    planned = make_batch(2, 50, since=TODAY + timedelta(days=5))
    assert projected(make_batch(1, 100), planned, use=10).likely == TODAY + timedelta(days=14)
    by_argument = project([make_batch(1, 100)], constant_paths(10), start_at=MORNING, zone=BERLIN, scheduled=[planned])
    assert by_argument.likely == TODAY + timedelta(days=14)


def test_scheduled_grant_after_run_out_does_not_hide_it() -> None:
    result = projected(make_batch(1, 100), make_batch(2, 50, since=TODAY + timedelta(days=15)), use=10)
    assert result.likely == TODAY + timedelta(days=9)
    assert result.balance["likely"].iloc[14] == 50.0
    assert (result.scheduled_micro, result.scheduled_on) == (50 * MICRO, TODAY + timedelta(days=15))


def test_grant_that_takes_over_at_midnight_leaves_no_run_out() -> None:
    ends = make_batch(1, 500, through=TODAY + timedelta(days=9))
    takes_over = make_batch(2, 5000, since=TODAY + timedelta(days=10))
    result = projected(ends, takes_over, use=10)
    assert result.likely is None
    assert result.cause is Cause.NONE


def test_no_use_runs_out_only_by_expiry() -> None:
    result = projected(make_batch(1, 300, through=date(2027, 5, 31)), use=0)
    assert (result.likely, result.cause, result.will_use) == (date(2027, 5, 31), Cause.EXPIRY, False)
    assert (
        sentence(result)
        == "Runs out by expiry on May 31, with no other day in the 80 % range; 300 credits will expire unused by then."
    )


def test_no_use_and_no_expiry_never_runs_out() -> None:
    result = projected(make_batch(1, 300), use=0)
    assert (result.likely, result.range_95, result.cause) == (None, DayRange(None, None), Cause.NONE)
    assert sentence(result) == "No use is expected, and credits last beyond Jul 29, 90 days from now."


def test_account_without_credits_is_out_now_and_names_what_comes() -> None:
    assert projected(use=10).likely == TODAY
    assert sentence(projected(use=10)) == "No credits are available now."
    later = projected(make_batch(1, 500, since=date(2027, 6, 3)), use=10)
    assert later.is_out_now
    assert sentence(later) == "No credits are available now; 500 credits become usable later, the first on Jun 3."


def test_expired_and_held_credits_are_not_spent() -> None:
    expired = make_batch(1, 500, through=TODAY - timedelta(days=1))
    held = replace(make_batch(2, 100), held_micro=40 * MICRO)
    result = projected(expired, held, use=10)
    assert result.available_micro == 60 * MICRO
    assert result.likely == TODAY + timedelta(days=5)
    assert result.wasted.empty


def test_range_takes_ranks_of_the_paths() -> None:
    # With 99 paths the ranks 10, 50 and 90 of a hundred are exact: the k-th fastest path is the k-th to run out.
    spread = tuple(100 / days for days in range(1, 100))
    result = projected(make_batch(1, 100), use=constant_paths(1, days=120, spread=spread))
    assert (result.range_80.low, result.likely, result.range_80.high) == tuple(
        TODAY + timedelta(days=rank - 1) for rank in (10, 50, 90)
    )
    assert result.range_95.low == TODAY + timedelta(days=1)
    assert result.range_95.high == TODAY + timedelta(days=97)


@pytest.mark.parametrize("use", [0.0, 0.5, 10.0, 60.0])
def test_short_answer_for_lists_says_what_the_projection_says(use: float) -> None:
    batches = [make_batch(1, 300, through=TODAY + timedelta(days=20)), make_batch(2, 400)]
    paths = constant_paths(use, spread=(0.5, 0.8, 1.0, 1.2, 4.0))
    short = run_out(batches, paths, start_at=MORNING, zone=BERLIN)
    full = project(batches, paths, start_at=MORNING, zone=BERLIN)
    for field in ("days_covered", "is_out_now", "runway_days", "likely", "range_80", "range_95", "cause"):
        assert getattr(short, field) == getattr(full, field)
    assert short.cannot_say_reason == full.cannot_say_reason
    assert short.wasted == full.wasted["wasted_likely"].sum()


def test_range_wider_than_the_runway_is_called_unknown_with_the_reason() -> None:
    spread = (0.2,) * 3 + (1.0,) * 5 + (20.0,) * 3
    result = projected(make_batch(1, 100), use=constant_paths(10, spread=spread))
    assert result.cannot_say_reason == "the 80 % range is 49 days wide, wider than the likely runway of 10 days"
    assert sentence(result) == (
        "Cannot be said yet when it runs out, between May 1 and Jun 19: "
        "the 80 % range is 49 days wide, wider than the likely runway of 10 days."
    )


@pytest.mark.parametrize(
    ("credits", "locale", "expected"),
    [
        (100, "en_US", "Runs out by use between May 7 and May 13, most likely on May 10."),
        (100, "en_GB", "Runs out by use between 7 May and 13 May, most likely on 10 May."),
        (
            800,
            "en_US",
            "Runs out by use between Jun 23 and some day after Jul 29, 90 days from now, most likely on Jul 19.",
        ),
        (
            1100,
            "en_US",
            "Lasts at least until Jul 13 in 9 of 10 cases, and more likely than not beyond Jul 29, 90 days from now.",
        ),
        (9000, "en_US", "Lasts beyond Jul 29, 90 days from now, in at least 9 of 10 cases."),
    ],
    ids=["within", "british", "high-end-beyond", "likely-beyond", "beyond"],
)
def test_sentence_never_names_a_date_without_its_range(credits: int, locale: str, expected: str) -> None:
    spread = (1.5,) * 3 + (1.0,) * 5 + (0.8,) * 3
    assert sentence(projected(make_batch(1, credits), use=constant_paths(10, spread=spread)), locale=locale) == expected


def test_status_gives_the_balance_after_so_many_days() -> None:
    result = projected(make_batch(1, 350), use=10)
    after_30, after_60, after_90 = (result.status_at(days) for days in (30, 60, 90))
    assert after_30 and (after_30.likely, after_30.word) == (50.0, "covered")
    assert after_60 and (after_60.day, after_60.word) == (TODAY + timedelta(days=59), "out")
    assert after_90 and after_90.day == result.last_day
    assert result.status_at(91) is None
    month_end = result.status_at_month_end()
    assert month_end and (month_end.day, month_end.likely) == (date(2027, 5, 31), 40.0)


def test_started_day_counts_with_the_part_that_is_left() -> None:
    noon = MORNING + timedelta(hours=12)
    assert projected(make_batch(1, 15), use=10, start_at=noon).likely == TODAY + timedelta(days=1)


def test_older_forecast_is_used_from_today_on() -> None:
    rising = np.arange(1.0, 91.0)[np.newaxis, :]
    result = project([make_batch(1, 6)], rising, start_at=MORNING, zone=BERLIN, paths_from=TODAY - timedelta(days=2))
    assert result.balance["likely"].iloc[0] == 3.0
    assert result.days_covered == 88


def test_paths_that_do_not_cover_the_start_are_refused() -> None:
    for paths_from in (TODAY - timedelta(days=90), TODAY + timedelta(days=2)):
        with pytest.raises(ValueError, match="paths"):
            project([], constant_paths(1), start_at=MORNING, zone=BERLIN, paths_from=paths_from)
    with pytest.raises(ValueError, match="zone"):
        project([], constant_paths(1), start_at=MORNING.replace(tzinfo=None), zone=BERLIN)


def test_days_of_a_clock_change_keep_their_length() -> None:
    # On 28 March 2027 Berlin has 23 hours; 11.5 of them are half the day.
    start = datetime(2027, 3, 28, 12, 30, tzinfo=BERLIN).astimezone(UTC)
    assert projected(make_batch(1, 100), use=10, start_at=start).balance["likely"].iloc[0] == 95.0


def random_batches(rng: np.random.Generator) -> list[Batch]:
    """Up to nine batches at any hours, some over, some to come, some held, with ties in priority and expiry."""
    batches = []
    for batch_id in range(1, int(rng.integers(1, 10)) + 1):
        effective_at = MORNING + timedelta(hours=int(rng.integers(-20 * 24, 25 * 24)))
        expires_at = effective_at + timedelta(hours=int(rng.integers(1, 40 * 24))) if rng.random() < 0.8 else None
        if expires_at and rng.random() < 0.5:
            expires_at = end_of_day(last_day(expires_at, BERLIN), BERLIN)
        remaining = int(rng.integers(0, 80 * MICRO))
        held = int(rng.integers(0, remaining + 1)) if rng.random() < 0.3 else 0
        priority = int(rng.integers(0, 2))
        batches.append(Batch(batch_id, CreditType.PURCHASED, remaining, held, priority, effective_at, expires_at))
    return batches


def spent_day_by_day(
    batches: list[Batch], use_micro: list[int], start_at: datetime
) -> tuple[list[int], list[int], dict[int, int]]:
    """The plain answer: opening balance of each next day, unmet use, and what expires unused, one charge per day.

    Instants are cut to local days as the module says; the priority becomes the original place in the burn order, so
    that cutting cannot change the order.
    """
    open_batches = [b for b in batches if b.expires_at is None or b.expires_at > start_at]
    state = {
        b.id: replace(
            b,
            priority=place,
            effective_at=datetime.combine(b.effective_at.astimezone(BERLIN).date(), time(), tzinfo=BERLIN),
            expires_at=end_of_day(last_day(b.expires_at, BERLIN), BERLIN) if b.expires_at else None,
        )
        for place, b in enumerate(sorted(open_batches, key=burn_key))
    }
    closing, unmet, wasted = [], [], {}
    for index, amount in enumerate(use_micro):
        day = TODAY + timedelta(days=index)
        missing = 0
        if amount > 0:
            plan = plan_consumption(state.values(), amount, at=datetime.combine(day, time(12), tzinfo=BERLIN))
            for take in plan.takes:
                batch = state[take.batch_id]
                state[take.batch_id] = replace(batch, remaining_micro=batch.remaining_micro - take.amount_micro)
            missing = plan.shortfall_micro
        unmet.append(missing)
        next_midnight = datetime.combine(day + timedelta(days=1), time(), tzinfo=BERLIN)
        closing.append(sum(b.free_micro for b in state.values() if b.is_open(next_midnight)))
        for batch in state.values():
            if batch.expires_at == next_midnight:
                wasted[batch.id] = batch.free_micro
    return closing, unmet, wasted


@pytest.mark.parametrize("seed", range(150))
def test_all_paths_at_once_equal_a_plain_day_by_day_simulation(seed: int) -> None:
    rng = np.random.default_rng(seed)
    batches = random_batches(rng)
    start_at = MORNING + timedelta(hours=int(rng.integers(0, 24)))
    use = rng.integers(0, 12 * MICRO, size=(30, 3)) * (rng.random((30, 3)) < 0.7)
    windows = day_windows(batches, start_at=start_at, zone=BERLIN, days=30)
    spent = spend(windows, np.cumsum(use, axis=0))
    for path in range(3):
        closing, unmet, wasted = spent_day_by_day(batches, [int(micro) for micro in use[:, path]], start_at)
        assert spent.closing[:, path].tolist() == closing
        assert np.diff(spent.unmet[:, path], prepend=0).tolist() == unmet
        assert {windows[i].batch.id: int(left[path]) for i, left in spent.wasted.items()} == {
            batch_id: left for batch_id, left in wasted.items() if batch_id in {w.batch.id for w in windows}
        }
