"""Credits for some features only, in the forecast and in what will be wasted."""

from dataclasses import replace
from datetime import datetime, time, timedelta

import numpy as np
import pytest

from analytics import expiry
from analytics.depletion import Cause, project
from analytics.scopes import Share, shares, spend_by_share
from analytics.spending import day_windows, spend
from ledger.core.amounts import MICRO
from ledger.core.burn import burn_order
from ledger.core.lifecycle import end_of_day, last_day
from ledger.core.records import Batch
from tests.analytics.test_depletion import BERLIN, MORNING, TODAY, constant_paths, make_batch, random_batches

FEATURES = ("images", "text", "audio")


def only(batch: Batch, *features: str) -> Batch:
    return replace(batch, features=frozenset(features))


def test_features_that_the_same_batches_serve_are_one_share() -> None:
    batches = [make_batch(1, 10), only(make_batch(2, 10), "images", "text")]
    found = shares(batches, {"images": 30, "text": 30, "audio": 20, "video": 20})
    assert sorted((share.feature, share.part) for share in found) == [("", 0.4), ("images", 0.6)]


def test_without_recent_use_nobody_knows_of_a_share() -> None:
    assert shares([only(make_batch(1, 10), "images")], {}) == [Share("", 1.0)]


def test_a_scoped_batch_burns_by_its_share_only() -> None:
    batches = [only(make_batch(1, 100), "images"), make_batch(2, 100)]
    # 10 a day, 4 of them for images: plain credits last 100 ÷ 6 days, then other uses cannot be paid.
    mix = {"images": 4, "text": 6}
    found = project(batches, constant_paths(10), start_at=MORNING, zone=BERLIN, mix=mix)
    assert found.likely == TODAY + timedelta(days=16)
    assert found.cause is Cause.USE
    status = found.status_at(16)
    assert status is not None
    # 64 of the scoped and 96 of the plain credits are used.
    assert status.likely == pytest.approx(200 - 160)


def test_a_scoped_batch_without_its_use_is_wasted() -> None:
    batches = [only(make_batch(1, 100, through=TODAY + timedelta(days=9)), "images"), make_batch(2, 1000)]
    found = project(batches, constant_paths(10), start_at=MORNING, zone=BERLIN, mix={"text": 1})
    assert found.wasted["wasted_likely"].tolist() == [100]
    half = project(batches, constant_paths(10), start_at=MORNING, zone=BERLIN, mix={"text": 1, "images": 1})
    assert half.wasted["wasted_likely"].tolist() == pytest.approx([50])


def test_one_share_that_everything_serves_is_the_plain_answer() -> None:
    rng = np.random.default_rng(7)
    batches = random_batches(rng)
    use = np.cumsum(rng.integers(0, 12 * MICRO, size=(30, 3)), axis=0)
    windows = day_windows(batches, start_at=MORNING, zone=BERLIN, days=30)
    plain, split = spend(windows, use), spend_by_share(windows, use, [Share("", 1.0)])
    for name in ("closing", "unmet", "expiring"):
        assert (getattr(plain, name) == getattr(split, name)).all()


def day_by_day(
    batches: list[Batch], use: list[int], parts: list[Share]
) -> tuple[list[float], list[float], dict[int, float]]:
    """The plain answer for one path: every day each share asks the batches that serve it, in proportion."""
    left = {batch.id: float(batch.free_micro) for batch in batches}
    closing, unmet, wasted = [], [], {}
    for index, amount in enumerate(use):
        noon = datetime.combine(TODAY + timedelta(days=index), time(12), tzinfo=BERLIN)
        midnight = end_of_day(noon.date(), BERLIN)
        missing = {share.feature: amount * share.part for share in parts}
        for batch in burn_order(batches, at=noon):
            asked = {name: micro for name, micro in missing.items() if batch.serves(name)}
            total = sum(asked.values())
            given = min(left[batch.id], total)
            left[batch.id] -= given
            for name, micro in asked.items():
                missing[name] -= micro * given / total if total else 0
        unmet.append(sum(missing.values()))
        closing.append(sum(left[b.id] for b in batches if b.is_open(midnight)))
        wasted |= {b.id: left[b.id] for b in batches if b.expires_at == midnight}
    return closing, unmet, wasted


@pytest.mark.parametrize("seed", range(60))
def test_all_paths_at_once_equal_a_plain_day_by_day_simulation(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cut = []
    for batch in random_batches(rng):
        scope = frozenset(f for f in FEATURES if rng.random() < 0.5) or None
        ends = end_of_day(last_day(batch.expires_at, BERLIN), BERLIN) if batch.expires_at else None
        starts = datetime.combine(batch.effective_at.astimezone(BERLIN).date(), time(), tzinfo=BERLIN)
        if ends is None or ends > MORNING:
            cut.append(replace(batch, features=scope, expires_at=ends, effective_at=starts))
    parts = shares(cut, {feature: int(rng.integers(0, 5)) for feature in FEATURES})
    use = rng.integers(0, 20 * MICRO, size=(30, 2)) * (rng.random((30, 2)) < 0.8)
    windows = day_windows(cut, start_at=MORNING, zone=BERLIN, days=30)
    spent = spend_by_share(windows, np.cumsum(use, axis=0), parts)
    near = {"abs": 1000}
    for path in range(2):
        closing, unmet, wasted = day_by_day(cut, [int(micro) for micro in use[:, path]], parts)
        assert spent.closing[:, path].tolist() == pytest.approx(closing, **near)
        assert np.diff(spent.unmet[:, path], prepend=0).tolist() == pytest.approx(unmet, **near)
        for index, lost in spent.wasted.items():
            assert int(lost[path]) == pytest.approx(wasted[windows[index].batch.id], **near)


def test_waste_at_todays_pace_knows_what_a_batch_may_pay_for() -> None:
    scoped = only(make_batch(1, 100, through=TODAY + timedelta(days=9)), "images")
    batches = [scoped, make_batch(2, 500, through=TODAY + timedelta(days=9))]

    def lost(**mix: int) -> dict[int, int]:
        found = expiry.wasted(batches, at=MORNING, used_micro=28 * 10 * MICRO, mix=mix)
        return {id_: round(micro / MICRO) for id_, micro in found.items()}

    assert lost(text=1) == {1: 100, 2: 400}
    assert lost(images=1, text=1) == {1: 50, 2: 450}
    assert lost(images=1) == {1: 0, 2: 500}
    assert lost() == {1: 100, 2: 400}
