"""Find a Chromium for the browser tests; install one where that is possible, else say what to install."""

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

_NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome")
_MACOS = (
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)


@cache
def find_browser() -> str | None:
    """The path of a Chromium that starts, or None."""
    on_path = [found for name in _NAMES if (found := shutil.which(name)) is not None]
    own = [str(path) for path in _playwright_folder().glob("chromium-*/*/*") if path.name in {"chrome", "Chromium"}]
    for path in [*on_path, *_MACOS, *own]:
        # Ubuntu's package is a stub that only asks for snap: a browser is what answers with its version.
        if Path(path).exists() and _answers([path, "--version"]):
            return path
    return None


def main() -> int:
    """Ensure a browser; answers the exit code, which is a failure only where browser tests must not be skipped."""
    if find_browser() is None:
        _install()
        find_browser.cache_clear()
    found = find_browser()
    if found is not None:
        print(f"Browser for the tests: {found}")
        return 0
    print(
        "No Chromium was found and none could be installed. Install one and run this again:\n"
        "  Debian: sudo apt-get install chromium\n"
        "  Ubuntu: .venv/bin/python -m playwright install --with-deps chromium\n"
        "  macOS:  brew install --cask chromium",
        file=sys.stderr,
    )
    if os.environ.get("CI"):
        return 1
    print("Until then the browser tests are skipped.", file=sys.stderr)
    return 0


def _install() -> None:
    may_sudo = os.geteuid() != 0 and shutil.which("sudo") is not None and _answers(["sudo", "-n", "true"])
    if shutil.which("apt-get") is not None and (os.geteuid() == 0 or may_sudo):
        as_root = ["sudo", "-n"] if may_sudo else []
        print("Installing Chromium with apt-get", flush=True)
        subprocess.run([*as_root, "apt-get", "update", "-qq"], check=False)
        quiet = [*as_root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-qq", "-y"]
        subprocess.run([*quiet, "--no-install-recommends", "chromium"], check=False, stdout=subprocess.DEVNULL)
        find_browser.cache_clear()
    if find_browser() is None:
        print("Installing Playwright's own Chromium", flush=True)
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False)


def _playwright_folder() -> Path:
    given = os.environ.get("PLAYWRIGHT_BROWSERS_PATH")
    if given:
        return Path(given)
    caches = Path("Library/Caches") if sys.platform == "darwin" else Path(".cache")
    return Path.home() / caches / "ms-playwright"


def _answers(command: list[str]) -> bool:
    try:
        done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
