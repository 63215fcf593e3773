"""The client of the API: exact values, named refusals, patience, and each use charged once whatever breaks."""

import json
import random
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import pytest

from analytics import frames
from ledger import Ledger
from ledger.core.policy import Scope
from service.client import (
    AsyncCreditsClient,
    Charge,
    Conflict,
    CreditsClient,
    InsufficientCredits,
    InvalidRequest,
    NotAllowed,
    NotFound,
    RequireCredits,
    Retries,
    TooManyRequests,
    Unreachable,
    Unsettled,
    require_credits,
)
from tests.kit import factories
from tests.kit.calling import api_key, run_async
from tests.kit.storm import CuttingProxy, serving

STUBBORN = Retries(tries=60, patience=60, first_pause=0.002, longest_pause=0.02)
FEATURE = "image"


@pytest.fixture
def shop(ledger: Ledger) -> Ledger:
    """Acme with 1,000 credits; an image costs 5."""
    factories.open_account(ledger)
    factories.price_feature(ledger, FEATURE, 5)
    factories.grant(ledger, credits=1000)
    return ledger


@pytest.fixture
def secret(shop: Ledger) -> str:
    return api_key(shop, Scope.USAGE_WRITE, Scope.BALANCE_READ)


@pytest.fixture
def url(shop: Ledger) -> Iterator[str]:
    with serving(shop) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def client(url: str, secret: str) -> Iterator[CreditsClient]:
    with CreditsClient(url, secret) as opened:
        yield opened


def answering(*answers: httpx2.Response | Exception) -> tuple[httpx2.MockTransport, list[httpx2.Request]]:
    """A service that gives these answers in turn, and the requests that it saw."""
    seen: list[httpx2.Request] = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        found = answers[min(len(seen), len(answers)) - 1]
        if isinstance(found, Exception):
            raise found
        return found

    return httpx2.MockTransport(handle), seen


def receipt(**more: Any) -> httpx2.Response:
    body = {
        "kind": "usage",
        "account": "acme",
        "transaction_id": 1,
        "replayed": False,
        "available": {"before": "10", "after": "7.5"},
        "takes": [{"batch_id": 1, "credit_type": "purchased", "amount": "2.5"}],
    }
    return httpx2.Response(201, json=body | more)


def test_calls_answer_exact_values(client: CreditsClient) -> None:
    charged = client.record_usage("acme", FEATURE, "0.5", event_id="e1")
    again = client.record_usage("acme", FEATURE, "0.5", event_id="e1")
    assert (charged.charged, charged.available, charged.replayed) == (Decimal("2.5"), Decimal("997.5"), False)
    assert (again.transaction_id, again.replayed) == (charged.transaction_id, True)
    hold = client.place_hold("acme", FEATURE, 50, reference="job", expires_in=60)
    assert hold.held_until is not None
    assert client.place_hold("acme", FEATURE, 50, reference="job", expires_in=60).replayed
    assert client.balance("acme").held == 50
    captured = client.capture_hold("acme", "job", event_id="job-done", amount="12.25")
    assert captured.charged == Decimal("12.25")
    client.place_hold("acme", FEATURE, 5, reference="other")
    assert client.release_hold("acme", "other").kind == "release_hold"
    assert client.check("acme", FEATURE, 2).required == 10
    assert client.estimate(FEATURE, 3, account="acme").is_affordable
    assert client.balance("acme").available == Decimal("985.25")


