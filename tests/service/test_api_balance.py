"""Balances over HTTP, now and as of an instant; and whether a use can be afforded."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ledger import Ledger
from ledger.clock import FixedClock
from ledger.core.policy import Scope
from tests.kit import factories, holding, sharing
from tests.kit.calling import Caller


@pytest.fixture
def caller(ledger: Ledger) -> Caller:
    factories.open_account(ledger)
    factories.price_feature(ledger, "images", 2)
    factories.grant(ledger, credits=100)
    return Caller(ledger, Scope.BALANCE_READ)


def check(caller: Caller, **more: Any) -> Any:
    return caller.send("POST", "/check", json={"account": "acme", "feature": "images", **more})


def test_a_balance_has_its_parts(caller: Caller) -> None:
    holding.place(caller.ledger, credits=30)
    factories.grant(caller.ledger, credits=7, effective_at=datetime(2026, 4, 1, tzinfo=UTC))
    body = caller.get("/customers/acme/balance").json()
    parts = {name: body[name] for name in ("available", "held", "scheduled", "balance", "owed", "overdraft_limit")}
    assert parts == {
        "available": "70",
        "held": "30",
        "scheduled": "7",
        "balance": "107",
        "owed": "0",
        "overdraft_limit": "0",
    }
    assert [one["credit_type"] for one in body["by_type"]] == ["promotional"]


def test_a_balance_as_of_an_instant(caller: Caller, clock: FixedClock) -> None:
    before = clock.now()
    clock.set(before + timedelta(hours=5))
    factories.use(caller.ledger, quantity=10)
    then = caller.get("/customers/acme/balance", at=before.isoformat()).json()
    assert (then["available"], then["at"]) == ("100", "2026-03-10T12:00:00Z")
    assert then["by_type"][0]["available"] == "100"
    assert caller.get("/customers/acme/balance").json()["available"] == "80"
    unknown = caller.get("/customers/acme/balance", at="2026-03-10T13:00:00+01:00", known_at="2026-03-09T00:00:00Z")
    assert unknown.json()["available"] == "0"
    for wrong in ({"at": "2031-01-01T00:00:00Z"}, {"known_at": "2026-03-10T00:00:00Z"}, {"at": "yesterday"}):
        assert caller.get("/customers/acme/balance", **wrong).status_code == 422
    assert caller.get("/customers/nobody/balance").status_code == 404


def test_an_account_may_have_any_name(caller: Caller) -> None:
    factories.open_account(caller.ledger, "eu/acme 100%?", name="Slash")
    answer = caller.get("/customers/eu%2Facme%20100%25%3F/balance")
    assert (answer.status_code, answer.json()["account"]) == (200, "eu/acme 100%?")


def test_a_check_answers_what_a_charge_would(caller: Caller) -> None:
    yes = check(caller, quantity=20)
    assert (yes.status_code, yes.json()["required"], yes.json()["left"]) == (200, "40", "60")
    assert yes.json()["takes"][0]["amount"] == "40"
    holding.place(caller.ledger, credits=70)
    no = check(caller, quantity=20)
    body = no.json()
    assert (no.status_code, body["code"]) == (402, "insufficient_credits")
    assert (body["required"], body["available"], body["shortfall"]) == ("40", "30", "10")
    assert body["purchase_url"].endswith("/top_ups?customer=acme")
    assert check(caller, feature="nope").status_code == 404
    assert check(caller, account="nobody").status_code == 404
    assert check(caller, complexity="high").status_code == 422
    assert caller.get("/customers/acme/balance").json()["available"] == "30"


def test_a_check_counts_an_overdraft(caller: Caller) -> None:
    factories.allow_overdraft(caller.ledger, credits=50)
    yes = check(caller, quantity=70)
    assert (yes.status_code, yes.json()["owed"], yes.json()["left"]) == (200, "40", "0")
    no = check(caller, quantity=80).json()
    assert (no["required"], no["available"], no["shortfall"]) == ("160", "150", "10")


def test_a_check_looks_at_the_limits_of_a_member(caller: Caller) -> None:
    sharing.open_pool(caller.ledger, sharing.limited("ada", day=30))
    factories.grant(caller.ledger, "pool", credits=100)
    yes = check(caller, account="pool", member="ada", quantity=10)
    assert yes.status_code == 200, yes.text
    sharing.use_as(caller.ledger, "ada", quantity=10)
    no = check(caller, account="pool", member="ada", quantity=10)
    body = no.json()
    assert (no.status_code, body["code"]) == (402, "limit_reached")
    assert (body["required"], body["available"], body["shortfall"]) == ("20", "10", "10")
    assert body["resets_at"] == "2026-03-10T23:00:00Z"
    assert check(caller, account="pool").status_code == 422
    assert check(caller, account="pool", member="eve").status_code == 404
