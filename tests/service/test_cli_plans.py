"""Plans, leads and referrals from the command line."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from ledger import Money
from ledger.clock import SystemClock
from ledger.gateways.mock import MockGateway
from ledger.gateways.mock_store import MockStore
from ledger.models import company
from tests.service.test_cli import Cli, cli  # noqa: F401 - the fixture

WHY = ("--note", "ordered by phone")


def test_a_customer_is_put_on_a_plan_moved_and_cancelled(cli: Cli) -> None:  # noqa: F811
    assert "4 plans are defined" in cli("plan", "seed").output
    assert "Defined before" in cli("plan", "seed").output
    cli("plan", "define", "gold", "Gold", "900", "--cents", "4999", "--rollover", "90", "--share", "10")
    assert "gold: 900 credits for 49.99 USD every 1 month(s); at most 90 credits or 10 %" in cli("plan", "list").output
    cli("account", "open", "acme", "Acme")
    assert "available 0 -> 100" in cli("plan", "start", "acme", "basic", *WHY, "--key", "k").output
    assert "replayed" in cli("plan", "start", "acme", "basic", *WHY, "--key", "k").output
    assert "available 100 -> 900" in cli("plan", "change", "acme", "gold", *WHY).output
    cli("plan", "cancel", "acme", *WHY)
    assert "was cancelled before" in cli("plan", "cancel", "acme", *WHY, code=5).output
    assert "0 plans renewed" in cli("plan", "renew").output
    assert "EURO" in cli("plan", "define", "x", "X", "1", "--cents", "1", "--currency", "EURO", code=2).output


def test_a_lead_is_opened_and_converted(cli: Cli) -> None:  # noqa: F811
    assert "available 0 -> 20" in cli("lead", "open", "lea", "Lea", "--zone", "Asia/Tokyo").output
    assert "available 20 -> 20" in cli("lead", "convert", "lea", "--to", "hybrid", "--tier", "pro").output
    assert "is no lead" in cli("lead", "convert", "lea", code=5).output


def test_a_referral_is_rewarded_after_a_purchase(cli: Cli) -> None:  # noqa: F811
    for name in ("acme", "bolt", "core"):
        cli("account", "open", name, name.title())
    cli("referral", "programme", "friends", "Friends", "--referrer", "50", "--referee", "20", "--cap", "1")
    cli("referral", "code", "acme", "friends", "--code", "acme")
    for name in ("bolt", "core"):
        cli("referral", "join", "acme", name)
        cli("top-up", name, "100", "--cents", "100", "--reference", f"INV-{name}")
    assert "available 100 -> 120" in cli("referral", "qualify", "bolt").output
    assert "1 referral qualified" in cli("referral", "qualify").output
    assert "was referred before" in cli("referral", "join", "acme", "bolt", code=5).output


def test_a_subscription_of_a_provider_is_imported_and_followed(
    cli: Cli,  # noqa: F811
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MOCK_PROVIDER_FILE", str(tmp_path / "mock.sqlite"))
    cli("plan", "seed")
    cli("account", "open", "acme", "Acme")
    engine = sa.create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(sa.update(company).values(is_demo=True))
    engine.dispose()
    mock = MockGateway(MockStore(tmp_path / "mock.sqlite"), SystemClock(), page_url="http://127.0.0.1")
    price = mock.make_price("Pro", Money(3_999, "USD"))
    ref = mock.subscribe("acme", price)
    mock.subscribe("stranger", price)
    at_mock = ("--provider", "mock")
    assert f"acme  no plan ({price})" in cli("subscription", "list", *at_mock).output
    cli("plan", "link", price, "pro", *at_mock)
    assert f"pro  mock  {price}" in cli("plan", "prices").output
    assert "acme  pro  would be followed" in cli("subscription", "import", *at_mock).output
    shown = cli("subscription", "import", *at_mock, "--do").output
    assert "1 followed, 0 refused" in shown
    assert "left alone" in shown
    assert "nothing has changed" in cli("subscription", "follow", ref, *at_mock).output
    assert "1 followed, 0 refused" in cli("subscription", "follow").output
    assert "billed by mock" in cli("plan", "cancel", "acme", *WHY, code=5).output
    assert "0 events made" in cli("subscription", "meters", "--retry").output
    assert "0 rows made" in cli("subscription", "mirror", "--retry").output
    cli("plan", "unlink", price, *at_mock)
    assert "there is no subscription" in cli("subscription", "follow", "sub_x", *at_mock, code=4).output.lower()
