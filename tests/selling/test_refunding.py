"""Money goes back where it was paid: with its tax, once whatever happens on the way, and what failed stays visible."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from ledger import (
    MICRO,
    BatchClosed,
    Ledger,
    Money,
    NotAllowedNow,
    NotFound,
    Provider,
    ProviderRefused,
    ProviderUnavailable,
    Receipt,
    RefundPurchase,
    RefundTo,
    RetryProviderRefund,
    TransferCredits,
)
from ledger.clock import FixedClock
from ledger.core.refunds import with_tax_cents
from ledger.gateways.mock import MockGateway
from ledger.gateways.provider import RefundFacts, RefundRequest
from ledger.models import payment
from ledger.selling.follow import follow
from ledger.selling.refunding import send_due
from tests.kit.factories import ADMIN, REASON, fresh_key, open_account, price_feature, top_up, use
from tests.kit.paying import buy, define_package, row_of
from tests.operations.books import all_rows, audit


@pytest.fixture
def bought(ledger: Ledger, mock: MockGateway) -> Iterator[str]:
    """Acme bought a hundred credits for 100.00 EUR at the provider, batch 1; the name of that payment."""
    open_account(ledger)
    price_feature(ledger)
    define_package(ledger)
    name, _ = buy(ledger, mock)
    yield name
    assert audit(ledger) == []


def give_back(
    ledger: Ledger, credits: int | None = None, *, to: RefundTo = RefundTo.CARD, batch_id: int = 1
) -> Receipt:
    amount = None if credits is None else credits * MICRO
    return ledger.execute(RefundPurchase("acme", batch_id, amount, REASON, to), actor=ADMIN, key=fresh_key("refund"))


def sendings(ledger: Ledger) -> list[dict[str, Any]]:
    return all_rows(ledger)["provider_refund"]


def test_the_card_gets_its_money_back_once(ledger: Ledger, mock: MockGateway, bought: str) -> None:
    use(ledger, quantity=40)
    receipt = give_back(ledger)
    assert receipt.money == Money(6_000, "EUR")
    assert receipt.notes == ("Mock gives back 60.00 EUR to the card",)
    assert [(row["state"], row["cents"]) for row in sendings(ledger)] == [("asked", 6_000)]
    assert send_due(ledger) == {"done": 1}
    assert send_due(ledger) == {}
    row = row_of(ledger, name=bought)
    # The credits were taken by the refund; following it takes none a second time.
    assert (row.refunded_cents, row.own_refunds_cents, row.taken_micro, row.claimed_micro) == (6_000, 6_000, 0, 0)
    facts = mock.look(payment_ref=row.payment_ref)
    assert facts is not None and [one.cents for one in facts.refunds] == [6_000]
    (sent,) = sendings(ledger)
    assert (sent["state"], sent["provider_ref"], sent["tries"]) == ("done", facts.refunds[0].ref, 1)


def test_tax_goes_back_with_its_share(ledger: Ledger, bought: str) -> None:
    with ledger.database.engine.begin() as connection:
        connection.execute(sa.update(payment).values(total_cents=11_900, tax_cents=1_900))
    assert give_back(ledger, 33).notes == ("Mock gives back 39.27 EUR to the card, 6.27 EUR of it tax",)
    give_back(ledger)
    assert [row["cents"] for row in sendings(ledger)] == [3_927, 7_973]


@given(st.integers(1, 5_000), st.integers(0, 1_000), st.lists(st.integers(1, 400), max_size=6))
def test_shares_with_tax_add_up_to_the_payment(price: int, tax: int, parts: list[int]) -> None:
    before, paid_back = 0, 0
    for part in [*parts, price]:
        net = min(part, price - before)
        paid_back += with_tax_cents(net, given_back_cents=before, price_cents=price, total_cents=price + tax)
        before += net
    assert (before, paid_back) == (price, price + tax)


class Unsteady:
    """The mock provider behind a line that breaks after it heard of a refund, or that refuses."""

    def __init__(self, inner: MockGateway, breaks: list[str]) -> None:
        self._inner, self._breaks = inner, breaks

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def refund(self, request: RefundRequest) -> RefundFacts:
        how = self._breaks.pop(0) if self._breaks else ""
        if how == "refused":
            raise ProviderRefused(provider="mock", detail="the card is closed")
        made = self._inner.refund(request)
        if how == "lost":
            raise ProviderUnavailable(provider="mock", detail="timed out")
        return replace(made, state="failed") if how == "failed" else made


def break_line(mock: MockGateway, monkeypatch: pytest.MonkeyPatch, *breaks: str) -> None:
    unsteady = Unsteady(mock, list(breaks))
    monkeypatch.setattr("ledger.selling.refunding.registry.gateway", lambda *_: unsteady)


def test_a_lost_answer_gives_back_once(
    ledger: Ledger, mock: MockGateway, bought: str, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_line(mock, monkeypatch, "lost", "lost")
    give_back(ledger, 50)
    for pause in (1, 2):
        assert send_due(ledger) == {"later": 1}
        assert send_due(ledger) == {}
        assert "did not answer" in sendings(ledger)[0]["error"]
        clock.advance(timedelta(minutes=pause))
    assert send_due(ledger) == {"done": 1}
    facts = mock.look(payment_ref=row_of(ledger, name=bought).payment_ref)
    assert facts is not None and facts.refunded_cents == 5_000


def test_what_could_not_be_given_back_is_given_back_another_way(
    ledger: Ledger, mock: MockGateway, bought: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_line(mock, monkeypatch, "refused", "refused")
    give_back(ledger, 50)
    assert send_due(ledger) == {"refused": 1}
    (failed,) = sendings(ledger)
    assert (failed["state"], failed["error"]) == ("failed", "the card is closed")
    again = RetryProviderRefund(failed["name"], RefundTo.BALANCE, REASON)
    receipt = ledger.execute(again, actor=ADMIN, key="retry")
    assert receipt.notes == ("Mock gives back 50.00 EUR to the customer's balance there",)
    with pytest.raises(NotAllowedNow, match="is replaced"):
        ledger.execute(again, actor=ADMIN, key="retry-again")
    assert send_due(ledger) == {"refused": 1}
    by_hand = RetryProviderRefund(sendings(ledger)[1]["name"], RefundTo.OUTSIDE, REASON)
    assert ledger.execute(by_hand, actor=ADMIN, key="hand").notes == ("50.00 EUR were given back by hand",)
    assert [row["state"] for row in sendings(ledger)] == ["replaced", "replaced"]
    with pytest.raises(NotFound, match="ref_none"):
        ledger.execute(RetryProviderRefund("ref_none", RefundTo.CARD, REASON), actor=ADMIN, key="none")


def test_a_refund_that_comes_back_later_is_seen(ledger: Ledger, mock: MockGateway, bought: str) -> None:
    give_back(ledger, 50)
    send_due(ledger)
    ref = row_of(ledger, name=bought).payment_ref
    mock.fail_refund(str(ref), sendings(ledger)[0]["provider_ref"])
    follow(ledger, bought)
    assert sendings(ledger)[0]["state"] == "failed"
    # Nobody took the credits back: the customer is owed the money.
    assert row_of(ledger, name=bought).own_refunds_cents == 0


def test_what_was_not_paid_at_a_provider_is_given_back_by_hand(ledger: Ledger, bought: str) -> None:
    top_up(ledger, credits=10)
    with pytest.raises(NotAllowedNow, match="was not paid at a provider"):
        give_back(ledger, batch_id=2)
    give_back(ledger, batch_id=2, to=RefundTo.OUTSIDE)
    assert sendings(ledger) == []


def test_no_more_goes_back_than_was_paid(ledger: Ledger, mock: MockGateway, bought: str) -> None:
    # Somebody gave 60.00 back at the provider, and nobody told us yet.
    give_back(ledger, 50)
    mock.give_back(str(row_of(ledger, name=bought).payment_ref), 6_000)
    assert send_due(ledger) == {"refused": 1}
    assert "not in 1 to 4000" in sendings(ledger)[0]["error"]
    follow(ledger, bought)
    with pytest.raises(BatchClosed):
        give_back(ledger)


def test_polar_has_no_balance(ledger: Ledger, bought: str) -> None:
    with ledger.database.engine.begin() as connection:
        connection.execute(sa.update(payment).values(provider=Provider.POLAR.value))
    with pytest.raises(NotAllowedNow, match="keeps no balance"):
        give_back(ledger, to=RefundTo.BALANCE)
    with ledger.database.engine.begin() as connection:
        connection.execute(sa.update(payment).values(provider=Provider.MOCK.value))


def test_what_moved_on_goes_back_to_the_card_that_paid(ledger: Ledger, mock: MockGateway, bought: str) -> None:
    open_account(ledger, "bolt")
    ledger.rules = replace(ledger.rules, transfer_scope="company")
    moved = ledger.execute(TransferCredits("acme", "bolt", 40 * MICRO, REASON), actor=ADMIN, key="move")
    batch_id = all_rows(ledger)["batch"][-1]["id"]
    assert moved.counterpart == "bolt"
    ledger.execute(RefundPurchase("bolt", batch_id, None, REASON, RefundTo.CARD), actor=ADMIN, key="back")
    assert send_due(ledger) == {"done": 1}
    row = row_of(ledger, name=bought)
    assert (row.refunded_cents, row.own_refunds_cents) == (4_000, 4_000)
