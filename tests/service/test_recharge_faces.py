"""Auto-recharge and refunds to the card by the HTTP API and the command line."""

from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from ledger import Ledger
from ledger.core.policy import Scope
from ledger.gateways.mock import MockGateway
from ledger.models import company
from ledger.settings import settings
from service.cli import main
from tests.kit.calling import Caller
from tests.kit.factories import open_account, price_feature, use
from tests.kit.paying import define_package
from tests.kit.recharging import recharges, rule_row, save_card
from tests.operations.books import all_rows

# What the commands book is proved on both; here it is about how they are called.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
WHY = {"reason": "contract", "note": "agreed with the customer"}
TYPED = ("--reason", "contract", "--note", "agreed with the customer")
RULE: dict[str, Any] = WHY | {
    "package": "team",
    "threshold": "50.5",
    "day_cap_cents": 20_000,
    "month_cap_cents": 40_000,
    "provider": "mock",
}


@pytest.fixture
def shop(ledger: Ledger, mock: MockGateway) -> MockGateway:
    """Acme with a hundred credits and a saved card."""
    open_account(ledger)
    price_feature(ledger)
    define_package(ledger)
    save_card(ledger, mock)
    return mock


def test_a_rule_over_http(ledger: Ledger, shop: MockGateway) -> None:
    caller = Caller(ledger, Scope.PURCHASES_WRITE)
    address = "/customers/acme/recharge"
    assert caller.get(address).status_code == 404
    made = caller.send("PUT", address, key="rule", json=RULE)
    assert made.status_code == 201, made.text
    assert caller.send("PUT", address, key="rule", json=RULE).status_code == 200
    found = caller.get(address).json()
    assert (found["threshold"], found["runs"], found["card"], found["currency"]) == (
        "50.5",
        True,
        "visa •••• 4242, 12/30",
        "EUR",
    )
    wrong = caller.send("PUT", address, key="wrong", json=RULE | {"day_cap_cents": 1})
    assert wrong.status_code == 422
    assert "less than one package" in wrong.text
    assert caller.post(f"{address}/resume", WHY).status_code in (200, 201)
    assert caller.post(f"{address}/off", WHY).status_code == 201
    assert caller.get(address).json()["is_on"] is False
    nobody = Caller(ledger, Scope.USAGE_WRITE)
    assert nobody.send("PUT", address, key="no", json=RULE).status_code == 403


def test_a_refund_to_the_card_over_http(ledger: Ledger, shop: MockGateway) -> None:
    caller = Caller(ledger, Scope.CORRECTIONS_WRITE)
    body = WHY | {"account": "acme", "batch_id": 1, "amount": "40", "to": "card"}
    answer = caller.post("/refunds", body)
    assert answer.status_code == 201, answer.text
    assert answer.json()["money_cents"] == 4_000
    assert [row["cents"] for row in all_rows(ledger)["provider_refund"]] == [4_000]
    assert caller.post("/refunds", body | {"to": "cash"}).status_code == 422


def test_a_rule_and_a_failed_refund_from_the_command_line(
    database_url: str, ledger: Ledger, shop: MockGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ledger.database.engine.begin() as connection:
        connection.execute(sa.update(company).values(is_demo=True))
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("SANDBOX_CLOCK", "2026-03-10T13:00:00Z")
    settings.cache_clear()

    def cli(*words: str, code: int = 0) -> str:
        result = CliRunner().invoke(main, list(words))
        assert result.exit_code == code, result.output
        return result.output

    assert "has no rule" in cli("recharge", "show", "acme")
    cli("recharge", "set", "acme", "team", "--below", "50", "--day-cap", "20000", "--month-cap", "40000", *TYPED)
    assert "On: team, when fewer than 50 credits are left" in cli("recharge", "show", "acme")
    assert "Nobody is due." in cli("recharge", "run")
    use(ledger, quantity=60)
    assert "1 begun, 1 paid" in cli("recharge", "run")
    assert [row.state for row in recharges(ledger)] == ["credited"]
    cli("recharge", "off", "acme", *TYPED)
    assert not rule_row(ledger).is_on
    cli("refund", "acme", "1", "--to", "card", *TYPED)
    with ledger.database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE provider_refund SET state = 'failed'")
    (failed,) = all_rows(ledger)["provider_refund"]
    cli("payments", "refund-again", failed["name"], "--to", "outside", *TYPED)
    assert all_rows(ledger)["provider_refund"][0]["state"] == "replaced"
