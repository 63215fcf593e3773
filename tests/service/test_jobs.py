"""Jobs: run once under one lease, repeatable, killed anywhere and run again they end in the same state."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from analytics import frames, outlook
from analytics.calibration import Calibration
from ledger import MICRO, Ledger, NotFound, NotPermitted, PlaceHold, open_ledger
from ledger.clock import FixedClock
from ledger.core.policy import Actor
from ledger.derived import StoredForecast, save_calibration, save_forecasts
from ledger.drafts import save_draft
from ledger.jobs import acquire, holder_of, load_jobs, release, renew, request_run
from ledger.models import job, job_run, lease, mail
from ledger.outbox import NewMail, insert_mails
from ledger.reconcile import reconcile
from ledger.seeds import seed_plans
from ledger.settings import settings
from service.cli import main
from service.jobs import STEPS, Step, invariants, run_due, runner
from service.jobs.kit import error_text
from service.jobs.runner import back_off
from service.jobs.steps import MINUTE, NIGHTLY
from tests.kit.factories import ADMIN, fresh_key, grant, open_account, price_feature, run, start_plan, use
from tests.operations.books import all_rows
from tests.pages.conftest import with_referrals
from tests.test_daily import told as told_by_books

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
ROOT = Path(__file__).parents[2]


class Killed(BaseException):
    """The process ends here: no handler of errors sees it."""


@pytest.fixture(autouse=True)
def own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("MAIL_FOLDER", str(tmp_path / "mail"))
    monkeypatch.setenv("OPERATORS_MAIL", "ops@example.com, kim@example.com")
    settings.cache_clear()
    yield
    settings.cache_clear()


def company(ledger: Ledger) -> None:
    """Something for every job: credits and holds about to end, a plan about to renew, a referral, a little use."""
    clock = ledger.clock
    assert isinstance(clock, FixedClock)
    seed_plans(ledger, actor=ADMIN, currency="EUR")
    price_feature(ledger)
    for name in ("cus_acme", "zeta"):
        open_account(ledger, name)
        grant(ledger, name, 100, expires_on=clock.now().date() + timedelta(days=31))
        start_plan(ledger, name, plan="basic")
        run(ledger, PlaceHold(name, fresh_key("hold"), "images", 5 * MICRO, clock.now() + timedelta(days=1)))
        use(ledger, name, 30)
    with_referrals(ledger)
    with ledger.database.engine.begin() as connection:
        insert_mails(connection, [NewMail("test:1", "test_mail", "ada@example.com", {})], clock.now())
    save_draft(ledger, actor=ADMIN, key="old", form="grant", body={})
    clock.advance(timedelta(days=35))


def told(ledger: Ledger) -> dict[str, Any]:
    """What is there afterwards, without numbers of rows and the times at which somebody wrote them down."""
    rows = all_rows(ledger)
    found: dict[str, Any] = dict(told_by_books(ledger))
    names = {one["id"]: one["external_id"] for one in rows["account"]}
    found["mail"] = sorted((one["template"], one["to_address"], one["state"], one["tries"]) for one in rows["mail"])
    found["alert"] = sorted(
        (names[one["account_id"]], one["kind"], one["level"], one["crossing"]) for one in rows["alert"]
    )
    found["forecast"] = sorted(
        (names[one["account_id"]], one["as_of"], json.dumps(one["body"], sort_keys=True))
        for one in rows["forecast_run"]
    )
    found["sealed"] = len(rows["seal"]) == len(rows["transaction"])
    found["drafts"] = len(rows["draft"])
    found["jobs"] = [(one["name"], one["state"], one["fails"], one["error"], one["due_at"]) for one in rows["job"]]
    with ledger.database.reader.connect() as connection:
        assert reconcile(connection).findings == ()
    return found


def rows(ledger: Ledger, table: sa.Table) -> list[Mapping[str, Any]]:
    return [dict(one) for one in all_rows(ledger)[table.name]]


def minute_passes(ledger: Ledger) -> None:
    """The lease of a runner that is no more runs out."""
    with ledger.database.engine.begin() as connection:
        connection.execute(sa.update(lease).values(until=datetime(2026, 1, 1, tzinfo=UTC)))


def quick(act: Callable[[], Mapping[str, Any]], name: str = "expire", every: timedelta | None = MINUTE) -> Step:
    return Step(name, every, lambda _ledger, _progress: act())


def failing(error: Exception, name: str = "expire") -> Step:
    def act() -> Mapping[str, Any]:
        raise error

    return quick(act, name)


# Killed and run again


def bomb(step: Step, when: str) -> Step:
    """The step, in which the process dies: before its work, in the middle of it, or before anybody knows it is done.

    The middle is the first commit of a door, or the second command; a step without either dies at its end.
    """

    def act(one: Ledger, progress: Any) -> Mapping[str, Any]:
        if when == "before":
            raise Killed
        if when == "middle":
            execute, left = one.execute, 1

            def execute_once(*args: Any, **kwargs: Any) -> Any:
                nonlocal left
                left -= 1
                if left < 0:
                    raise Killed
                return execute(*args, **kwargs)

            def die(_connection: Any) -> None:
                raise Killed

            sa.event.listen(one.database.engine, "commit", die)
            one.execute = execute_once  # type: ignore[method-assign]
            try:
                step.act(one, progress)
            finally:
                sa.event.remove(one.database.engine, "commit", die)
                del one.execute
        else:
            step.act(one, progress)
        raise Killed

    return Step(step.name, step.every, act)


@pytest.fixture(scope="module")
def clean(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What one run without an accident leaves behind."""
    path = tmp_path_factory.mktemp("clean") / "credits.sqlite"
    shutil.copyfile(sqlite_template, path)
    opened = open_ledger(f"sqlite:///{path}", clock=FixedClock(NOW))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAIL_FOLDER", str(path.with_name("mail")))
        settings.cache_clear()
        company(opened)
        turn = run_due(opened, NOW)
    settings.cache_clear()
    assert [one.name for one in turn.ran if not one.is_good] == []
    assert [one.name for one in turn.ran] == [step.name for step in STEPS]
    # Every kind of work was there to be done.
    figures = {one.name: one.figures for one in turn.ran}
    for name, figure in (("expire", "booked"), ("renew", "booked"), ("seal", "booked"), ("mail", "sent")):
        assert figures[name][figure] > 0, name
    assert figures["forecasts"]["made"] == 3
    found = told(opened)
    opened.database.dispose()
    return found


