"""The running product and a real browser: for what only a person with a screen would notice.

`running_app` starts `streamlit run app.py` on a free port with a database of its own. `open_page` shows one address in
light or dark; `wait_ready` returns once the page has settled, `axe_violations` lists what keeps somebody from using it.
"""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.kit.postgres import free_port
from tools.ensure_browser import find_browser

ROOT = Path(__file__).parents[2]
WCAG = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")
START_LIMIT_SECONDS = 60
READY_LIMIT_MS = 30_000

Scheme = Literal["light", "dark"]


@dataclass(frozen=True)
class App:
    """A running product."""

    url: str
    log: Path
    pid: int

    def address(self, path: str) -> str:
        """The full address of a page such as ``customer?customer=acme``; the empty path is the overview."""
        return f"{self.url}/{path.lstrip('/')}"


@contextmanager
def running_app(database_url: str, *, log: Path, environment: dict[str, str] | None = None) -> Iterator[App]:
    """The product on that database with a development identity, for the length of a block.

    Raises RuntimeError with the server's log when it does not come up.
    """
    port = free_port()
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless", "true"]
    settings = {"DATABASE_URL": database_url, "DEV_IDENTITY": "1", **(environment or {})}
    with log.open("w") as output:
        server = subprocess.Popen(
            [*command, "--server.port", str(port)],
            cwd=ROOT,
            env=os.environ | settings,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait_healthy(f"http://127.0.0.1:{port}", server, log)
            yield App(f"http://127.0.0.1:{port}", log, server.pid)
        finally:
            server.terminate()
            try:
                server.wait(timeout=10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Chromium for the length of a block. Without one the test fails under CI=true and is skipped elsewhere."""
    path = find_browser()
    if path is None:
        sentence = "no Chromium was found; `make browser` installs one or says how"
        if os.environ.get("CI"):
            pytest.fail(sentence)
        pytest.skip(sentence)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def open_page(
    browser: Browser, address: str, *, scheme: Scheme = "light", width: int = 1400, height: int = 1800
) -> Iterator[Page]:
    """One address in a browser that knows nothing yet, settled. The default window shows most pages as a whole."""
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,
        locale="en-US",
        timezone_id="Europe/Berlin",
        # What moves for the eye alone costs a third of all that a page costs here.
        reduced_motion="reduce",
    )
    try:
        page = context.new_page()
        page.set_default_timeout(READY_LIMIT_MS)
        page.goto(address)
        wait_ready(page)
        yield page
    finally:
        context.close()


def wait_ready(page: Page) -> None:
    """Wait until the page has a heading, nothing runs or loads any more, and its fields are wired up."""
    app = page.get_by_test_id("stApp")
    expect(app).to_have_attribute("data-test-connection-state", "CONNECTED", timeout=READY_LIMIT_MS)
    expect(page.locator("h1, h2").first).to_be_visible(timeout=READY_LIMIT_MS)
    # Fragments that load by themselves start a moment after the script ended: quiet has to last.
    quiet_since = None
    deadline = time.monotonic() + READY_LIMIT_MS / 1000
    while time.monotonic() < deadline:
        is_quiet = (
            app.get_attribute("data-test-script-state") == "notRunning"
            and page.get_by_test_id("stSkeleton").count() == 0
            and page.get_by_test_id("stSpinner").count() == 0
        )
        if not is_quiet:
            quiet_since = None
        elif quiet_since is None:
            quiet_since = time.monotonic()
        elif time.monotonic() - quiet_since > 0.4:
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"{page.url} did not settle within {READY_LIMIT_MS / 1000:.0f} seconds")


def axe_violations(page: Page) -> list[str]:
    """What breaks WCAG 2.0 to 2.2, level A or AA, one line for each element; empty when nothing does.

    Only what is inside the window is checked for contrast: open the page with a height that shows all of it.
    """
    options = {"runOnly": {"type": "tag", "values": list(WCAG)}, "resultTypes": ["violations"]}
    found = Axe().run(page, options=options).response["violations"]
    return [
        f"{violation['id']} ({violation['impact']}) at {' '.join(map(str, node['target']))}: {node['failureSummary']}"
        for violation in found
        for node in violation["nodes"]
    ]


def _wait_healthy(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_LIMIT_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/_stcore/health", timeout=2):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    raise RuntimeError(f"the app did not come up on {url}:\n{log.read_text(errors='replace')}")
