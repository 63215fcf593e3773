"""The process that runs jobs: `jobs loop`, and how the server starts it beside itself and ends it."""

import logging
import os
import subprocess
import sys
import threading
from pathlib import Path

from ledger import LedgerError, open_ledger
from service.jobs.runner import run_due

ROOT = Path(__file__).parents[2]
# How often is looked whether something is due: a tiny query.
LOOK_SECONDS = 5.0
# After an error of the database, or when it is not set up yet.
WAIT_SECONDS = 15.0
STOP_SECONDS = 15.0
COMMAND = ("-m", "service.cli", "jobs", "loop")
_log = logging.getLogger(__name__)


def run_loop(stop: threading.Event, *, parent: int | None = None) -> None:
    """Run what is due until ``stop`` is set, or until this process is not the child of process ``parent`` any more.

    A database that is away, or not set up yet, is waited for.
    """
    if parent is not None:
        threading.Thread(target=_stop_with_parent, args=(parent, stop), daemon=True).start()
    while not stop.is_set():
        try:
            ledger = open_ledger()
            try:
                while not stop.is_set():
                    run_due(ledger, stop=stop)
                    stop.wait(LOOK_SECONDS)
            finally:
                ledger.database.dispose()
        except LedgerError as error:
            _log.warning("jobs wait for the database: %s", error)
            stop.wait(WAIT_SECONDS)


def _stop_with_parent(parent: int, stop: threading.Event) -> None:
    # A parent that was killed tells nobody; its children get another one. It may be gone before they look first.
    while os.getppid() == parent and not stop.wait(1):
        pass
    stop.set()


class JobsProcess:
    """The loop as a process beside the server: started again when it ends by itself, ended with the server."""

    def __init__(self, command: tuple[str, ...] = COMMAND) -> None:
        self._command = (sys.executable, *command, "--parent", str(os.getpid()))
        self._stop = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="jobs", daemon=True)

    def start(self) -> None:
        """Start it."""
        self._keeper.start()

    def stop(self) -> None:
        """End it: the present step is let go on for some seconds, then it is killed, which does no harm."""
        self._stop.set()
        self._keeper.join()

    def _keep(self) -> None:
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
        while not self._stop.is_set():
            process = subprocess.Popen(self._command, env=os.environ | {"PYTHONPATH": path})  # noqa: S603 - of ours
            while process.poll() is None and not self._stop.wait(0.5):
                pass
            if process.poll() is None:
                _end(process)
            else:
                _log.warning("the process of jobs ended with %s; it is started again", process.returncode)
                self._stop.wait(WAIT_SECONDS)


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
