"""Plans & catalogue, At the provider: what differs, pushing it, and the provider's customers; by role."""

from collections.abc import Iterator

import pytest
import stripe

from ledger import Provider
from ledger.clock import SystemClock
from ledger.gateways import registry
from ledger.seeds import seed_catalogue
from ledger.selling.linking import Match, provider_customers
from tests.kit.factories import ADMIN
from tests.kit.stripe_company import selling_through_stripe
from tests.kit.stripe_stub import Stub
from tests.pages.conftest import HOSTILE_NAMES, Pages
from tests.pages.test_forms import confirm, field, table_text
from tests.pages.test_read_pages import said

PAGE = "system/catalog.py"


def cells(app) -> str:
    return " ".join(frame.value.to_string() for frame in app.dataframe)


@pytest.fixture
def stub(pages: Pages, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    seed_catalogue(pages.ledger, actor=ADMIN)
    with selling_through_stripe(monkeypatch, SystemClock()) as running:
        yield running


def press(app, label: str):
    field(app, "button", label).click()
    return app.run()


def test_an_admin_sees_what_differs_and_pushes_it(pages: Pages, stub: Stub) -> None:
    app = pages.open(PAGE, view="provider")
    assert "Make there" in cells(app) and "Professional" in cells(app)
    app = press(app, "Push to Stripe")
    assert list(registry.stripe(pages.ledger).products()) == []
    app.button(key="confirm").click()
    app = app.run()
    assert not app.exception
    count = len(list(registry.stripe(pages.ledger).products()))
    assert count > 4
    shown = " ".join(one.value for one in app.success)
    assert f"{count} pushed to Stripe" in shown and "sells exactly the packages" in shown
    again = pages.open(PAGE, view="provider")
    assert [button.label for button in again.button if "Push" in button.label] == []


def test_a_push_that_breaks_off_is_told_and_done_again(pages: Pages, stub: Stub) -> None:
    app = press(pages.open(PAGE, view="provider"), "Push to Stripe")
    stub.faults = [""] * 3 + ["500"] * 3
    app.button(key="confirm").click()
    app = app.run()
    assert "HTTP 500" in said(app) and "push again" in said(app)
    app = press(app, "Push to Stripe")
    app.button(key="confirm").click()
    app = app.run()
    assert "sells exactly the packages" in " ".join(one.value for one in app.success)
    made = list(registry.stripe(pages.ledger).products())
    assert len({one.package for one in made}) == len(made)


def test_what_others_made_there_is_shown_and_left_alone(pages: Pages, stub: Stub) -> None:
    price = stub.books.make(stripe.Price, "price", unit_amount=5, currency="usd", active=True, type="one_time")
    stub.books.make(
        stripe.Product, "prod", name=HOSTILE_NAMES[0], active=True, metadata={"credits": "5"}, default_price=price["id"]
    )
    app = pages.open(PAGE, view="provider")
    assert "Leave alone" in cells(app) and HOSTILE_NAMES[0] in " ".join(app.dataframe[0].value["label"])
    assert "never changed" in said(app)


def test_others_look_and_do_not_push(pages: Pages, stub: Stub) -> None:
    for who in ("fiona", "max"):
        app = pages.open(PAGE, who=who, view="provider")
        assert "Make there" in cells(app)
        assert "takes an admin" in said(app)
        assert [button.label for button in app.button if "Push" in button.label] == []


def test_who_gives_no_answer_is_asked_again(pages: Pages, stub: Stub) -> None:
    stub.faults = ["500"] * 3
    app = pages.open(PAGE, view="provider")
    assert "HTTP 500" in said(app)
    app = press(app, "Try again")
    assert "Make there" in cells(app)


def test_without_a_provider_the_page_says_what_is_missing(pages: Pages) -> None:
    assert "No payment provider is set up" in said(pages.open(PAGE, view="provider"))


def test_a_customer_of_the_provider_is_linked_and_another_taken_over(pages: Pages, stub: Stub) -> None:
    for number, name in enumerate((HOSTILE_NAMES[0], "Zoe")):
        stub.books.make(
            stripe.Customer,
            "cus",
            name=name,
            email=f"c{number}@x.test",
            metadata={"account": "cus_acme"} if number == 0 else {},
            invoice_settings={"default_payment_method": None},
        )
    app = pages.open(PAGE, who="ada", view="provider", list="customers")
    assert "Its metadata names it" in cells(app)
    field(app, "selectbox", "Customer at the provider").select("cus_1")
    app.run()
    assert "seems to be the same" in said(app)
    field(app, "selectbox", "Customer").select("cus_acme")
    app = confirm(app.run())
    assert not app.exception
    assert "linked" in " ".join(one.value for one in app.success)
    app = pages.open(PAGE, view="provider", list="customers", act="import")
    field(app, "selectbox", "Customer at the provider").select("cus_2")
    app.run()
    assert field(app, "text_input", "Id of the new account").value == "cus_2"
    assert "Zoe" in table_text(app)
    app = confirm(app)
    found = {one.theirs.ref: one for one in provider_customers(pages.ledger, Provider.STRIPE, actor=ADMIN)}
    assert [found[ref].match for ref in ("cus_1", "cus_2")] == [Match.LINKED] * 2
    assert found["cus_1"].account == "cus_acme"


def test_customers_are_for_who_may_change_ours(pages: Pages, stub: Stub) -> None:
    app = pages.open(PAGE, who="fiona", view="provider", list="customers")
    assert not app.exception
    assert "What it has" not in [radio.label for radio in app.radio]
