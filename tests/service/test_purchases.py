"""Purchases by the HTTP API, by a signed link and on the page of a payment; the checkout of the mock."""

import re
from datetime import timedelta

import httpx2
import pytest

from ledger import InvalidCommand, Ledger, NotAllowedNow, NotPermitted, ProviderNotSetUp, ProviderUnavailable, Role
from ledger.alerts import Told
from ledger.clock import FixedClock
from ledger.core.alerts import Addressee, AlertKind, LineKey, Severity
from ledger.core.payments import PaymentState
from ledger.core.policy import Actor, Scope
from ledger.gateways.mock import DECLINED_CARD, GOOD_CARD, MockGateway
from ledger.selling import checkout
from ledger.selling.checkout import cancel, load_sale, load_sales, sell
from ledger.selling.links import LIFE_DAYS, holder_of, purchase_link
from ledger.selling.settling import settle_due
from ledger.settings import settings
from service.alert_mails import Writer
from tests.kit import factories, selling
from tests.kit.calling import Caller
from tests.kit.factories import ADMIN
from tests.kit.selling import Outside, open_customer_and_shop, sold

# Nothing in these depends on the kind of database.
ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def path_of(address: str) -> str:
    return address.removeprefix(settings().public_url)


def choose(outside: Outside, path: str, package: str = "large") -> httpx2.Response:
    """What a click on a package sends."""
    attempt = re.search(r'name="attempt" value="(\w+)"', outside.client.get(path).text)
    assert attempt is not None
    answer: httpx2.Response = outside.client.post(path, data={"package": package, "attempt": attempt[1]})
    return answer


def test_a_program_sells_follows_lists_and_cancels(ledger: Ledger, mock: MockGateway) -> None:
    open_customer_and_shop(ledger)
    caller = Caller(ledger, Scope.PURCHASES_WRITE)
    body = {"account": "acme", "package": "large", "success_url": "https://shop.example/thanks"}
    first = caller.post("/purchases", body, key="order-1")
    again = caller.post("/purchases", body, key="order-1")
    assert (first.status_code, again.status_code, again.headers["Idempotency-Replayed"]) == (201, 200, "true")
    assert first.json() == again.json()
    begun = first.json()
    assert (begun["state"], begun["credits"], begun["price_cents"], begun["total_cents"]) == (
        "open",
        "1000",
        9000,
        None,
    )
    name = begun["payment"]
    page = mock.checkout_page(load_sale(ledger, name).checkout_ref or "")
    assert page is not None and page["success_url"] == "https://shop.example/thanks"
    mock.pay(page["ref"], GOOD_CARD)
    assert caller.get(f"/purchases/{name}").json()["state"] == "open"
    paid = caller.get(f"/purchases/{name}", fresh="true").json()
    assert (paid["state"], paid["url"], paid["total_cents"]) == ("credited", None, 9000)
    second = caller.post("/purchases", body).json()["payment"]
    refused = caller.post(f"/purchases/{name}/cancel", {})
    assert (refused.status_code, refused.json()["code"]) == (409, "not_allowed_now")
    assert [caller.post(f"/purchases/{second}/cancel", {}).json()["state"] for _ in range(2)] == ["expired"] * 2
    listed = caller.get("/customers/acme/purchases", limit=1).json()
    assert [one["payment"] for one in listed["purchases"]] == [second]
    rest = caller.get("/customers/acme/purchases", limit=1, cursor=listed["next_cursor"]).json()
    assert ([one["payment"] for one in rest["purchases"]], rest["next_cursor"]) == ([name], None)


