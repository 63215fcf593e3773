"""The page Settings & health: health for every role, other tabs by permission, run now, hostile errors."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from ledger.clock import SystemClock
from ledger.jobs import load_jobs, request_run
from ledger.models import job
from service.jobs import STEPS, Step, run_due
from tests.kit import factories
from tests.pages.conftest import HOSTILE_NAMES, Pages
from tests.pages.test_forms import table_text
from tests.pages.test_read_pages import said

PAGE = "system/settings.py"
REAL = ("seal", "invariants")


@pytest.fixture
def pages(sqlite_url: str, make_pages: Callable[[str], Pages]) -> Pages:
    """The pages of a company without customers: this page tells nothing about them."""
    return make_pages(sqlite_url)


def run_quickly(pages: Pages) -> None:
    """Every job, most with nothing in them: the page only looks at what became of them."""
    steps = [one if one.name in REAL else Step(one.name, one.every, lambda *_: {"booked": 0}) for one in STEPS]
    assert all(one.is_good for one in run_due(pages.ledger, steps=steps).ran)


def change(pages: Pages, name: str, **values: Any) -> None:
    with pages.ledger.database.engine.begin() as connection:
        connection.execute(sa.update(job).where(job.c.name == name).values(**values))


def errors(app: Any) -> str:
    return " ".join(f"{one.proto.title if hasattr(one.proto, 'title') else ''} {one.value}" for one in app.error)


@pytest.mark.parametrize("who", ["ada", "fiona", "max"])
def test_everybody_sees_health_and_only_admins_run_jobs(pages: Pages, who: str) -> None:
    run_quickly(pages)
    app = pages.open(PAGE, who=who)
    assert not app.exception and not app.error
    assert f"All {len(STEPS)} jobs do their work." in [one.value for one in app.success]
    assert "SQLite" in table_text(app) and "the newest" in table_text(app)
    jobs = app.dataframe[0].proto
    assert ("Run now" in str(app.dataframe[0].value.values.tolist()) and "job-run" in str(jobs)) == (who == "ada")


def test_before_the_first_run_the_page_says_how_jobs_start(pages: Pages) -> None:
    app = pages.open(PAGE)
    assert not app.exception
    assert "No job ever ran here" in said(app)


def test_what_is_not_well_is_said_first_with_what_to_do(pages: Pages) -> None:
    run_quickly(pages)
    change(pages, "mail", state="failed", fails=3, error=f"SMTP said {HOSTILE_NAMES[0]} {HOSTILE_NAMES[1]}")
    change(pages, "seal", due_at=SystemClock().now() - timedelta(hours=2))
    change(pages, "forecasts", state="running", done=3, total=9)
    app = pages.open(PAGE)
    assert not app.exception
    told = errors(app)
    assert "Failed 3 times in a row" in told and "begin with SMTP" in told
    # What a server answered shows as it was typed, and does nothing.
    assert "![x](http" not in told and "<script>" not in told
    assert "nobody runs it" in told
    assert "ended in the middle" in told
    assert "jobs do their work" not in said(app)


def test_what_waits_is_told_with_its_age(pages: Pages) -> None:
    run_quickly(pages)
    factories.open_account(pages.ledger, "late")
    text = table_text(pages.open(PAGE))
    assert "the oldest booked" in text
    assert "None stored yet" in text


def test_run_now_is_asked_of_the_runner(pages: Pages) -> None:
    run_quickly(pages)
    assert load_jobs(pages.ledger)["calibration"].due_at > datetime.now(UTC)
    request_run(pages.ledger, "calibration", actor=factories.ADMIN)
    assert load_jobs(pages.ledger)["calibration"].due_at <= datetime.now(UTC)