@pytest.mark.parametrize("when", ["before", "middle", "after"])
def test_killed_at_every_step_and_run_again_it_ends_as_one_clean_run(
    ledger: Ledger, clean: dict[str, Any], when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    company(ledger)
    # A killed process gives nothing back.
    with monkeypatch.context() as dead:
        dead.setattr(runner.jobs, "release", lambda *_: None)
        for place, step in enumerate(STEPS):
            with pytest.raises(Killed):
                run_due(ledger, NOW, steps=[*STEPS[:place], bomb(step, when), *STEPS[place + 1 :]])
            assert load_jobs(ledger)[step.name].state == "running"
            assert run_due(ledger, NOW, is_all=True).busy is not None
            minute_passes(ledger)
    assert all(one.is_good for one in run_due(ledger, NOW).ran)
    after = told(ledger)
    for what, expected in clean.items():
        assert after[what] == expected, what


CHILD = """
import sys, time
from ledger import open_ledger
from service.jobs import STEPS, Step, run_due
def hang(ledger, progress):
    done = STEPS[0].act(ledger, progress)
    print("working", flush=True)
    time.sleep(600)
run_due(open_ledger(), steps=[Step("expire", STEPS[0].every, hang)])
"""


def test_a_process_killed_in_the_middle_is_taken_over_when_its_lease_runs_out(database_url: str) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": database_url},
    )
    ledger = open_ledger(database_url)
    try:
        assert child.stdout is not None and child.stdout.readline() == "working\n"
        assert str(child.pid) in (run_due(ledger).busy or "")
        child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
        # Its lease outlives it for a while; nobody can know better.
        assert run_due(ledger).busy is not None
        minute_passes(ledger)
        turn = run_due(ledger, steps=STEPS[:1])
        assert [one.is_good for one in turn.ran] == [True]
        log = rows(ledger, job_run)
        assert [(one["is_good"], one["error"]) for one in log] == [
            (False, "The process that ran it ended in the middle."),
            (True, ""),
        ]
        assert str(child.pid) not in log[0]["runner"]
        assert load_jobs(ledger)["expire"].fails == 0
        assert holder_of(ledger) is None
    finally:
        child.kill()
        child.wait()
        ledger.database.dispose()
        if child.stdout is not None:
            child.stdout.close()