@ON_SQLITE
def test_what_a_program_may_not_or_cannot(ledger: Ledger, mock: MockGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    open_customer_and_shop(ledger)
    caller = Caller(ledger, Scope.PURCHASES_WRITE)
    body = {"account": "acme", "package": "large"}

    def code(answer: httpx2.Response) -> tuple[int, str]:
        return answer.status_code, answer.json()["code"]

    assert code(Caller(ledger, Scope.USAGE_WRITE).post("/purchases", body)) == (403, "scope_missing")
    assert code(caller.get("/purchases/pay_nobody")) == (404, "not_found")
    assert code(caller.get("/customers/nobody/purchases")) == (404, "not_found")
    assert code(caller.post("/purchases", body | {"package": "none"})) == (404, "not_found")
    faulty = caller.post("/purchases", body | {"success_url": "javascript:alert(1)"})
    assert (code(faulty), faulty.json()["faults"][0]["field"]) == ((422, "invalid_command"), "success_url")
    monkeypatch.setattr(MockGateway, "open_checkout", _away)
    assert code(caller.post("/purchases", body, key="order-9")) == (503, "provider_unavailable")
    monkeypatch.undo()
    # The payment was begun; the same key makes its page.
    assert caller.post("/purchases", body, key="order-9").json()["state"] == "open"
    assert len(load_sales(ledger, "acme", before=None, limit=9)) == 1
    ledger.is_demo = False
    assert code(caller.post("/purchases", body)) == (503, "provider_not_set_up")


def _away(*_given: object) -> None:
    raise ProviderUnavailable(provider="mock", detail="it is away")


@ON_SQLITE
@pytest.mark.parametrize("step", ["StartPurchase", "open_checkout", "NoteCheckout"])
def test_a_crash_behind_any_step_leaves_one_sale_and_one_page(
    ledger: Ledger, mock: MockGateway, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    open_customer_and_shop(ledger)
    made = {"StartPurchase": "sale_of", "open_checkout": "NoteCheckout", "NoteCheckout": "load_sale"}[step]

    def crash(*_given: object, **_named: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(checkout, made, crash)
    with pytest.raises(KeyboardInterrupt):
        sold(ledger, key="order-1")
    monkeypatch.undo()
    sale = sold(ledger, key="order-1")
    assert sale.state is PaymentState.OPEN
    with mock.store.turn() as turn:
        assert [one["ref"] for one in turn.all("checkout")] == [sale.checkout_ref]
    assert len(load_sales(ledger, "acme", before=None, limit=9)) == 1


def test_a_refusal_for_want_of_credits_carries_a_link_to_buy(ledger: Ledger, mock: MockGateway) -> None:
    open_customer_and_shop(ledger)
    factories.price_feature(ledger, "call", 1)
    caller = Caller(ledger, Scope.USAGE_WRITE)
    refused = caller.post("/usage", {"account": "acme", "event_id": "e1", "feature": "call"})
    assert refused.status_code == 402
    path = path_of(refused.json()["purchase_url"])
    assert path.startswith("/buy/")
    assert "Buy Large" in Outside(ledger).client.get(path).text


def test_a_customer_buys_by_a_link_and_comes_back_to_the_credits(ledger: Ledger, mock: MockGateway) -> None:
    open_customer_and_shop(ledger, limit=1)
    outside, path = Outside(ledger), path_of(purchase_link(ledger, "acme"))
    shop = outside.client.get(path)
    assert "EUR 90.00 per 1,000 credits" in shop.text
    assert "Test mode: no real money moves" in shop.text
    answer = choose(outside, path)
    assert answer.status_code == 303
    checkout_path = path_of(answer.headers["location"])
    declined = outside.client.post(checkout_path, data={"act": "pay", "card": DECLINED_CARD})
    assert (declined.status_code, "card declined" in declined.text) == (200, True)
    paid = outside.client.post(checkout_path, data={"act": "pay", "card": GOOD_CARD})
    back = path_of(paid.headers["location"])
    assert re.fullmatch(r"/pay/pay_[0-9a-f]{24}", back)
    page = outside.client.get(back)
    assert "Thank you, the credits are there" in page.text
    assert 'data-again="0"' in page.text
    settle_due(ledger)
    assert "Bought already" in outside.client.get(path).text
    refused = choose(outside, path)
    assert (refused.status_code, "may buy it once" in refused.text) == (409, True)
    assert "This was paid" in outside.client.get(checkout_path).text


@ON_SQLITE
def test_a_link_is_for_one_account_for_thirty_days_and_cannot_be_made_up(
    ledger: Ledger, mock: MockGateway, clock: FixedClock
) -> None:
    open_customer_and_shop(ledger)
    link = purchase_link(ledger, "acme")
    token = link.rpartition("/")[2]
    assert purchase_link(ledger, "acme") == link
    held = holder_of(ledger, token)
    assert held is not None and held.account == "acme"
    for place in range(len(token)):
        changed = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        found = holder_of(ledger, changed)
        # The last character has bits to spare.
        assert found is None or (place == len(token) - 1 and found == held)
    for none in ("", "x", "ä", "=" * 10, "A" * 900, token[:-3]):
        assert holder_of(ledger, none) is None
    assert Outside(ledger).client.get("/buy/" + "A" * 1_200).status_code == 404
    clock.advance(timedelta(days=LIFE_DAYS))
    assert holder_of(ledger, token) is not None
    clock.advance(timedelta(days=1))
    assert holder_of(ledger, token) is None
    assert Outside(ledger).client.get(path_of(link)).status_code == 404


@ON_SQLITE
def test_the_same_button_twice_is_one_purchase_and_clicks_have_a_limit(ledger: Ledger, mock: MockGateway) -> None:
    open_customer_and_shop(ledger)
    outside, path = Outside(ledger), path_of(purchase_link(ledger, "acme"))
    sent = {"package": "large", "attempt": "0" * 32}
    places = {outside.client.post(path, data=sent).headers["location"] for _ in range(3)}
    assert len(places) == len(load_sales(ledger, "acme", before=None, limit=9)) == 1
    assert outside.client.post(path, data={"package": "large"}).status_code == 422
    answers = [outside.client.post(path, data=sent) for _ in range(12)]
    assert "requests a minute" in answers[-1].text


@ON_SQLITE
def test_names_are_text_and_pages_let_nothing_in(ledger: Ledger, mock: MockGateway) -> None:
    factories.open_account(ledger, "acme", name='<script>alert(1)</script> "x"')
    selling.open_shop(ledger)
    answer = Outside(ledger).client.get(path_of(purchase_link(ledger, "acme")))
    assert "<script>alert" not in answer.text
    assert "&lt;script&gt;" in answer.text
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    assert answer.headers["referrer-policy"] == "no-referrer"


@ON_SQLITE
def test_the_page_of_a_payment_follows_but_not_at_every_look(
    ledger: Ledger, mock: MockGateway, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_customer_and_shop(ledger)
    sale, outside = sold(ledger), Outside(ledger)
    looks = []
    look = MockGateway.look
    monkeypatch.setattr(MockGateway, "look", lambda self, **what: looks.append(what) or look(self, **what))
    for _ in range(3):
        page = outside.client.get(f"/pay/{sale.payment}?cancelled=1")
        assert "Waiting for the payment" in page.text
        assert "You came back without paying" in page.text
    assert len(looks) == 1
    clock.advance(timedelta(seconds=5))
    monkeypatch.setattr(MockGateway, "look", lambda *_given, **_named: _away())
    assert "does not answer at the moment" in outside.client.get(f"/pay/{sale.payment}").text
    monkeypatch.undo()
    clock.advance(timedelta(days=1))
    assert "This checkout has ended" in outside.client.get(f"/pay/{sale.payment}").text
    assert outside.client.get("/pay/pay_nobody").status_code == 404
    assert outside.client.get("/pay/%00").status_code == 404


@ON_SQLITE
def test_a_confirmation_at_the_mock(ledger: Ledger, mock: MockGateway) -> None:
    outside = Outside(ledger)
    assert outside.client.get("/pay/mock/confirm/pi_none").status_code == 404
    assert outside.client.get("/pay/mock/cs_none").status_code == 404
    ledger.is_demo = False
    assert outside.client.get("/pay/mock/cs_none").status_code == 404


@ON_SQLITE
def test_cancelling_and_selling_take_the_permission(ledger: Ledger, mock: MockGateway, finance: Actor) -> None:
    open_customer_and_shop(ledger)
    sale = sold(ledger)
    with pytest.raises(NotPermitted):
        cancel(ledger, sale.payment, actor=finance)
    with pytest.raises(NotPermitted):
        sell(ledger, "acme", "large", actor=finance, key="k")
    with pytest.raises(InvalidCommand, match="cancel_url"):
        sell(ledger, "acme", "large", actor=ADMIN, key="k", cancel_url="ftp://x")
    mock.pay(sale.checkout_ref or "", GOOD_CARD)
    with pytest.raises(NotAllowedNow, match="refund"):
        cancel(ledger, sale.payment, actor=Actor("mara@example.com", Role.ACCOUNT_MANAGER))
    ledger.is_demo = False
    with pytest.raises(ProviderNotSetUp):
        sold(ledger)


@ON_SQLITE
def test_a_mail_about_an_empty_balance_links_customers_to_the_shop_and_colleagues_to_top_ups(
    ledger: Ledger, mock: MockGateway
) -> None:
    open_customer_and_shop(ledger)
    key = LineKey(AlertKind.OUT_OF_CREDITS, 0)
    figures = {"owed_micro": 0, "overdraft_left_micro": 0}
    told = Told(1, 1, "acme", "Acme", key, 1, Severity.CRITICAL, ledger.clock.now(), figures)
    write = Writer(ledger.company_zone, ledger)
    links = {who: write("key", "a@acme.example", who, [told]).variables["top_up_link"] for who in Addressee}
    assert path_of(links[Addressee.CUSTOMER]).startswith("/buy/")
    assert {path_of(link) for who, link in links.items() if who is not Addressee.CUSTOMER} == {"/top_ups?customer=acme"}
