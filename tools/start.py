"""Start the product on one loopback port, after bringing its database up to date: behind `make demo` and `make run`."""

import argparse
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).parents[1]
HOST = "127.0.0.1"
START_LIMIT_SECONDS = 120


def main() -> int:
    """Migrate, load the demo company if asked, serve until interrupted; answers the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--demo", action="store_true", help="load the demo company into an empty database first")
    wants_demo = parser.parse_args().demo

    port = _port()
    if port is None:
        return 2
    # Links lead back here, unless somebody said what people type.
    os.environ.setdefault("PUBLIC_URL", f"http://{HOST}:{port}")
    # `demo` sets a new database up as a demo company, which `migrate` alone must not do.
    step = ["demo"] if wants_demo else ["migrate"]
    prepared = subprocess.run([sys.executable, "-m", "service.cli", *step], cwd=ROOT, check=False)
    if prepared.returncode != 0:
        return prepared.returncode
    return serve(port)


def serve(port: int) -> int:
    """Run the server in the foreground and say when it answers."""
    command = [
        sys.executable,
        "-m",
        "streamlit",
        "run",
        "app.py",
        "--server.port",
        str(port),
        "--server.headless",
        "true",
        # We say the address ourselves, once it answers.
        "--logger.hideWelcomeMessage",
        "true",
    ]
    server = subprocess.Popen(command, cwd=ROOT)

    def stop(_signal: int, _frame: FrameType | None) -> None:
        server.terminate()

    signal.signal(signal.SIGTERM, stop)
    address = f"http://{HOST}:{port}"
    try:
        if wait_until_healthy(address, server):
            print(f"\n  Credits Balance Tracker: {address}   (Ctrl-C stops it; the data stays)\n", flush=True)
        code = server.wait()
    except KeyboardInterrupt:
        # A terminal sends Ctrl-C to the server as well; anybody else may have reached only us.
        server.terminate()
        server.wait()
        return 0
    return 0 if code == -signal.SIGTERM else code


def wait_until_healthy(address: str, server: subprocess.Popen[bytes]) -> bool:
    """Whether the server answered its health probe before it ended or the time was up."""
    deadline = time.monotonic() + START_LIMIT_SECONDS
    while server.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=2) as answer:
                if answer.status == 200:
                    return True
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    return False


def _port() -> int | None:
    asked = os.environ.get("PORT", "8501")
    if not asked.isdigit() or not 0 < int(asked) < 65536:
        print(f"PORT={asked} is no port number; use one between 1024 and 65535.", file=sys.stderr)
        return None
    port = int(asked)
    with socket.socket() as probe:
        # As the server itself does, so that a port in the minute after its last use counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except PermissionError:
            print(f"Port {port} needs the rights of an administrator; try: make demo PORT=8501", file=sys.stderr)
            return None
        except OSError:
            print(
                f"Port {port} is taken, perhaps by another start of this product. "
                f"Stop that one, or choose another port: make demo PORT={port + 1}",
                file=sys.stderr,
            )
            return None
    return port


if __name__ == "__main__":
    sys.exit(main())