def test_of_two_runners_at_once_one_works(ledger: Ledger) -> None:
    is_at_work, may_end, times = threading.Event(), threading.Event(), []

    def work() -> Mapping[str, Any]:
        times.append(1)
        is_at_work.set()
        assert may_end.wait(30)
        return {}

    first = threading.Thread(target=run_due, args=(ledger, NOW), kwargs={"steps": [quick(work)]})
    first.start()
    assert is_at_work.wait(30)
    second = run_due(ledger, NOW, steps=[quick(work)])
    may_end.set()
    first.join()
    assert second.ran == () and second.busy is not None
    assert run_due(ledger, NOW, steps=[quick(work)]) == runner.Turn()
    assert times == [1]


def test_a_lease_is_one_holders_until_it_ends_or_is_given_back(ledger: Ledger) -> None:
    mine = acquire(ledger, "one")
    assert mine is not None and holder_of(ledger) == "one"
    assert acquire(ledger, "two") is None
    assert renew(ledger, mine)
    # Nobody else's lease is given back by who lost it.
    minute_passes(ledger)
    assert holder_of(ledger) is None
    theirs = acquire(ledger, "two")
    assert theirs is not None and not renew(ledger, mine)
    release(ledger, mine)
    assert holder_of(ledger) == "two"
    release(ledger, theirs)
    assert holder_of(ledger) is None


def test_a_runner_that_lost_its_lease_writes_nothing_more(ledger: Ledger) -> None:
    def lose() -> Mapping[str, Any]:
        minute_passes(ledger)
        assert acquire(ledger, "another") is not None
        return {"booked": 1}

    assert run_due(ledger, NOW, steps=[quick(lose), quick(dict, "renew")]).ran == ()
    assert holder_of(ledger) == "another"
    known = load_jobs(ledger)
    assert (known["expire"].state, known["expire"].succeeded_at) == ("running", None)
    assert known["renew"].started_at is None


# Failing


def test_a_failing_job_is_written_down_told_once_and_stops_no_other(ledger: Ledger) -> None:
    steps = [failing(RuntimeError("cannot reach postgresql://ann:s3cret@db/x, password=hunter2")), quick(dict, "renew")]
    due = NOW
    for fails, wait in enumerate([1, 2, 4, 8, 16, 32, 60, 60], start=1):
        turn = run_due(ledger, due, steps=steps)
        assert "expire" in [one.name for one in turn.ran if not one.is_good]
        found = load_jobs(ledger)["expire"]
        assert (found.state, found.fails, found.succeeded_at) == ("failed", fails, None)
        assert found.due_at == due + timedelta(minutes=wait)
        # Not before its time.
        assert "expire" not in [one.name for one in run_due(ledger, due + timedelta(seconds=59), steps=steps).ran]
        due = found.due_at
    assert found.error == "RuntimeError: cannot reach postgresql://…@db/x, password=…"
    mails = rows(ledger, mail)
    assert sorted(one["to_address"] for one in mails) == ["kim@example.com", "ops@example.com"]
    assert {one["template"] for one in mails} == {"job_failed"}
    assert "s3cret" not in str(mails) and mails[0]["variables"]["job"] == "Expiries and timed-out holds"
    # A good run ends the streak; the next failure is told again.
    run_due(ledger, due, steps=[quick(dict)])
    assert (load_jobs(ledger)["expire"].state, load_jobs(ledger)["expire"].error) == ("waiting", "")
    run_due(ledger, due + MINUTE, steps=steps)
    assert len(rows(ledger, mail)) == 4


