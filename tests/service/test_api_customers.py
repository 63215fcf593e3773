"""Customers over HTTP: opened, changed, listed and put on plans; batches, history and use, page by page."""

from datetime import timedelta
from urllib.parse import quote

import pytest

from ledger import Ledger
from ledger.clock import FixedClock
from ledger.core.policy import Scope
from ledger.seeds import seed_plans
from tests.kit import factories
from tests.kit.calling import Caller

WHY = {"reason": "goodwill", "note": "an example in a test"}


@pytest.fixture
def caller(ledger: Ledger) -> Caller:
    return Caller(ledger, Scope.CUSTOMERS_WRITE, Scope.BALANCE_READ)


def pages(caller: Caller, path: str, member: str, **query: object) -> list[list[dict[str, object]]]:
    """Every page of a list, first to last."""
    found, cursor = [], ""
    while True:
        answer = caller.get(path, cursor=cursor, **query).json()
        found.append(answer[member])
        if answer["next_cursor"] is None:
            return found
        cursor = answer["next_cursor"]


def test_a_customer_is_opened_once_and_read_back(caller: Caller) -> None:
    body = {"account": "acme/1 %", "name": "Acme", "zone": "Europe/Berlin", "tier": "pro", "email": "a@acme.example"}
    first = caller.post("/customers", body, key="open-1")
    again = caller.post("/customers", body, key="open-1")
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json() == first.json() | {"replayed": True}
    found = caller.get(f"/customers/{quote('acme/1 %', safe='')}").json()
    assert (found["account"], found["name"], found["zone"]) == ("acme/1 %", "Acme", "Europe/Berlin")
    assert (found["account_type"], found["tier"], found["stripe_id"]) == ("prepaid", "pro", None)


def test_a_change_leaves_what_is_not_named(caller: Caller) -> None:
    caller.post("/customers", {"account": "acme", "name": "Acme", "tier": "pro", "owner": "mara@example.com"})
    answer = caller.send(
        "PATCH", "/customers", key="change-1", json={"account": "acme", "name": "Acme SE", "tier": "max"}
    )
    assert answer.status_code == 201
    found = caller.get("/customers/acme").json()
    assert (found["name"], found["tier"], found["owner"]) == ("Acme SE", "max", "mara@example.com")


def test_an_unknown_customer_is_not_found(caller: Caller) -> None:
    for account in ("nobody", "with%00nul"):
        for path in ("", "/batches", "/history", "/usage"):
            answer = caller.get(f"/customers/{account}{path}")
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path


def test_the_list_is_cut_in_pages_that_a_new_customer_does_not_move(caller: Caller) -> None:
    for name in ("b", "d", "f", "h", "j"):
        factories.open_account(caller.ledger, name)
    first = caller.get("/customers", limit=2).json()
    factories.open_account(caller.ledger, "a")
    factories.open_account(caller.ledger, "g")
    rest = pages_after(caller, first["next_cursor"])
    assert [one["account"] for one in first["customers"]] == ["b", "d"]
    assert rest == ["f", "g", "h", "j"]


def pages_after(caller: Caller, cursor: str | None) -> list[str]:
    found: list[str] = []
    while cursor:
        answer = caller.get("/customers", limit=2, cursor=cursor).json()
        found += [one["account"] for one in answer["customers"]]
        cursor = answer["next_cursor"]
    return found


def test_the_list_can_be_searched_for_what_stands_there(caller: Caller) -> None:
    factories.open_account(caller.ledger, "acme", name="100% Robots")
    factories.open_account(caller.ledger, "blue", name="Blue Harbor")
    assert [one["account"] for one in caller.get("/customers", search="0%").json()["customers"]] == ["acme"]
    assert [one["account"] for one in caller.get("/customers", search="BLUE").json()["customers"]] == ["blue"]
    assert caller.get("/customers", search="%").json()["customers"][0]["account"] == "acme"
    assert caller.get("/customers", search="a\0b").status_code == 422


