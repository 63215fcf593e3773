"""Customers of Stripe beside ours: who is linked, who seems to be the same, linking and taking over."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
import stripe

from ledger import Ledger, NotPermitted, OpenAccount, Provider
from ledger.clock import FixedClock
from ledger.core.policy import Actor
from ledger.errors import InvalidCommand, NotAllowedNow, NotFound
from ledger.gateways.mock import MockGateway
from ledger.models import customer
from ledger.selling.linking import Match, import_customer, link_customer, provider_customers
from tests.kit.stripe_company import selling_through_stripe
from tests.kit.stripe_stub import Stub


@pytest.fixture
def theirs(ledger: Ledger, clock: FixedClock, admin: Actor, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    """Four customers here and six at Stripe."""
    for name, mail in (("acme", "a@acme.test"), ("bolt", "B@bolt.test"), ("twin1", "t@x.test"), ("twin2", "t@x.test")):
        ledger.execute(OpenAccount(name, name.capitalize(), mail), actor=admin, key=name)
    with selling_through_stripe(monkeypatch, clock) as stub:
        for name, mail, words in (
            ("Acme Inc", "billing@acme.test", {"account": "acme"}),
            ("Bolt", "b@BOLT.test", {}),
            ("Twins", "t@x.test", {}),
            ("Stranger", "s@x.test", {"account": "nobody-here"}),
            ("", None, {}),
        ):
            settings = {"default_payment_method": None}
            stub.books.make(stripe.Customer, "cus", name=name, email=mail, metadata=words, invoice_settings=settings)
        yield stub


def matches(ledger: Ledger, actor: Actor) -> dict[str, tuple[Match, str | None]]:
    return {
        one.theirs.ref: (one.match, one.account) for one in provider_customers(ledger, Provider.STRIPE, actor=actor)
    }


def test_who_is_who(ledger: Ledger, theirs: Stub, admin: Actor) -> None:
    assert matches(ledger, admin) == {
        "cus_1": (Match.METADATA, "acme"),
        "cus_2": (Match.EMAIL, "bolt"),
        "cus_3": (Match.NONE, None),
        "cus_4": (Match.NONE, None),
        "cus_5": (Match.NONE, None),
    }
    link_customer(ledger, Provider.STRIPE, "cus_2", "bolt", actor=admin, key="link")
    assert matches(ledger, admin)["cus_2"] == (Match.LINKED, "bolt")
    assert provider_customers(ledger, Provider.STRIPE, actor=admin)[-1].theirs.ref == "cus_2"


def test_one_of_theirs_is_one_of_ours(ledger: Ledger, theirs: Stub, admin: Actor) -> None:
    link_customer(ledger, Provider.STRIPE, "cus_1", "acme", actor=admin, key="1")
    with pytest.raises(InvalidCommand, match="belongs to the customer 'acme'"):
        link_customer(ledger, Provider.STRIPE, "cus_1", "bolt", actor=admin, key="2")
    with pytest.raises(NotFound):
        link_customer(ledger, Provider.STRIPE, "cus_99", "bolt", actor=admin, key="3")
    with pytest.raises(InvalidCommand):
        import_customer(ledger, Provider.STRIPE, "cus_1", actor=admin, key="4", account_name="acme-again")


def test_taking_over_opens_an_account_that_is_linked(ledger: Ledger, theirs: Stub, admin: Actor) -> None:
    made = import_customer(ledger, Provider.STRIPE, "cus_4", actor=admin, key="1")
    assert made.account == "nobody-here"
    assert import_customer(ledger, Provider.STRIPE, "cus_4", actor=admin, key="1").replayed
    assert import_customer(ledger, Provider.STRIPE, "cus_5", actor=admin, key="2").account == "cus_5"
    assert (
        import_customer(ledger, Provider.STRIPE, "cus_3", actor=admin, key="3", account_name="twins").account == "twins"
    )
    with ledger.database.reading() as connection:
        rows = connection.execute(sa.select(customer.c.name, customer.c.email, customer.c.stripe_id)).all()
    assert {("Stranger", "s@x.test", "cus_4"), ("cus_5", "", "cus_5"), ("Twins", "t@x.test", "cus_3")} <= {
        tuple(row) for row in rows
    }


def test_who_keeps_our_names_is_linked_there(ledger: Ledger, mock: MockGateway, admin: Actor, finance: Actor) -> None:
    ledger.execute(OpenAccount("acme", "Acme"), actor=admin, key="acme")
    known = mock.make_customer(account="acme", name="Acme", email="")
    other = mock.make_customer(account="zoe", name="Zoe", email="z@x.test")
    found = {one.theirs.ref: one.match for one in provider_customers(ledger, Provider.MOCK, actor=admin)}
    assert found == {known.ref: Match.LINKED, other.ref: Match.NONE}
    with pytest.raises(NotAllowedNow, match="external id"):
        link_customer(ledger, Provider.MOCK, other.ref, "acme", actor=admin, key="1")
    import_customer(ledger, Provider.MOCK, other.ref, actor=admin, key="2")
    again = {one.theirs.ref: one.match for one in provider_customers(ledger, Provider.MOCK, actor=admin)}
    assert again[other.ref] is Match.LINKED
    with pytest.raises(NotPermitted):
        provider_customers(ledger, Provider.MOCK, actor=finance)
