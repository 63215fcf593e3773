"""A load generator for HTTP: `python -m tests.bench.load URL KEY KIND CONNECTIONS SECONDS`; prints what it saw as JSON.

Keep-alive connections in one epoll loop, requests prepared as bytes before the clock starts: the generator takes a few
per cent of what the server takes. KIND is single (one event a request) or bulk (``EVENTS`` of one account a request).
"""

import json
import selectors
import socket
import sys
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

ACCOUNTS = 200
EVENTS = 2_000


def requests(kind: str, path: str, host: str, key: str) -> Iterator[bytes]:
    """Requests without end, each with events of its own."""
    run, number = uuid.uuid4().hex, 0
    while True:
        number += 1
        account, now = f"a{number * 7919 % ACCOUNTS}", datetime.now(UTC).isoformat()
        if kind == "single":
            body = f'{{"account":"{account}","event_id":"{run}-{number}","feature":"call","occurred_at":"{now}"}}'
        else:
            body = "\n".join(
                f'{{"account":"{account}","event_id":"{run}-{number}-{n}","feature":"call","occurred_at":"{now}"}}'
                for n in range(EVENTS)
            )
        form = "application/json" if kind == "single" else "application/x-ndjson"
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n"
            f"Idempotency-Key: {run}-{number}\r\n"
            f"Content-Type: {form}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        yield (head + body).encode()


def is_whole(answer: bytes) -> bool:
    """Whether an answer has come in full: its head and as many bytes as it says."""
    head, parted, body = answer.partition(b"\r\n\r\n")
    if not parted:
        return False
    at = head.lower().index(b"content-length: ") + len(b"content-length: ")
    return len(body) >= int(head[at:].split(b"\r\n", 1)[0])


def main(url: str, key: str, kind: str, connections: str, seconds: str) -> None:
    address = urlsplit(url)
    wanted = requests(kind, address.path, address.netloc, key)
    ready = [next(wanted) for _ in range(20_000 if kind == "single" else 40)]
    watch = selectors.DefaultSelector()
    started: dict[socket.socket, float] = {}
    partial: dict[socket.socket, bytes] = {}
    for _ in range(int(connections)):
        one = socket.create_connection((address.hostname, address.port))
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        watch.register(one, selectors.EVENT_READ)
    times: list[float] = []
    statuses: dict[str, int] = {}
    begun = time.perf_counter()
    until = begun + float(seconds)

    def send(one: socket.socket) -> None:
        started[one], partial[one] = time.perf_counter(), b""
        one.sendall(ready.pop() if ready else next(wanted))

    for chosen in watch.get_map().values():
        send(chosen.fileobj)  # type: ignore[arg-type]
    while started:
        for chosen, _ in watch.select():
            one = chosen.fileobj
            assert isinstance(one, socket.socket)
            partial[one] += one.recv(1_000_000)
            if not is_whole(partial[one]):
                continue
            now = time.perf_counter()
            times.append(now - started.pop(one))
            status = partial[one][9:12].decode()
            statuses[status] = statuses.get(status, 0) + 1
            if now < until:
                send(one)
    spent = time.perf_counter() - begun
    times.sort()
    share = {name: times[int(len(times) * part)] * 1000 for name, part in (("p50", 0.5), ("p99", 0.99))}
    print(json.dumps({"rate": len(times) / spent, "statuses": statuses, **share, "cpu": time.process_time()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