def test_a_cursor_that_no_page_gave_is_a_fault(caller: Caller) -> None:
    factories.open_account(caller.ledger)
    for cursor in ("!", "AA", "w6k=", "9" * 40, "MA", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5"):
        answer = caller.get("/customers/acme/history", cursor=cursor)
        assert answer.status_code == 422, cursor
        assert answer.json()["faults"][0]["field"] == "cursor"


def test_history_pages_stay_where_they_are_while_credits_move(caller: Caller) -> None:
    factories.open_account(caller.ledger)
    for number in range(6):
        factories.grant(caller.ledger, credits=number + 1)
    first = caller.get("/customers/acme/history", limit=3).json()
    for _ in range(4):
        factories.grant(caller.ledger, credits=50)
    second = caller.get("/customers/acme/history", limit=3, cursor=first["next_cursor"]).json()
    amounts = [[one["amount"] for one in page["transactions"]] for page in (first, second)]
    assert amounts == [["6", "5", "4"], ["3", "2", "1"]]
    assert second["next_cursor"] is None
    line = first["transactions"][0]
    assert (line["kind"], line["actor"], line["available_after"]) == ("grant", "ada@example.com", "21")
    assert caller.get("/customers/acme/history", kind="usage").json()["transactions"] == []
    assert len(caller.get("/customers/acme/history", kind=["usage", "grant"]).json()["transactions"]) == 10
    assert caller.get("/customers/acme/history", kind="nonsense").status_code == 422


def test_batches_come_newest_first_with_their_state(caller: Caller, clock: FixedClock) -> None:
    factories.open_account(caller.ledger)
    factories.top_up(caller.ledger, credits=100)
    for _ in range(3):
        factories.grant(caller.ledger, credits=10, features=("image",))
    found = pages(caller, "/customers/acme/batches", "batches", limit=3)
    assert [len(page) for page in found] == [3, 1]
    numbers = [one["batch_id"] for page in found for one in page]
    assert numbers == sorted(numbers, reverse=True)
    bought, given = found[1][0], found[0][0]
    assert (bought["cost_cents"], bought["currency"], bought["left"], bought["only_for"]) == (100, "EUR", "100", None)
    assert (given["cost_cents"], given["state"], given["only_for"]) == (None, "open", ["image"])
    clock.advance(timedelta(days=100))
    assert caller.get("/customers/acme/batches", limit=1).json()["batches"][0]["state"] == "expired"


def test_usage_is_told_by_day_without_gaps_and_by_feature(caller: Caller, clock: FixedClock) -> None:
    factories.open_account(caller.ledger)
    factories.grant(caller.ledger, credits=1000)
    factories.price_feature(caller.ledger, "image", 5)
    factories.price_feature(caller.ledger, "text", 1)
    factories.use(caller.ledger, "acme", 2, feature="image")
    clock.advance(timedelta(days=2))
    factories.use(caller.ledger, "acme", 5, feature="text")
    found = caller.get("/customers/acme/usage").json()
    assert (found["since"], found["until"], found["zone"]) == ("2026-02-11", "2026-03-13", "Europe/Berlin")
    assert (found["used"], found["events"], len(found["days"])) == ("15", 2, 30)
    assert [one["used"] for one in found["days"][-3:]] == ["10", "0", "5"]
    assert [(one["feature"], one["used"]) for one in found["features"]] == [("image", "10"), ("text", "5")]
    one = caller.get("/customers/acme/usage", since="2026-03-12", until="2026-03-13").json()
    assert (one["used"], len(one["days"])) == ("5", 1)
    nothing = caller.get("/customers/acme/usage", since="2025-03-12", until="2025-03-13").json()
    assert (nothing["used"], nothing["features"]) == ("0", [])
    for wrong in ({"since": "2026-03-13", "until": "2026-03-13"}, {"since": "2020-01-01"}, {"until": "9999-12-31"}):
        assert caller.get("/customers/acme/usage", **wrong).status_code == 422


def test_a_plan_is_started_changed_and_cancelled(caller: Caller) -> None:
    seed_plans(caller.ledger, actor=factories.ADMIN)
    factories.open_account(caller.ledger)
    started = caller.post("/plans/start", {"account": "acme", "plan": "basic", "anchor_day": 10, **WHY})
    assert started.status_code == 201, started.text
    assert started.json()["kind"] == "start_plan"
    assert caller.post("/plans/change", {"account": "acme", "plan": "pro", **WHY}).status_code == 201
    assert caller.post("/plans/cancel", {"account": "acme", **WHY}).status_code == 201
    assert caller.post("/plans/start", {"account": "acme", "plan": "pro", **WHY}).status_code == 409


def test_a_key_without_the_scope_is_refused(ledger: Ledger) -> None:
    factories.open_account(ledger)
    caller = Caller(ledger, Scope.USAGE_WRITE)
    assert caller.get("/customers").json()["code"] == "scope_missing"
    assert caller.post("/customers", {"account": "x", "name": "X"}).status_code == 403
    reader = Caller(ledger, Scope.BALANCE_READ)
    assert reader.get("/customers/acme").status_code == 200
    assert reader.post("/customers", {"account": "x", "name": "X"}).json()["code"] == "scope_missing"


def test_all_faults_of_a_body_are_told_at_once(caller: Caller) -> None:
    answer = caller.post("/customers", {"account": " acme", "name": "", "zone": "Mars/Base"})
    assert answer.status_code == 422
    assert {one["field"] for one in answer.json()["faults"]} == {"account", "name", "zone"}
    assert caller.post("/customers", {"account": "a", "name": "A", "colour": "red"}).status_code == 422
