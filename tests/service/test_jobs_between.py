"""Steps that are due every few seconds do not wait for one that takes minutes."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ledger import Ledger
from ledger.jobs import load_jobs, request_run
from service.jobs import Step, run_due, runner
from tests.kit.factories import ADMIN

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)


def test_frequent_steps_are_let_in_while_one_takes_long(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "BETWEEN_SECONDS", 0.0)
    seen: list[str] = []

    def settle(_ledger: Ledger, progress: Any) -> Mapping[str, Any]:
        # A step that is let in lets nobody in itself.
        progress(1, 1)
        seen.append("inbox")
        return {}

    def long(_ledger: Ledger, progress: Any) -> Mapping[str, Any]:
        for done in (1, 2, 3):
            seen.append(f"forecasts {done}")
            if done == 2:
                request_run(ledger, "inbox", actor=ADMIN)
            progress(done, 3)
        return {"made": 3}

    steps = [Step("inbox", timedelta(seconds=30), settle), Step("forecasts", None, long)]
    turn = run_due(ledger, NOW, steps=steps)
    assert [one.name for one in turn.ran] == ["inbox", "forecasts"]
    assert seen == ["inbox", "forecasts 1", "forecasts 2", "inbox", "forecasts 3"]
    assert load_jobs(ledger)["forecasts"].result == {"made": 3}
