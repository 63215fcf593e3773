"""Usage over HTTP: one event, CloudEvents, and many events with a result for each."""

import asyncio
import json
from typing import Any

import httpx2
import pytest

from ledger import MICRO, Ledger
from ledger.clock import FixedClock
from ledger.core.policy import Scope
from service.api import API_PATH, standalone
from tests.kit import factories
from tests.kit.calling import Caller, api_key, run_async

WHEN = "2026-03-10T11:59:00Z"


@pytest.fixture
def caller(ledger: Ledger) -> Caller:
    factories.open_account(ledger)
    factories.price_feature(ledger, "call", 2)
    factories.grant(ledger, credits=100)
    return Caller(ledger, Scope.USAGE_WRITE, Scope.BALANCE_READ)


def event(event_id: str = "e-1", **more: Any) -> dict[str, Any]:
    return {"account": "acme", "event_id": event_id, "feature": "call", "occurred_at": WHEN, **more}


def available(caller: Caller) -> str:
    answer = caller.get("/customers/acme/balance")
    return str(answer.json()["available"])


def one(caller: Caller, body: object, kind: str = "application/json", key: str | None = None) -> httpx2.Response:
    """A single event under no name but its own."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return caller.send("POST", "/usage", key=key, content=content, kind=kind)


def many(caller: Caller, body: object, kind: str = "application/json", key: str | None = None) -> httpx2.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return caller.send("POST", "/usage/bulk", key=key, content=content, kind=kind)


def statuses(answer: httpx2.Response) -> list[str]:
    return [result.get("code") or result["status"] for result in answer.json()["results"]]


def test_an_event_is_charged_once_by_its_own_id(caller: Caller) -> None:
    first, again = one(caller, event(quantity="1.5")), one(caller, event(quantity=1.5))
    assert (first.status_code, again.status_code) == (201, 200), first.text
    assert first.json()["available"] == {"before": "100", "after": "97"}
    assert [take["amount"] for take in first.json()["takes"]] == ["3"]
    assert again.json() == first.json() | {"replayed": True}
    assert (again.headers["Idempotency-Replayed"], "Idempotency-Replayed" in first.headers) == ("true", False)
    other = one(caller, event(quantity=2))
    assert (other.status_code, other.json()["code"]) == (409, "key_reused")
    assert available(caller) == "97"


def test_an_event_without_a_time_happened_when_it_was_first_sent(caller: Caller, clock: FixedClock) -> None:
    body = event()
    del body["occurred_at"]
    first = one(caller, body)
    clock.set(clock.now().replace(hour=15))
    again = one(caller, body)
    under_a_name = one(caller, body, key="attempt-2")
    assert [answer.status_code for answer in (first, again, under_a_name)] == [201, 200, 200], again.text
    assert again.json() == first.json() | {"replayed": True}
    assert one(caller, body | {"quantity": 7}).status_code == 409
    assert available(caller) == "98"


def test_the_same_event_id_of_two_customers_is_two_events(caller: Caller) -> None:
    factories.open_account(caller.ledger, "beta")
    factories.grant(caller.ledger, "beta", credits=10)
    assert one(caller, event()).status_code == 201
    assert one(caller, event(account="beta")).status_code == 201


def test_too_few_credits_say_how_many_and_where_to_buy(caller: Caller) -> None:
    answer = one(caller, event(quantity=60))
    body = answer.json()
    assert (answer.status_code, body["code"]) == (402, "insufficient_credits")
    assert (body["required"], body["available"], body["shortfall"]) == ("120", "100", "20")
    assert body["purchase_url"].endswith("/top_ups?customer=acme")
    assert answer.headers["content-type"] == "application/problem+json"
    assert available(caller) == "100"


def test_all_faults_come_at_once(caller: Caller) -> None:
    answer = one(caller, {"account": "", "event_id": "", "feature": "", "quantity": 0, "occurred_at": WHEN})
    assert answer.status_code == 422
    assert {fault["field"] for fault in answer.json()["faults"]} == {"account", "event_id", "feature", "quantity"}
    answer = one(caller, {"account": 7, "quantity": "x", "ocurred_at": WHEN})
    fields = {fault["field"] for fault in answer.json()["faults"]}
    assert fields == {"account", "event_id", "feature", "quantity", "ocurred_at"}
    assert "has no time zone" in one(caller, event(occurred_at="2026-03-10T11:00:00")).text
    assert one(caller, b"{").json()["code"] == "invalid_command"


@pytest.mark.parametrize(("path", "code"), [({"account": "nobody"}, "not_found"), ({"feature": "nope"}, "not_found")])
def test_what_is_unknown_is_not_found(caller: Caller, path: dict[str, str], code: str) -> None:
    answer = one(caller, event() | path)
    assert (answer.status_code, answer.json()["code"]) == (404, code)


def test_a_cloud_event_is_an_event(caller: Caller) -> None:
    cloud = {
        "specversion": "1.0",
        "id": "7",
        "source": "/gateway",
        "type": "call",
        "subject": "acme",
        "time": WHEN,
        "data": {"quantity": 2, "region": "eu"},
        "traceparent": "00-1-2-3",
    }
    kind = "application/cloudevents+json; charset=utf-8"
    assert [one(caller, cloud, kind).status_code for _ in range(2)] == [201, 200]
    assert one(caller, cloud | {"source": "/other"}, kind).status_code == 201
    assert available(caller) == "92"
    wrong = one(caller, cloud | {"specversion": "0.3", "subject": ""}, kind)
    assert {fault["field"] for fault in wrong.json()["faults"]} == {"specversion", "subject"}
    batch = many(caller, [cloud, cloud | {"id": "8", "subject": "nobody"}, 5], "application/cloudevents-batch+json")
    assert statuses(batch) == ["replayed", "not_found", "invalid_command"]


def test_a_body_of_another_type_is_refused(caller: Caller) -> None:
    answer = one(caller, event(), "text/csv")
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
    assert many(caller, b"", "application/xml").status_code == 415


def test_every_event_of_many_has_its_own_result(caller: Caller) -> None:
    factories.open_account(caller.ledger, "beta")
    assert one(caller, event("known")).status_code == 201
    events = [
        event("a"),
        event("known"),
        event("known", quantity=9),
        event("a"),
        event("a", quantity=3),
        event("dear", quantity=1_000),
        event("dear", quantity=1_000),
        event("x", feature="nope"),
        event("y", account="nobody"),
        event("poor", account="beta"),
        {k: v for k, v in event("when").items() if k != "occurred_at"},
        {"event_id": "bad"},
        event("b", quantity=0),
        event("future", occurred_at="2031-01-01T00:00:00Z"),
        event("z"),
    ]
    answer = many(caller, events)
    assert answer.status_code == 201
    assert statuses(answer) == [
        "recorded",
        "replayed",
        "event_reused",
        "replayed",
        "event_reused",
        "insufficient_credits",
        "insufficient_credits",
        "not_found",
        "not_found",
        "insufficient_credits",
        "invalid_command",
        "invalid_command",
        "invalid_command",
        "invalid_command",
        "recorded",
    ]
    body = answer.json()
    assert [body[name] for name in ("recorded", "replayed", "refused")] == [2, 2, 11]
    assert [result["index"] for result in body["results"]] == list(range(15))
    assert body["results"][10]["faults"][0]["field"] == "occurred_at"
    assert available(caller) == "94"


def test_many_again_book_nothing(caller: Caller) -> None:
    lines = "\n".join(json.dumps(event(f"e{n}")) for n in range(30)).encode()
    kind = "application/x-ndjson"
    first, again = many(caller, lines, kind), many(caller, lines + b"\n\n", kind)
    assert (first.status_code, again.status_code) == (201, 200)
    assert set(statuses(first)) == {"recorded"}
    assert set(statuses(again)) == {"replayed"}
    assert again.headers["Idempotency-Replayed"] == "true"
    assert available(caller) == "40"


def test_a_named_attempt_at_many_gets_its_first_answer(caller: Caller) -> None:
    events = [event("a"), event("dear", quantity=200)]
    first = many(caller, events, key="import-1")
    factories.grant(caller.ledger, credits=1_000)
    assert statuses(many(caller, events, key="import-1")) == ["replayed", "insufficient_credits"]
    # Without that name each event stands for itself, so what was refused is tried again.
    assert statuses(many(caller, events)) == ["replayed", "recorded"]
    assert statuses(first) == ["recorded", "insufficient_credits"]
    other = many(caller, [event("c")], key="import-1")
    assert (other.status_code, other.json()["code"]) == (409, "key_reused")


def test_a_wrong_line_does_not_spoil_the_others(caller: Caller) -> None:
    good = json.dumps(event("a")).encode()
    two_in_one = json.dumps(event("b")).encode() + b"," + json.dumps(event("c")).encode()
    answer = many(caller, b"\n".join([good, b"{", two_in_one, b"7"]), "application/x-ndjson")
    assert statuses(answer) == ["recorded", "invalid_command", "invalid_command", "invalid_command"]


@pytest.mark.parametrize("body", [b"[]", b"{}", b"[", b"null", b"\xff", b"[" + b"0," * 10_000 + b"0]"])
def test_what_is_no_list_of_events_is_refused_as_a_whole(caller: Caller, body: bytes) -> None:
    answer = many(caller, body)
    assert (answer.status_code, answer.json()["faults"][0]["field"]) == (422, "body")


def test_concurrent_charges_share_transactions_and_stay_apart(caller: Caller) -> None:
    app = standalone(caller.ledger)
    headers = {"Authorization": f"Bearer {caller.secret}"}

    async def all_at_once() -> list[httpx2.Response]:
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://test", headers=headers) as client:
            bodies = [event(f"e{n % 40}", quantity=1 if n % 40 else 5_000) for n in range(80)]
            return await asyncio.gather(*(client.post(API_PATH + "/usage", json=body) for body in bodies))

    answers = run_async(all_at_once())
    codes = sorted(answer.status_code for answer in answers)
    assert codes == [200] * 39 + [201] * 39 + [402] * 2
    assert available(caller) == "22"


def test_a_key_without_the_scope_is_refused_before_anything_else(caller: Caller) -> None:
    secret = api_key(caller.ledger, Scope.BALANCE_READ)
    caller.secret = secret
    for answer in (one(caller, b"{"), many(caller, b"{")):
        assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
        assert answer.json()["scopes"] == ["usage:write", "admin"]


def test_quantities_are_exact(caller: Caller) -> None:
    assert one(caller, event("a", quantity="0.000001")).json()["takes"][0]["amount"] == "0.000002"
    assert one(caller, event("b", quantity=0.1)).json()["takes"][0]["amount"] == "0.2"
    assert "six decimals" in one(caller, event("c", quantity="0.0000001")).text
    assert MICRO == 1_000_000
