"""Around every request: keys, scopes, limits, sizes of bodies, unknown addresses, and what nobody foresaw."""

import logging
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ledger import Ledger, RevokeApiKey, RotateApiKey
from ledger.api_keys import make_key
from ledger.clock import FixedClock
from ledger.core.policy import Scope
from ledger.models import transaction
from ledger.settings import settings
from service.api import API_PATH, create_api
from service.api.frame import BODY_MAX_BYTES
from tests.kit import factories
from tests.kit.calling import Caller, run_async
from tests.kit.factories import ADMIN, REASON

EVENT = {"account": "acme", "event_id": "e-1", "feature": "call", "occurred_at": "2026-03-10T11:59:00Z"}


@pytest.fixture
def caller(ledger: Ledger) -> Caller:
    factories.open_account(ledger)
    factories.price_feature(ledger, "call", 2)
    factories.grant(ledger, credits=100)
    return Caller(ledger, Scope.USAGE_WRITE)


@pytest.fixture
def tight_limits(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("KEY_REQUESTS_PER_MINUTE", "5")
    monkeypatch.setenv("CUSTOMER_REQUESTS_PER_MINUTE", "3")
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.mark.parametrize(
    "header",
    ["", "Basic YTpi", "Bearer", "Bearer nonsense", "Bearer cbt_aaaaaaaa_" + "b" * 40, "Bearer cbt_ä_" + "b" * 48],
)
def test_without_a_good_key_nothing_is_answered(caller: Caller, header: str) -> None:
    for path in ("/usage", "/customers/acme/balance", "/nonsense"):
        answer = caller.bare("POST", path, headers={"Authorization": header.encode()} if header else {}, json=EVENT)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_false_secret_behind_a_true_prefix_is_refused(caller: Caller) -> None:
    caller.secret = caller.secret[:-1] + ("a" if caller.secret[-1] != "a" else "b")
    answer = caller.get("/customers/acme/balance")
    assert (answer.status_code, "no such API key" in answer.json()["detail"]) == (401, True)


def test_a_revoked_key_stops_within_seconds(caller: Caller, ledger: Ledger) -> None:
    assert caller.get("/customers/acme/balance").status_code == 200
    ledger.execute(RevokeApiKey(1, REASON), actor=ADMIN, key="revoke")
    other_process = Caller.with_secret(ledger, caller.secret)
    answer = other_process.get("/customers/acme/balance")
    assert (answer.status_code, "was revoked" in answer.json()["detail"]) == (401, True)


def test_a_rotated_key_keeps_its_attempts(caller: Caller, ledger: Ledger, clock: FixedClock) -> None:
    old, new = caller.secret, make_key()
    hold = {"account": "acme", "reference": "j", "feature": "call", "amount": 5}
    assert caller.post("/holds", hold, key="attempt-1").status_code == 201
    command = RotateApiKey(1, new.prefix, new.secret_hash, REASON, grace_hours=2)
    ledger.execute(command, actor=ADMIN, key="rotate")
    fresh = Caller.with_secret(ledger, new.text)
    # The successor is the same caller: an attempt that is named again is a repeat.
    again = fresh.post("/holds", hold, key="attempt-1")
    assert (again.status_code, again.json()["replayed"]) == (200, True)
    clock.set(clock.now() + timedelta(hours=1))
    assert Caller.with_secret(ledger, old).get("/customers/acme/balance").status_code == 200
    clock.set(clock.now() + timedelta(hours=2))
    answer = Caller.with_secret(ledger, old).get("/customers/acme/balance")
    assert (answer.status_code, "expired" in answer.json()["detail"]) == (401, True)
    assert Caller.with_secret(ledger, new.text).get("/customers/acme/balance").status_code == 200


def test_the_limit_of_a_key_says_when_to_come_again(caller: Caller, tight_limits: None) -> None:
    codes = [caller.get("/nonsense").status_code for _ in range(6)]
    assert codes == [404] * 5 + [429]
    answer = caller.get("/nonsense")
    assert answer.json()["code"] == "too_many_requests"
    assert int(answer.headers["Retry-After"]) == answer.json()["retry_after"] == 12
    other = Caller(caller.ledger, Scope.BALANCE_READ)
    assert other.get("/customers/acme/balance").status_code == 200


def test_the_limit_of_a_customer_holds_over_all_keys(caller: Caller, tight_limits: None) -> None:
    other = Caller(caller.ledger, Scope.USAGE_WRITE)
    bodies = [EVENT | {"event_id": f"e{number}"} for number in range(4)]
    codes = [(caller, other)[n % 2].post("/usage", body).status_code for n, body in enumerate(bodies)]
    assert codes == [201, 201, 201, 429]
    assert caller.post("/usage", EVENT | {"account": "nobody"}).status_code == 404


def test_bodies_have_a_largest_size(caller: Caller) -> None:
    declared = caller.send("POST", "/usage/bulk", content=b" " * (BODY_MAX_BYTES + 1))
    assert (declared.status_code, declared.json()["code"]) == (413, "body_too_large")


def test_a_body_without_a_length_is_counted_while_it_comes(caller: Caller) -> None:
    sent, read = [], 0

    async def receive() -> dict[str, Any]:
        nonlocal read
        read += 1
        return {"type": "http.request", "body": b" " * 1_000_000, "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    for path in ("/usage", "/usage/bulk", "/check"):
        read = 0
        sent.clear()
        headers = [(b"authorization", f"Bearer {caller.secret}".encode()), (b"content-type", b"application/json")]
        scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b""}
        more = {"headers": headers, "root_path": "", "http_version": "1.1", "scheme": "http"}
        run_async(create_api(caller.ledger)({**scope, **more}, receive, send))
        assert sent[0]["status"] == 413
        assert read * 1_000_000 <= BODY_MAX_BYTES + 2_000_000


@pytest.mark.parametrize(
    "path",
    ["", "/", "/nonsense", "/usage/", "/customers", "/docs/assets/nonsense.js", "/errors/no", "/purchases/a%0A/no"],
)
def test_an_unknown_address_is_a_problem(caller: Caller, path: str) -> None:
    answer = caller.send("DELETE" if path == "/customers" else "GET", path)
    assert answer.status_code == (405 if path == "/customers" else 404)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == f"{API_PATH}/errors/{answer.json()['code']}"


def test_what_nobody_foresaw_leaks_nothing(
    caller: Caller, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*args: object, **named: object) -> None:
        raise RuntimeError("the secret of the house is 42")

    monkeypatch.setattr(Ledger, "execute", broken)
    monkeypatch.setattr(Ledger, "charge_soon", broken)
    monkeypatch.setattr(Ledger, "require", broken)
    with caplog.at_level(logging.ERROR):
        answers = [caller.post("/usage", EVENT), caller.post("/usage/bulk", [EVENT])]
    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
        assert "42" not in answer.text
        assert answer.json()["reference"] in caplog.text
    assert "the secret of the house is 42" in caplog.text


def test_a_ledger_that_is_not_there_is_no_secret_and_no_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/none.sqlite")
    settings.cache_clear()
    caller = Caller.with_secret(None, "cbt_aaaaaaaa_" + "b" * 40)
    answers = [caller.get("/customers/acme/balance") for _ in range(2)]
    settings.cache_clear()
    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (503, "not_set_up")
        assert str(tmp_path) not in answer.text


def test_people_and_programs_are_told_apart_in_the_books(caller: Caller, ledger: Ledger) -> None:
    made = caller.post("/usage", EVENT)
    assert made.status_code == 201
    with ledger.database.reading() as connection:
        row = connection.execute(transaction.select().where(transaction.c.id == made.json()["transaction_id"])).one()
    assert (row.actor, row.role) == (f"key:{caller.secret[:12]}", "service")