def test_a_job_that_ends_its_process_each_time_waits_longer_and_is_told(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die() -> Mapping[str, Any]:
        raise Killed

    at = NOW
    for wait in (0, 1, 2):
        with monkeypatch.context() as dead:
            dead.setattr(runner.jobs, "release", lambda *_: None)
            with pytest.raises(Killed):
                run_due(ledger, at, steps=[quick(die)])
        minute_passes(ledger)
        # Somebody else's turn finds it.
        run_due(ledger, at, steps=[quick(dict, "renew", timedelta())])
        assert load_jobs(ledger)["expire"].due_at == at + timedelta(minutes=wait)
        assert len(rows(ledger, mail)) == (2 if wait else 0)
        at = load_jobs(ledger)["expire"].due_at


def test_back_off_doubles_up_to_an_hour() -> None:
    assert [back_off(fails) // MINUTE for fails in (0, 1, 2, 3, 7, 1000)] == [0, 1, 2, 4, 60, 60]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (NotFound(what="account", id="acme"), "not_found: There is no account 'acme'."),
        (
            sa.exc.ProgrammingError("SELECT :v", {"v": "of a customer"}, Exception("no table")),
            "ProgrammingError: no table",
        ),
        (ValueError("two\nlines"), "ValueError: two lines"),
    ],
)
def test_an_error_is_one_line_without_what_customers_typed(error: Exception, text: str) -> None:
    assert error_text(error, settings()) == text


# When


def test_quiet_minutes_are_no_lines_of_the_log(ledger: Ledger) -> None:
    for minute in range(3):
        run_due(
            ledger, NOW + minute * MINUTE, steps=[quick(lambda: {"booked": 0}), quick(lambda: {"booked": 1}, "mail")]
        )
    assert [one["job"] for one in rows(ledger, job_run)] == ["mail"] * 3
    assert load_jobs(ledger)["expire"].succeeded_at == NOW + 2 * MINUTE


@pytest.mark.parametrize(
    ("at", "due"),
    [
        (datetime(2026, 3, 10, 1, 59, tzinfo=UTC), datetime(2026, 3, 10, 2, tzinfo=UTC)),
        (datetime(2026, 3, 10, 2, tzinfo=UTC), datetime(2026, 3, 11, 2, tzinfo=UTC)),
        (datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 3, 29, 1, tzinfo=UTC)),
        (datetime(2026, 10, 24, 12, tzinfo=UTC), datetime(2026, 10, 25, 2, tzinfo=UTC)),
    ],
    ids=["later the same night", "the next night", "summer time begins", "summer time ends"],
)
def test_nightly_jobs_run_at_three_of_the_company(at: datetime, due: datetime) -> None:
    assert Step("forecasts", NIGHTLY, STEPS[0].act).next_due_at(at, ZoneInfo("Europe/Berlin")) == due


def test_run_now_makes_a_job_due_for_who_may(ledger: Ledger, admin: Actor, manager: Actor) -> None:
    with pytest.raises(NotFound):
        request_run(ledger, "seal", actor=admin)
    times: list[int] = []
    step = quick(lambda: times.append(1) or {}, "seal", NIGHTLY)
    run_due(ledger, NOW, steps=[step])
    run_due(ledger, NOW, steps=[step])
    assert len(times) == 1
    with pytest.raises(NotPermitted):
        request_run(ledger, "seal", actor=manager)
    request_run(ledger, "seal", actor=admin)
    run_due(ledger, NOW, steps=[step])
    assert len(times) == 2


def test_a_long_step_that_is_asked_to_stop_is_due_again_and_no_failure(ledger: Ledger) -> None:
    stop = threading.Event()

    def long(_ledger: Ledger, progress: Any) -> Mapping[str, Any]:
        progress(1, 3)
        assert (load_jobs(ledger)["expire"].done, load_jobs(ledger)["expire"].total) == (1, 3)
        stop.set()
        progress(2, 3)
        raise AssertionError("unreachable")

    steps = [Step("expire", MINUTE, long), quick(dict, "renew")]
    assert run_due(ledger, NOW, steps=steps, stop=stop).ran == ()
    known = load_jobs(ledger)
    assert (known["expire"].state, known["expire"].fails, known["expire"].due_at) == ("waiting", 0, NOW)
    assert known["renew"].started_at is None
    assert holder_of(ledger) is None