def test_refusals_have_names_and_fields(client: CreditsClient, url: str, shop: Ledger) -> None:
    with pytest.raises(InsufficientCredits) as short:
        client.record_usage("acme", FEATURE, 201)
    error = short.value
    assert (error.required, error.available, error.shortfall) == (1005, 1000, 5)
    with pytest.raises(NotFound):
        client.balance("nobody/at all")
    with pytest.raises(InvalidRequest) as wrong:
        client.record_usage("acme", FEATURE, 0)
    assert [fault.field for fault in wrong.value.faults] == ["quantity"]
    client.record_usage("acme", FEATURE, 1, event_id="e1")
    with pytest.raises(Conflict):
        client.record_usage("acme", FEATURE, 2, event_id="e1")
    with CreditsClient(url, "cbt_wrong") as stranger, pytest.raises(NotAllowed):
        stranger.balance("acme")
    with CreditsClient(url, api_key(shop, Scope.BALANCE_READ)) as reader, pytest.raises(NotAllowed) as scope:
        reader.record_usage("acme", FEATURE)
    assert scope.value.code == "scope_missing"


def test_every_try_sends_the_same_and_waits_longer() -> None:
    slept: list[float] = []
    retries = Retries(tries=5, first_pause=1, longest_pause=3, draw=lambda _, most: slept.append(most) or 0.0)
    lost = httpx2.ReadError("gone")
    transport, seen = answering(lost, httpx2.Response(503), lost, receipt())
    with CreditsClient("http://service", "k", retries=retries, transport=transport) as client:
        assert client.record_usage("acme", FEATURE).charged == Decimal("2.5")
    assert len({request.content for request in seen}) == 1 and len(seen) == 4
    assert json.loads(seen[0].content)["event_id"]
    assert slept == [1, 2, 3]


def test_a_service_that_says_when_is_obeyed_within_patience() -> None:
    busy = httpx2.Response(429, json={"code": "too_many_requests", "retry_after": 40}, headers={"Retry-After": "40"})
    transport, seen = answering(busy)
    with (
        CreditsClient("http://service", "k", retries=Retries(patience=30), transport=transport) as client,
        pytest.raises(TooManyRequests) as refused,
    ):
        client.balance("acme")
    assert (len(seen), refused.value.retry_after) == (1, 40)
    now = httpx2.Response(429, json={}, headers={"Retry-After": "0"})
    transport, seen = answering(now, receipt())
    with CreditsClient("http://service", "k", retries=STUBBORN, transport=transport) as client:
        client.record_usage("acme", FEATURE)
    assert len(seen) == 2


def test_no_answer_at_all_says_that_nobody_knows() -> None:
    for what in (httpx2.ConnectError("refused"), httpx2.Response(500, json={"code": "internal_error"})):
        transport, seen = answering(what)
        retries = Retries(tries=3, draw=lambda *_: 0.0)
        with (
            CreditsClient("http://service", "k", retries=retries, transport=transport) as client,
            pytest.raises(Unreachable) as lost,
        ):
            client.record_usage("acme", FEATURE)
        assert (len(seen), lost.value.tries) == (3, 3)
    transport, seen = answering(httpx2.Response(404, json={"code": "not_found"}))
    with CreditsClient("http://service", "k", transport=transport) as client, pytest.raises(NotFound):
        client.balance("acme")
    assert len(seen) == 1


def test_work_is_charged_when_it_succeeds_and_not_when_it_fails(client: CreditsClient) -> None:
    held: list[Decimal] = []

    @require_credits(client, account=lambda who, _: who, feature=FEATURE, amount=50, used=lambda found: found)
    def work(_who: str, cost: Decimal | None) -> Decimal | None:
        held.append(client.balance("acme").held)
        if cost == -1:
            raise RuntimeError("broken")
        return cost

    assert work("acme", Decimal("12.5")) == Decimal("12.5")
    assert client.balance("acme").available == Decimal("987.5")
    work("acme", None)
    assert client.balance("acme").available == Decimal("937.5")
    work("acme", Decimal(0))
    with pytest.raises(RuntimeError):
        work("acme", Decimal(-1))
    found = client.balance("acme")
    assert (found.available, found.held, held) == (Decimal("937.5"), 0, [50] * 4)


