"""Pages: server CPU of a warm rerun with sixteen people on the same page, against a page that only shows a form."""

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from tests.kit.browser import running_app

pytestmark = pytest.mark.bench

SESSIONS = 16
RERUNS = 8
PAGES = ("grants", "", "usage", "expiring", "customers", "forecasts")


def cpu_seconds(pid: int) -> float:
    """CPU time of one process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def visit(address: str, page: str, warm: asyncio.Semaphore, go: asyncio.Event) -> None:
    """One session over the protocol that the browser speaks: two reruns to warm up, then the measured ones."""
    stream = address.replace("http://", "ws://") + "/_stcore/stream"
    async with websockets.connect(stream, subprotocols=["streamlit"], origin=address, max_size=None) as socket:

        async def rerun() -> None:
            message = BackMsg()
            message.rerun_script.page_name = page
            await socket.send(message.SerializeToString())
            while True:
                answer = ForwardMsg()
                answer.ParseFromString(await socket.recv())
                if answer.WhichOneof("type") == "script_finished" and answer.script_finished == 0:
                    return

        await rerun()
        await rerun()
        warm.release()
        await go.wait()
        for _ in range(RERUNS):
            await rerun()


async def milliseconds_per_rerun(address: str, pid: int, page: str) -> float:
    """Server CPU of one rerun of a page when all sessions ask at once."""
    warm, go = asyncio.Semaphore(0), asyncio.Event()
    sessions = [asyncio.create_task(visit(address, page, warm, go)) for _ in range(SESSIONS)]
    for _ in sessions:
        await warm.acquire()
    before, started = cpu_seconds(pid), time.perf_counter()
    go.set()
    await asyncio.gather(*sessions)
    used, seconds = cpu_seconds(pid) - before, time.perf_counter() - started
    count = SESSIONS * RERUNS
    print(f"  {page or 'overview':10} {1000 * used / count:6.1f} ms of CPU a rerun, {count / seconds:5.0f} reruns/s")
    return 1000 * used / count


def test_a_warm_rerun_is_cheap(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/pages.sqlite"
    subprocess.run([sys.executable, "-m", "service.cli", "demo"], env=os.environ | {"DATABASE_URL": url}, check=True)
    with running_app(url, log=tmp_path / "app.log") as app:
        form, *rest = [asyncio.run(milliseconds_per_rerun(app.url, app.pid, page)) for page in PAGES]
    assert max(rest) < 3 * form