@pytest.mark.slow
def test_a_month_of_jobs_stumbling_or_not_ends_the_same(sqlite_url: str, postgres_url: str) -> None:
    # What the hourly sample proves is proved of all accounts at the end.
    steps = [step for step in STEPS if step.name != "invariants"]
    found = []
    for url, stumbles in ((sqlite_url, False), (postgres_url, True)):
        clock = FixedClock(NOW)
        ledger = open_ledger(url, clock=clock)
        company(ledger)
        for day in range(31):
            # Each of them stumbles within the month.
            if stumbles and day < len(steps):
                broken = steps[day].name
                unlucky = [failing(OSError("disk"), broken) if one.name == broken else one for one in steps]
                run_due(ledger, clock.now(), steps=unlucky)
                assert load_jobs(ledger)[broken].fails == 1
            # The machine's clock goes with the one of the test; the second turn is after the back-off.
            run_due(ledger, clock.now() + timedelta(hours=stumbles), steps=steps)
            assert {one.state for one in load_jobs(ledger).values()} == {"waiting"}
            clock.advance(timedelta(days=1))
        state = told(ledger)
        del state["jobs"]
        state["mail"] = [one for one in state["mail"] if one[0] != "job_failed"]
        # An expiry that was booked after the renewal of its day left another sum in between, and the same at the end.
        state["entry"] = sorted([part for part in one if part[0] != "balance_micro"] for one in state["entry"])
        found.append(state)
        ledger.database.dispose()
    for what, expected in found[0].items():
        assert found[1][what] == expected, what


# What some steps do


def test_the_sample_comes_round_and_what_disagrees_stays_loud(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invariants, "ACCOUNTS_MIN", 2)
    for number in range(5):
        open_account(ledger, f"acc{number}")
        grant(ledger, f"acc{number}", 10)
    step = [one for one in STEPS if one.name == "invariants"]
    at = NOW
    rounds = []
    for _ in range(3):
        figures = run_due(ledger, at, steps=step, is_all=True).ran[0].figures
        assert figures is not None
        rounds.append((figures["checked"], figures["round_done"], figures["next_after"]))
    assert rounds == [(2, 2, "acc1"), (2, 4, "acc3"), (1, 5, "")]
    with ledger.database.engine.begin() as connection:
        connection.execute(sa.text("UPDATE batch SET remaining_micro = remaining_micro - 1 WHERE id = 1"))
    for checked, done in ((2, 2), (3, 4), (2, 5)):
        (ran,) = run_due(ledger, at, steps=step, is_all=True).ran
        # The round goes on, and the account that disagreed is looked at each time.
        assert ran.figures is not None and (ran.figures["checked"], ran.figures["round_done"]) == (checked, done)
        assert ran.figures["broken"] == ["acc0"]
        assert "acc0: batch remaining = its entries, batch 1 says 9999999, proven 10000000" in ran.error
    assert load_jobs(ledger)["invariants"].fails == 3
    with ledger.database.engine.begin() as connection:
        connection.execute(sa.text("UPDATE batch SET remaining_micro = remaining_micro + 1 WHERE id = 1"))
    assert run_due(ledger, at, steps=step, is_all=True).ran[0].is_good


def test_retention_forgets_what_is_old_and_nothing_else(ledger: Ledger, clock: FixedClock) -> None:
    open_account(ledger)
    old = clock.now().date() - timedelta(days=500)
    for as_of in (old, clock.now().date()):
        save_forecasts(ledger, [StoredForecast("acme", as_of, {})])
        save_calibration(ledger, as_of=as_of, body={})
    save_draft(ledger, actor=ADMIN, key="old", form="grant", body={})
    clock.advance(timedelta(days=450))
    save_draft(ledger, actor=ADMIN, key="new", form="grant", body={})
    run_due(ledger, datetime(2020, 1, 1, tzinfo=UTC), steps=[quick(lambda: {"booked": 1})])
    step = [one for one in STEPS if one.name == "retention"]
    (ran,) = run_due(ledger, datetime(2026, 11, 20, tzinfo=UTC), steps=step, is_all=True).ran
    assert ran.figures == {"runs": 1, "drafts": 1, "mails": 0, "messages": 0, "forecasts": 3}
    left = all_rows(ledger)
    assert [one["key"] for one in left["draft"]] == ["new"]
    # The newest calibration stays in force however old it is.
    assert [one["as_of"] for one in left["calibration"]] == [date(2026, 3, 10)]
    assert left["forecast_run"] == []