def test_work_that_cannot_be_paid_is_not_begun(client: CreditsClient) -> None:
    begun: list[int] = []
    for terms in ({"amount": 2000}, {"quantity": 201}):

        @require_credits(client, account="acme", feature=FEATURE, **terms)
        def work() -> None:
            begun.append(1)

        with pytest.raises(InsufficientCredits):
            work()
    assert begun == []


def test_a_repeat_under_one_name_is_charged_once(client: CreditsClient) -> None:
    @require_credits(client, account="acme", feature=FEATURE, amount=10, event_id=lambda name: name)
    def hold(_name: str) -> None: ...

    @require_credits(client, account="acme", feature=FEATURE, quantity=2, event_id=lambda name: name)
    def check(_name: str) -> None: ...

    for work, name in ((hold, "job-1"), (check, "job-2")):
        for _ in range(3):
            work(name)
    found = client.balance("acme")
    assert (found.available, found.held) == (980, 0)


def test_a_charge_that_is_lost_after_the_work_carries_the_result(secret: str) -> None:
    transport, _ = answering(receipt(kind="place_hold"), httpx2.ReadError("gone"))
    retries = Retries(tries=2, draw=lambda *_: 0.0)
    told: list[Unsettled] = []
    with CreditsClient("http://service", secret, retries=retries, transport=transport) as client:

        def work() -> str:
            return "the film"

        with pytest.raises(Unsettled) as lost:
            require_credits(client, account="acme", feature=FEATURE, amount=1)(work)()
        assert lost.value.result == "the film" and isinstance(lost.value.__cause__, Unreachable)
        transport_2, _ = answering(receipt(kind="place_hold"), httpx2.ReadError("gone"))
    with CreditsClient("http://service", secret, retries=retries, transport=transport_2) as client:
        guarded = require_credits(client, account="acme", feature=FEATURE, amount=1, on_unsettled=told.append)(work)
        assert guarded() == "the film"
    assert [one.result for one in told] == ["the film"]


def test_the_decorator_refuses_what_cannot_work(client: CreditsClient) -> None:
    with pytest.raises(ValueError, match="amount"):
        require_credits(client, account="acme", feature=FEATURE)

    async def work() -> None: ...

    with pytest.raises(TypeError, match="AsyncCreditsClient"):
        require_credits(client, account="acme", feature=FEATURE, amount=1)(work)


async def _shop(scope: Any, receive: Any, send: Any) -> None:
    """An application: its path says what it does."""
    path = scope["path"]
    if path == "/broken":
        raise RuntimeError("broken")
    status = 500 if path == "/fails" else 200
    if path == "/part":
        scope["credits"].used = Decimal("1.5")
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": b"half ", "more_body": True})
    await send({"type": "http.response.body", "body": b"whole"})


def _charge(scope: Any) -> Charge | None:
    if scope["path"] == "/free":
        return None
    return Charge("acme", FEATURE, amount=2000 if scope["path"] == "/dear" else 10)


def test_the_middleware_charges_answers_that_succeed(url: str, secret: str) -> None:
    async def visit() -> list[tuple[str, int, Decimal]]:
        found = []
        async with AsyncCreditsClient(url, secret) as client:
            transport = httpx2.ASGITransport(app=RequireCredits(_shop, client, _charge))
            async with httpx2.AsyncClient(transport=transport, base_url="http://product") as product:
                for path in ("/whole", "/part", "/fails", "/free", "/dear"):
                    answer = await product.get(path)
                    found.append((path, answer.status_code, (await client.balance("acme")).available))
                    if path == "/dear":
                        assert answer.json()["code"] == "insufficient_credits"
                with pytest.raises(RuntimeError):
                    await product.get("/broken")
                balance = await client.balance("acme")
                assert (balance.available, balance.held) == (Decimal("988.5"), 0)

                @require_credits(client, account="acme", feature=FEATURE, amount=20, used=lambda cost: cost)
                async def work(cost: int) -> int:
                    return cost

                assert await work(8) == 8
                assert (await client.balance("acme")).available == Decimal("980.5")
        return found

    assert run_async(visit()) == [
        ("/whole", 200, Decimal(990)),
        ("/part", 200, Decimal("988.5")),
        ("/fails", 500, Decimal("988.5")),
        ("/free", 200, Decimal("988.5")),
        ("/dear", 402, Decimal("988.5")),
    ]


