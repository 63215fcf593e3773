"""Payments as pages read them: lists, one in full, its steps."""

from analytics import frames
from ledger import Ledger
from ledger.gateways.mock import MockGateway
from ledger.queries import PaymentFilter
from ledger.selling.follow import follow
from tests.kit.factories import open_account, price_feature, use
from tests.kit.paying import buy, define_package, start


def test_payments_are_listed_with_their_steps_and_what_went_back(ledger: Ledger, mock: MockGateway) -> None:
    open_account(ledger)
    define_package(ledger)
    price_feature(ledger)
    name, ref = buy(ledger, mock)
    waiting = start(ledger)
    use(ledger, quantity=90)
    mock.give_back(ref, 5_000)
    follow(ledger, name)
    mock.dispute(ref, 5_000)
    with ledger.database.reading() as connection:
        found = frames.load_payments(connection, account="acme")
        assert list(found["payment"]) == [waiting, name]
        one = frames.load_payments(connection, PaymentFilter(text=ref, has_gone_back=True))
        assert list(one["payment"]) == [name]
        assert frames.count_payments(connection, PaymentFilter(states=("created",))) == 1
        full = frames.load_payment(connection, name)
        steps = [(step.word, step.state) for step in full.steps]
        assert steps == [
            ("created", "done"),
            ("paid", "done"),
            ("credited", "done"),
            ("receipt", "now"),
            ("partly refunded", "bad"),
        ]
        (back,) = full.claw_backs.to_dict("records")
        assert (back["cause"], back["taken_micro"], back["claimed_micro"]) == ("refund", 10_000_000, 40_000_000)
        assert full.is_final and not full.refunds.size
        begun = frames.load_payment(connection, waiting)
        assert [step.state for step in begun.steps] == ["done", "now", "ahead", "ahead"]
