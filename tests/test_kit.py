"""The test kit itself: databases are migrated, private to a test, and gone afterwards."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from ledger import Actor, Ledger, OpenAccount
from ledger.clock import FixedClock
from tests.kit.postgres import running


def test_a_ledger_starts_empty_on_each_database(ledger: Ledger, admin: Actor, clock: FixedClock) -> None:
    with ledger.database.reader.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM account")).scalar_one() == 0
    receipt = ledger.execute(OpenAccount(account="acme", name="Acme"), actor=admin, key="open-acme")
    assert receipt.recorded_at == clock.now()


def test_the_next_ledger_does_not_see_the_last_one(ledger: Ledger, admin: Actor) -> None:
    assert not ledger.execute(OpenAccount(account="acme", name="Acme"), actor=admin, key="open-acme").replayed


@pytest.mark.postgres
def test_a_durable_cluster_keeps_the_promises_of_postgresql() -> None:
    with running(durable=True) as cluster:
        engine = sa.create_engine(cluster.url("postgres"))
        with engine.connect() as connection:
            for setting in ("fsync", "synchronous_commit", "full_page_writes"):
                assert connection.execute(sa.text(f"SHOW {setting}")).scalar_one() == "on"
        engine.dispose()


@pytest.mark.postgres
def test_a_killed_run_leaves_no_server_behind(tmp_path: Path) -> None:
    script = (
        "import os, signal\n"
        "from tests.kit.postgres import Run\n"
        "run = Run.join()\n"
        "print(run.cluster().folder, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "CREDITS_TEST_RUN"}
    killed = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=False, timeout=60
    )
    folder = Path(killed.stdout.strip())
    assert killed.stdout, killed.stderr
    deadline = time.monotonic() + 20
    while folder.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not folder.exists()
