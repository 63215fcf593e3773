"""The test kit itself: databases are migrated, private to a test, and gone afterwards."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser

from ledger import MICRO, Actor, Ledger, OpenAccount
from ledger.clock import FixedClock
from tests.kit.browser import axe_violations, open_page, running_app
from tests.kit.factories import adjust, grant, open_account, price_feature, top_up, use
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


def test_the_factories_tell_a_small_story(ledger: Ledger) -> None:
    open_account(ledger)
    price_feature(ledger, credits=2)
    top_up(ledger, credits=100)
    grant(ledger, credits=50)
    adjust(ledger, credits=-10)
    receipt = use(ledger, quantity=30)
    assert receipt.available_after_micro == 80 * MICRO
    assert sum(take.amount_micro for take in receipt.takes) == 60 * MICRO


@pytest.mark.browser
def test_the_product_opens_in_a_browser_in_both_themes(sqlite_url: str, browser: Browser, tmp_path: Path) -> None:
    with running_app(sqlite_url, log=tmp_path / "app.log") as app:
        for scheme, background in (("light", "rgb(255, 255, 255)"), ("dark", "rgb(11, 18, 32)")):
            with open_page(browser, app.address(""), scheme=scheme) as page:
                seen = page.get_by_test_id("stApp").evaluate("node => getComputedStyle(node).backgroundColor")
                assert seen == background


@pytest.mark.browser
def test_a_fault_of_accessibility_is_found(browser: Browser) -> None:
    page = browser.new_page()
    page.set_content("<html lang='en'><title>x</title><main><h1>x</h1><img src='data:,'></main></html>")
    assert [line.split(" ")[0] for line in axe_violations(page)] == ["image-alt"]
    page.close()