def test_the_stored_calibration_is_used_once_there_is_one(ledger: Ledger) -> None:
    with ledger.database.reading() as connection:
        shipped = outlook.calibration_in(connection)
        assert "196 packages" in shipped.source
    save_calibration(ledger, as_of=date(2026, 3, 9), body=Calibration.exact().to_body())
    with ledger.database.reading() as connection:
        assert outlook.calibration_in(connection).source == "no error assumed"
        assert frames.load_forecast_head(connection) == ledger.clock.now()


def test_calibration_learns_once_a_day_from_accounts_that_are_old_enough(
    ledger: Ledger, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    price_feature(ledger)
    for name in ("acme", "late"):
        open_account(ledger, name)
    grant(ledger, "acme", 100)
    for _ in range(3):
        use(ledger, "acme", 3)
        clock.advance(timedelta(days=1))
    clock.advance(timedelta(days=200))
    grant(ledger, "late", 100)
    use(ledger, "late", 1)
    step = [one for one in STEPS if one.name == "calibration"]
    (ran,) = run_due(ledger, NOW, steps=step).ran
    # Two errors for each origin; too few, so the shipped calibration stays in force.
    assert ran.figures == {"stored": 0, "accounts": 1, "errors": 3}
    with ledger.database.reading() as connection:
        assert frames.load_calibration_head(connection) is None
    monkeypatch.setattr("analytics.calibration.MEMBERS_MIN", 0)
    for stored in (1, 0):
        (ran,) = run_due(ledger, NOW, steps=step, is_all=True).ran
        assert ran.figures is not None and ran.figures["stored"] == stored
    with ledger.database.reading() as connection:
        assert outlook.calibration_in(connection).source == "the company's own use"


# On the command line


def test_the_command_line_runs_tells_and_ends(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    settings.cache_clear()

    def cli(*words: str, code: int = 0) -> str:
        result = CliRunner().invoke(main, ["jobs", *words])
        assert result.exit_code == code, result.output
        return result.output

    assert "No job ever ran" in cli("status")
    assert "expire: booked 0" in cli("run")
    assert "seal: booked 0" in cli("run", "--only", "seal")
    assert "Running jobs now: nobody" in cli("status")
    ledger = open_ledger(database_url)
    with ledger.database.engine.begin() as connection:
        connection.execute(
            sa.update(job).where(job.c.name == "mail").values(state="failed", fails=2, error="no server")
        )
    said = cli("status", code=1)
    assert "2 failures in a row: no server" in said and "SMTP" in said
    ledger.database.dispose()


PARENT = """
import sys, time
from service.jobs.loop import JobsProcess
child = "import os, sys; print(os.getpid(), flush=True); from service.cli import main; main(sys.argv[1:])"
jobs = JobsProcess(("-c", child, "jobs", "loop"))
jobs.start()
sys.stdin.readline()
jobs.stop()
print("stopped", flush=True)
"""


@pytest.mark.parametrize("end", ["stopped", "killed"])
def test_the_loop_ends_with_the_server(tmp_path: Path, end: str) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        # A database that is not set up yet is waited for.
        env=os.environ | {"DATABASE_URL": f"sqlite:///{tmp_path}/later.sqlite"},
    )
    assert parent.stdin is not None and parent.stdout is not None
    try:
        assert parent.stdout.readline().strip().isdigit()
        if end == "stopped":
            parent.stdin.write("\n")
            parent.stdin.flush()
            assert parent.stdout.readline() == "stopped\n"
        else:
            parent.kill()
        # The loop holds the other end of this pipe: it is closed when both are gone.
        assert parent.stdout.read() == ""
    finally:
        with suppress(ProcessLookupError):
            parent.kill()
        parent.wait()
        parent.stdin.close()
        parent.stdout.close()