def test_the_middleware_says_no_more_than_needed_when_the_service_is_away() -> None:
    async def visit() -> httpx2.Response:
        def away(_request: httpx2.Request) -> httpx2.Response:
            raise httpx2.ConnectError("secret address refused")

        retries = Retries(tries=2, draw=lambda *_: 0.0)
        async with AsyncCreditsClient(
            "http://service", "k", retries=retries, transport=httpx2.MockTransport(away)
        ) as client:
            transport = httpx2.ASGITransport(app=RequireCredits(_shop, client, _charge))
            async with httpx2.AsyncClient(transport=transport, base_url="http://product") as product:
                return await product.get("/whole")

    answer = run_async(visit())
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert "secret" not in answer.text


def test_a_storm_of_cut_connections_charges_each_use_once_and_leaves_no_hold(shop: Ledger, secret: str) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201
    with serving(shop) as port, CuttingProxy(port, seed=seed, chance=0.2) as proxy:
        limits = httpx2.Timeout(20.0)
        with CreditsClient(f"http://127.0.0.1:{proxy.port}", secret, retries=STUBBORN, timeout=limits) as client:
            acts = _acts(client)
            with ThreadPoolExecutor(6) as pool:
                list(pool.map(lambda act: act(), acts))
        assert proxy.cuts > 10, "no storm"
        with CreditsClient(f"http://127.0.0.1:{port}", secret) as calm:
            found = calm.balance("acme")
    # 12 events of 5 credits, each reported twice; 12 jobs that use 3 of 10, each done twice; 6 that fail.
    assert (found.available, found.held) == (1000 - 12 * 5 - 12 * 3, 0)
    with shop.database.reading() as connection:
        assert frames.load_open_holds(connection, account="acme", at=shop.clock.now()).empty
        events = frames.load_events(connection, account="acme", on=date(2026, 3, 10), zone=shop.company_zone)
    assert sorted(events["event_id"]) == sorted(f"{kind}-{n}" for kind in ("event", "job") for n in range(12))


def _acts(client: CreditsClient) -> list[Callable[[], object]]:
    """Every use twice, in any order, as when a queue delivers its messages more than once."""

    @require_credits(
        client, account="acme", feature=FEATURE, amount=10, used=lambda _: 3, event_id=lambda number: f"job-{number}"
    )
    def job(_number: int) -> None: ...

    @require_credits(client, account="acme", feature=FEATURE, amount=10)
    def failing() -> None:
        raise RuntimeError("broken")

    def fails() -> None:
        with pytest.raises(RuntimeError):
            failing()

    def event(number: int) -> Callable[[], object]:
        return lambda: client.record_usage("acme", FEATURE, event_id=f"event-{number}")

    acts: list[Callable[[], object]] = [fails] * 6
    for number in range(12):
        acts += [event(number)] * 2
        acts += [lambda number=number: job(number)] * 2  # type: ignore[misc]
    random.Random(7).shuffle(acts)
    return acts


def test_the_client_needs_nothing_else_of_this_repository(tmp_path: Path) -> None:
    folder = tmp_path / "service"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "client").symlink_to(Path(__file__).parents[2] / "service" / "client")
    code = "import sys, service.client; print([n for n in sys.modules if n.split('.')[0] in ('ledger', 'analytics')])"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_document_about_the_client_runs(url: str, secret: str) -> None:
    text = (Path(__file__).parents[2] / "docs/client.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 3
    names: dict[str, Any] = {"url": url, "api_key": secret}
    for block in blocks:
        exec(compile(block, "docs/client.md", "exec"), names)
    names["client"].close()
