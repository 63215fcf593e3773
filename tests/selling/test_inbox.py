"""Messages of providers: written down once, each with an end, whatever comes and however often."""

import json
from datetime import timedelta

import pytest
import sqlalchemy as sa

from ledger import Actor, Ledger, NotAllowedNow, NotFound, NotPermitted, ProviderUnavailable, inbox
from ledger.clock import FixedClock, SystemClock
from ledger.core.payments import Provider
from ledger.gateways.mock import MockGateway
from ledger.models import inbox as inbox_table
from ledger.models import saved_card
from ledger.selling import settling
from ledger.selling.checkout import load_sale, sell
from ledger.selling.settling import replay, settle_due
from tests.kit import selling
from tests.kit.factories import ADMIN, fresh_key
from tests.kit.selling import Outside, message

# Nothing in these depends on the kind of database.
ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def rows(ledger: Ledger) -> dict[str, sa.Row]:
    with ledger.database.reading() as connection:
        return {row.event_id: row for row in connection.execute(sa.select(inbox_table))}


def event(**changed: str) -> str:
    told = {"id": "evt_1", "type": "payment.succeeded", "at": "2026-03-10T12:00:00+00:00"}
    return json.dumps(told | {"about": "payment", "ref": "pi_1"} | changed)


def test_a_message_that_comes_twice_is_one_row_that_counts(ledger: Ledger, mock: MockGateway) -> None:
    outside = Outside(ledger)
    answers = [outside.deliver(*message(event())) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert [answer.json()["detail"] for answer in answers] == ["Written down.", *["Written down before."] * 2]
    assert (rows(ledger)["evt_1"].deliveries, rows(ledger)["evt_1"].state) == (3, "new")
    settle_due(ledger)
    assert rows(ledger)["evt_1"].state == "unmatched"
    assert "no payment" in rows(ledger)["evt_1"].outcome
    # Somebody presses the provider's button to deliver it again: it is looked at again.
    outside.deliver(*message(event()))
    assert rows(ledger)["evt_1"].state == "new"


@ON_SQLITE
def test_another_secret_too_old_and_of_the_future_are_refused_and_counted(ledger: Ledger, mock: MockGateway) -> None:
    outside = Outside(ledger)
    now = SystemClock().now()
    before = inbox.refusals().get(Provider.MOCK, inbox.Refusals()).count
    for sent, why in (
        (message(event(), secret="whsec_AAAA"), "not of a secret"),
        (message(event(), at=now - timedelta(minutes=6)), "five minutes"),
        (message(event(), at=now + timedelta(minutes=6)), "five minutes"),
    ):
        answer = outside.deliver(*sent)
        assert (answer.status_code, why in answer.text) == (400, True)
    assert rows(ledger) == {}
    assert inbox.refusals()[Provider.MOCK].count - before == 3


@ON_SQLITE
def test_a_changed_body_missing_headers_and_no_headers_are_refused(ledger: Ledger, mock: MockGateway) -> None:
    outside = Outside(ledger)
    body, headers = message(event())
    assert outside.deliver(body + b" ", headers).status_code == 400
    assert outside.deliver(body, {}).status_code == 400
    assert outside.deliver(body, headers | {"webhook-timestamp": "soon"}).status_code == 400
    assert rows(ledger) == {}


# Body and what is wrong with it, as people read it on the tab Payments.
UNREADABLE = (
    ("no json", "JSONDecodeError"),
    ("[]", "TypeError"),
    ("{}", "KeyError"),
    (event(at="yesterday"), "ValueError"),
    (event(about="weather"), "ValueError"),
    (event(id=""), "must not be empty"),
    (event(id="x" * 300), "at most 255"),
    (event(ref="a\u0000b"), "cannot be shown"),
    (event(ref=""), "must not be empty"),
)


def test_what_cannot_be_read_is_kept_as_failed_and_shown(ledger: Ledger, mock: MockGateway) -> None:
    outside = Outside(ledger)
    seen: set[str] = set()
    for body, why in UNREADABLE:
        assert [outside.deliver(*message(body)).status_code for _ in range(2)] == [200, 200]
        (name,) = rows(ledger).keys() - seen
        seen.add(name)
        row = rows(ledger)[name]
        assert (row.state, row.deliveries, name[:7]) == ("failed", 2, "sha256:"), body
        assert why in row.outcome
    assert sum(settle_due(ledger).values()) == 0
    with pytest.raises(NotAllowedNow):
        replay(ledger, Provider.MOCK, seen.pop(), actor=ADMIN)


def test_kinds_of_no_consequence_are_ignored_whatever_they_are_called(ledger: Ledger, mock: MockGateway) -> None:
    Outside(ledger).deliver(*message(event(about="", ref="", type="plan.\u0000created")))
    row = rows(ledger)["evt_1"]
    assert (row.state, row.settled_at is None) == ("ignored", False)


@ON_SQLITE
def test_the_size_the_method_and_the_provider(ledger: Ledger, mock: MockGateway) -> None:
    outside = Outside(ledger)
    too_large = b" " * (inbox.BODY_MAX_BYTES + 1)
    assert outside.deliver(too_large, {}).status_code == 413

    def parts():
        yield from [b" " * 1024] * (inbox.BODY_MAX_BYTES // 1024 + 1)

    assert outside.client.post("/webhooks/mock", content=parts()).status_code == 413
    assert outside.client.get("/webhooks/mock").headers["allow"] == "POST"
    assert outside.client.put("/webhooks/mock").status_code == 405
    assert outside.deliver(b"{}", {}, "paypal").status_code == 404
    # Without its key nobody can check: it is delivered again.
    assert outside.deliver(b"{}", {}, "stripe").status_code == 503
    ledger.is_demo = False
    assert outside.deliver(*message(event())).status_code == 404
    assert rows(ledger) == {}


@ON_SQLITE
def test_messages_about_one_payment_are_answered_by_one_question(
    ledger: Ledger, mock: MockGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    selling.open_customer_and_shop(ledger)
    sale = selling.paid(ledger, mock)
    ref = load_sale(ledger, sale.payment)
    asked = []
    look = MockGateway.look
    monkeypatch.setattr(MockGateway, "look", lambda self, **what: asked.append(what) or look(self, **what))
    with ledger.database.reading() as connection:
        payment_ref = connection.execute(
            sa.select(inbox_table.c.about_ref).where(inbox_table.c.about_kind == "payment")
        )
        (pi,) = payment_ref.scalars()
    outside = Outside(ledger)
    for number in range(5):
        kind, about = ("payment", pi) if number % 2 else ("checkout", ref.checkout_ref)
        outside.deliver(*message(event(id=f"evt_{number}", about=kind, ref=about)))
    assert settle_due(ledger)["settled"] == 5
    assert len(asked) == 1


@ON_SQLITE
def test_what_cannot_be_asked_waits_longer_each_time_and_ends(
    ledger: Ledger, mock: MockGateway, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_given: object, **_named: object) -> None:
        raise ProviderUnavailable(provider="mock", detail="it is away")

    monkeypatch.setattr(settling, "follow_ref", away)
    Outside(ledger).deliver(*message(event()))
    pauses = []
    while rows(ledger)["evt_1"].state in ("new", "waiting"):
        before = clock.now()
        assert settle_due(ledger)["later"] == 1 or rows(ledger)["evt_1"].state == "failed"
        row = rows(ledger)["evt_1"]
        if row.next_try_at is not None:
            pauses.append((row.next_try_at - before).total_seconds())
            assert settle_due(ledger)["later"] == 0
            clock.set(row.next_try_at)
    assert pauses[:4] == [10, 20, 40, 80]
    assert max(pauses) == 4 * 3600
    assert timedelta(days=2.5) < timedelta(seconds=sum(pauses)) < timedelta(days=3.5)
    row = rows(ledger)["evt_1"]
    assert (row.state, "Given up after 28 tries" in row.outcome, "it is away" in row.outcome) == ("failed", True, True)
    monkeypatch.undo()
    assert replay(ledger, Provider.MOCK, "evt_1", actor=ADMIN) == "unmatched"


@ON_SQLITE
def test_one_that_nobody_foresaw_keeps_no_other_from_its_turn(
    ledger: Ledger, mock: MockGateway, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    selling.open_customer_and_shop(ledger)
    sale = selling.sold(ledger)
    mock.pay(sale.checkout_ref or "", "4242424242424242")
    follow_ref = settling.follow_ref

    def stumbling(given: Ledger, provider: Provider, **what: str) -> object:
        if what.get("payment_ref") == "pi_1":
            raise ZeroDivisionError
        return follow_ref(given, provider, **what)

    monkeypatch.setattr(settling, "follow_ref", stumbling)
    Outside(ledger).deliver(*message(event()))
    assert settle_due(ledger) == {"settled": 2, "later": 1, "unmatched": 0, "failed": 0}
    assert load_sale(ledger, sale.payment).state == "credited"
    assert "ZeroDivisionError" in rows(ledger)["evt_1"].outcome
    assert "could not be settled" in caplog.text


def test_the_card_of_a_customer_is_followed_its_address_stays_ours(ledger: Ledger, mock: MockGateway) -> None:
    selling.open_customer_and_shop(ledger)
    sale = sell(ledger, "acme", "large", actor=ADMIN, key=fresh_key("sale"), saves_card=True)
    customer = mock.pay(sale.checkout_ref or "", "4242424242424242").customer_ref
    settle_due(ledger)
    outside = Outside(ledger)

    def told(number: int, **changed: object) -> str:
        with mock.store.turn() as turn:
            known = turn.get("customer", customer or "")
            assert known is not None
            turn.put("customer", known["ref"], known | changed)
            turn.put("card", "card_2", {"ref": "card_2", "number": "4242", "words": "visa •••• 1881, 01/31"})
        outside.deliver(*message(event(id=f"evt_c{number}", about="customer", ref=customer or "")))
        settle_due(ledger)
        return str(rows(ledger)[f"evt_c{number}"].outcome)

    def cards() -> list[str]:
        with ledger.database.reading() as connection:
            return list(connection.execute(sa.select(saved_card.c.words)).scalars())

    assert told(1) == "Nothing that concerns us has changed."
    assert told(2, card="card_2") == "The saved card is now visa •••• 1881, 01/31."
    assert "ours stays as it is" in told(3, email="other@acme.example")
    assert cards() == ["visa •••• 1881, 01/31"]
    assert told(4, is_deleted=True).endswith("Its saved card is forgotten.")
    assert cards() == []
    assert {row.state for row in rows(ledger).values()} == {"settled"}
    outside.deliver(*message(event(id="evt_c9", about="customer", ref="cus_nobody")))
    settle_due(ledger)
    assert rows(ledger)["evt_c9"].state == "unmatched"


@ON_SQLITE
def test_replay_is_for_who_handles_payments(ledger: Ledger, mock: MockGateway, manager: Actor) -> None:
    Outside(ledger).deliver(*message(event()))
    with pytest.raises(NotPermitted):
        replay(ledger, Provider.MOCK, "evt_1", actor=manager)
    with pytest.raises(NotFound):
        replay(ledger, Provider.MOCK, "evt_2", actor=ADMIN)


def test_bodies_are_forgotten_once_they_ended_and_are_old(ledger: Ledger, mock: MockGateway, clock: FixedClock) -> None:
    outside = Outside(ledger)
    outside.deliver(*message(event(id="evt_old")))
    settle_due(ledger)
    outside.deliver(*message(event(id="evt_open")))
    clock.advance(timedelta(days=500))
    outside.deliver(*message(event(id="evt_new", about="", ref="")))
    assert inbox.forget_bodies(ledger, before=clock.now() - timedelta(days=400)) == 1
    assert {name: bool(row.body) for name, row in rows(ledger).items()} == {
        "evt_old": False,
        "evt_open": True,
        "evt_new": True,
    }
