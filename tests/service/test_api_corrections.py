"""Credits put right or moved over HTTP: each act once, and refusals that say which and why."""

from datetime import date

import pytest

from ledger import Ledger
from ledger.core.policy import Scope
from tests.kit import factories
from tests.kit.calling import Caller

WHY = {"reason": "goodwill", "note": "an example in a test"}


@pytest.fixture
def caller(ledger: Ledger) -> Caller:
    factories.open_account(ledger)
    return Caller(ledger, Scope.CORRECTIONS_WRITE, Scope.BALANCE_READ)


def body(**more: object) -> dict[str, object]:
    return {"account": "acme", **WHY, **more}


def batch_id(caller: Caller) -> int:
    found: int = caller.get("/customers/acme/batches").json()["batches"][0]["batch_id"]
    return found


def test_an_adjustment_adds_or_takes_and_never_goes_below_zero(caller: Caller) -> None:
    added = caller.post("/adjustments", body(amount="30.5"), key="adjust-1")
    taken = caller.post("/adjustments", body(amount=-10.25))
    assert (added.status_code, taken.status_code) == (201, 201)
    assert taken.json()["available"] == {"before": "30.5", "after": "20.25"}
    assert caller.post("/adjustments", body(amount="30.5"), key="adjust-1").status_code == 200
    short = caller.post("/adjustments", body(amount="-21"))
    assert short.status_code in (402, 409), short.text
    assert caller.post("/adjustments", body(amount="0")).status_code == 422


def test_credits_move_between_accounts_of_one_organisation(caller: Caller) -> None:
    factories.open_account(caller.ledger, "lab")
    factories.grant(caller.ledger, credits=100)
    refused = caller.post("/transfers", body(to="lab", amount="40"))
    assert (refused.status_code, refused.json()["code"]) == (409, "not_allowed_now")
    keeper = Caller(caller.ledger, Scope.CUSTOMERS_WRITE)
    for account in ("acme", "lab"):
        body_ = {"account": account, "organisation": "house"}
        assert keeper.send("PATCH", "/customers", key=account, json=body_).status_code == 201
    moved = caller.post("/transfers", body(to="lab", amount="40"))
    assert (moved.status_code, moved.json()["counterpart"]) == (201, "lab")
    assert caller.post("/gifts", body(to="lab", amount="10", message="Thank you")).status_code == 201
    assert caller.get("/customers/lab/batches").json()["batches"][0]["left"] == "10"
    assert caller.post("/transfers", body(to="lab", amount="51")).status_code == 402


def test_a_refund_says_what_money_goes_back(caller: Caller) -> None:
    factories.top_up(caller.ledger, credits=100)
    number = batch_id(caller)
    answer = caller.post("/refunds", body(batch_id=number, amount="40"))
    assert (answer.status_code, answer.json()["money_cents"], answer.json()["currency"]) == (201, 40, "EUR")
    assert caller.post("/refunds", body(batch_id=number)).json()["money_cents"] == 60
    gone = caller.post("/refunds", body(batch_id=number))
    assert gone.status_code == 409
    assert caller.post("/refunds", body(batch_id=2**63)).status_code == 422


def test_a_batch_is_voided_and_a_transaction_reversed_once(caller: Caller) -> None:
    factories.grant(caller.ledger, credits=100)
    made = factories.grant(caller.ledger, credits=7).transaction_id
    reverse = {"transaction_id": made, **WHY}
    assert caller.post("/reversals", reverse, key="reverse-1").status_code == 201
    assert caller.post("/reversals", reverse, key="reverse-1").status_code == 200
    assert caller.post("/reversals", reverse).json()["code"] == "already_reversed"
    assert caller.post("/reversals", {"transaction_id": 10**12, **WHY}).status_code == 404
    first = caller.get("/customers/acme/batches").json()["batches"][-1]["batch_id"]
    assert caller.post("/voids", body(batch_id=first)).json()["available"]["after"] == "0"


def test_usage_that_failed_is_given_back_in_part_and_whole(caller: Caller) -> None:
    factories.grant(caller.ledger, credits=100)
    factories.price_feature(caller.ledger, "image", 5)
    factories.use(caller.ledger, "acme", 2, feature="image", event_id="e1")
    part = caller.post("/give-backs", body(event_id="e1", amount="4"))
    assert (part.status_code, part.json()["available"]["after"]) == (201, "94")
    assert part.json()["returned"][0]["amount"] == "4"
    assert caller.post("/give-backs", body(event_id="e1")).json()["available"]["after"] == "100"
    assert caller.post("/give-backs", body(event_id="e2")).status_code == 404


def test_a_batch_lives_longer(caller: Caller) -> None:
    factories.grant(caller.ledger, credits=100, expires_on=date(2026, 4, 30))
    number = batch_id(caller)
    assert caller.post("/extensions", body(batch_id=number, expires_on="2026-06-01")).status_code == 201
    assert caller.get("/customers/acme/batches").json()["batches"][0]["expires_at"] == "2026-06-01T22:00:00Z"
    assert caller.post("/extensions", body(batch_id=number)).status_code == 422


def test_other_scopes_may_not_correct(ledger: Ledger) -> None:
    factories.open_account(ledger)
    factories.grant(ledger, credits=5)
    caller = Caller(ledger, Scope.GRANTS_WRITE, Scope.USAGE_WRITE, Scope.BALANCE_READ)
    answer = caller.post("/adjustments", body(amount="-5"))
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
