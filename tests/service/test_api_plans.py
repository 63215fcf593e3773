"""The plan of a customer over HTTP, also one that a provider bills."""

from ledger import Ledger, Provider
from ledger.core.policy import Scope
from ledger.gateways.mock import MockGateway
from ledger.selling.subscriptions import follow_subscription
from tests.kit import factories
from tests.kit.billing import Shop
from tests.kit.calling import Caller


def test_a_plan_says_who_bills_it_and_until_when_it_is_paid(ledger: Ledger, mock: MockGateway) -> None:
    shop = Shop(ledger, mock)
    shop.plan("basic", 100)
    factories.open_account(ledger)
    caller = Caller(ledger, Scope.BALANCE_READ, Scope.CUSTOMERS_WRITE)
    assert caller.get("/customers/acme/plan").status_code == 404
    ref = mock.subscribe("acme", shop.prices["basic"])
    follow_subscription(ledger, Provider.MOCK, ref)
    body = caller.get("/customers/acme/plan").json()
    assert (body["plan"], body["next_plan"], body["credits"]) == ("basic", "basic", "100")
    assert (body["billed_by"], body["subscription"], body["paid_through"]) == ("mock", ref, "2026-04-11")
    end = {"account": "acme", "reason": "contract", "note": "asked for on the phone"}
    answer = caller.post("/plans/cancel", end)
    assert (answer.status_code, answer.json()["code"]) == (409, "not_allowed_now")
