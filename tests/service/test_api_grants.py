"""Credits that come over HTTP: grants, top-ups, gift codes; each once, and above the limit by two people only."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from ledger import MICRO, CreditType, DecideApproval, IssueGiftCodes, Ledger
from ledger.codes import make_codes
from ledger.core.policy import Scope
from tests.kit import factories
from tests.kit.calling import Caller

WHY = {"reason": "goodwill", "note": "an example in a test"}


@pytest.fixture
def caller(ledger: Ledger) -> Caller:
    factories.open_account(ledger)
    return Caller(ledger, Scope.GRANTS_WRITE, Scope.BALANCE_READ)


def grant(amount: object = "500.25", **more: object) -> dict[str, object]:
    return {"account": "acme", "credit_type": "compensation", "amount": amount, **WHY, **more}


def test_a_grant_is_exact_and_a_repeat_gets_the_first_answer(caller: Caller) -> None:
    first, again = (caller.post("/grants", grant("0.000001"), key="grant-1") for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["available"] == {"before": "0", "after": "0.000001"}
    assert again.json() == first.json() | {"replayed": True}
    other = caller.post("/grants", grant("0.000002"), key="grant-1")
    assert (other.status_code, other.json()["code"]) == (409, "key_reused")
    assert caller.get("/customers/acme/batches").json()["batches"][0]["granted"] == "0.000001"


def test_the_same_key_from_eight_threads_books_once(caller: Caller) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: caller.post("/grants", grant(), key="race"), range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert len({answer.json()["transaction_id"] for answer in answers}) == 1
    assert len(caller.get("/customers/acme/batches").json()["batches"]) == 1


def test_everything_about_a_grant_arrives(caller: Caller) -> None:
    factories.price_feature(caller.ledger, "image", 5)
    body = grant(campaign="spring", expires_on="2026-12-31", effective_at="2026-04-01T00:00:00+02:00", ticket="T-1")
    answer = caller.post("/grants", {**body, "features": ["image"], "priority": 5})
    assert answer.status_code == 201, answer.text
    made = answer.json()["new_batches"][0]
    assert (made["effective_at"], made["expires_at"]) == ("2026-03-31T22:00:00Z", "2026-12-31T23:00:00Z")
    batch = caller.get("/customers/acme/batches").json()["batches"][0]
    assert (batch["state"], batch["campaign"], batch["only_for"]) == ("scheduled", "spring", ["image"])
    line = caller.get("/customers/acme/history").json()["transactions"][0]
    assert (line["reason_code"], line["ticket"]) == ("goodwill", "T-1")
    assert line["actor"].startswith("key:cbt_")


def test_more_than_one_may_give_alone_needs_a_second_person(caller: Caller) -> None:
    answer = caller.post("/grants", grant(100_001))
    assert (answer.status_code, answer.json()["code"]) == (403, "approval_required")
    assert "second person" in answer.json()["detail"]
    assert caller.get("/customers/acme/batches").json()["batches"] == []


def test_a_second_person_is_asked_and_decides(caller: Caller) -> None:
    asked, again = (caller.send("POST", "/grants?mode=ask", json=grant(100_001), key="ask-1") for _ in range(2))
    assert (asked.status_code, again.status_code, asked.json()["kind"]) == (201, 200, "ask_approval"), asked.text
    number = asked.json()["approval_id"]
    assert caller.get("/customers/acme/batches").json()["batches"] == []
    found = caller.get(f"/approvals/{number}").json()
    assert (found["state"], found["kind"], found["account"]) == ("asked", "grant", "acme")
    factories.run(caller.ledger, DecideApproval(number, True, "agreed on the phone"), actor=factories.BEA)
    found = caller.get(f"/approvals/{number}").json()
    assert (found["state"], found["decided_by"]) == ("approved", "bea@example.com")
    assert found["transaction_id"]
    assert caller.get("/customers/acme/batches").json()["batches"][0]["granted"] == "100001"
    stranger = Caller(caller.ledger, Scope.GRANTS_WRITE)
    assert stranger.get(f"/approvals/{number}").status_code == 404
    assert caller.send("POST", "/grants?mode=maybe", json=grant(), key="x").status_code == 422


def test_what_is_wrong_with_a_grant_is_told(caller: Caller) -> None:
    for wrong in (
        grant("1.0000001"),
        grant("-5"),
        grant(True),
        grant("1e400"),
        grant(credit_type="purchased"),
        grant(credit_type="gold"),
        grant(note="short"),
        grant(expires_on="2020-01-01"),
        grant(colour="red"),
        grant(priority=10**30),
        grant(effective_at="2026-04-01T00:00:00"),
    ):
        answer = caller.post("/grants", wrong)
        assert answer.status_code == 422, wrong
        assert answer.json()["faults"], wrong
    assert caller.send("POST", "/grants", json=grant()).json()["faults"][0]["field"] == "Idempotency-Key"
    assert caller.post("/grants", {**grant(), "account": "nobody"}).status_code == 404


def test_a_payment_is_booked_once_whatever_the_key(caller: Caller) -> None:
    body = {"account": "acme", "amount": 1000, "price_cents": 8000, "currency": "EUR", "reference": "SEPA-1", **WHY}
    assert caller.post("/top-ups", body).status_code == 201
    second = caller.post("/top-ups", body)
    assert (second.status_code, second.json()["code"]) == (409, "reference_used")
    batch = caller.get("/customers/acme/batches").json()["batches"][0]
    assert (batch["credit_type"], batch["cost_cents"], batch["currency"]) == ("purchased", 8000, "EUR")
    assert caller.post("/top-ups", body | {"reference": "SEPA-2", "currency": "eur"}).status_code == 422
    assert caller.post("/top-ups", body | {"reference": "SEPA-2", "price_cents": 0}).status_code == 422


def test_a_gift_code_gives_its_credits_once(caller: Caller) -> None:
    code = make_codes(1)[0]
    made = IssueGiftCodes(
        "Spring", CreditType.PROMOTIONAL, 50 * MICRO, (code.code_hash,), (code.hint,), factories.REASON
    )
    caller.ledger.execute(made, actor=factories.ADMIN, key="codes")
    body = {"account": "acme", "code": code.text.lower()}
    first, again = (caller.post("/gift-codes/redeem", body, key="redeem-1") for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["new_batches"][0]["amount"] == "50"
    other = caller.post("/gift-codes/redeem", body)
    assert (other.status_code, other.json()["code"]) == (409, "not_allowed_now")
    assert code.text not in other.text


def test_the_scope_says_what_a_key_may_do(ledger: Ledger) -> None:
    factories.open_account(ledger)
    caller = Caller(ledger, Scope.BALANCE_READ, Scope.USAGE_WRITE)
    for path in ("/grants", "/top-ups", "/gift-codes/redeem"):
        answer = caller.post(path, grant())
        assert (answer.status_code, answer.json()["code"]) in ((403, "scope_missing"), (422, "invalid_command")), path
    assert caller.post("/grants", grant()).json()["code"] == "scope_missing"
