"""The mock provider's books, written by hand: payments with refunds and disputes, many in one turn, and faults in them.

Each payment is told twice: to the mock provider's file and, by the ledger's own commands, to our books.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from ledger import SYSTEM, AdoptPayment, FollowPayment, Ledger, Money, Provider, Reason, StartPurchase
from ledger.gateways.mock import MockGateway
from ledger.models import payment, provider_refund
from tests.kit.factories import ADMIN, fresh_key

Document = dict[str, Any]


@dataclass
class Books:
    """The provider's documents of one test, put down in one turn by `write`."""

    ledger: Ledger
    mock: MockGateway
    waiting: list[Document] = field(default_factory=list)

    def payment(
        self,
        ref: str,
        *,
        name: str | None = None,
        account: str | None = None,
        package: str | None = "team",
        cents: int = 10_000,
        currency: str = "EUR",
        at: datetime | None = None,
    ) -> Document:
        """A paid payment, to be written."""
        told = (at or self.ledger.clock.now()).isoformat()
        offer = {"package": package, "label": "Team", "credits_micro": 0, "quantity": 1}
        made: Document = {
            "ref": ref,
            "checkout_ref": None,
            "payment": name,
            "account": account,
            "customer": "cus_mock",
            "card": "card_mock",
            "number": "4242424242424242",
            "offer": offer | {"cents": cents, "currency": currency},
            "cents": cents,
            "currency": currency,
            "created_at": told,
            "paid_at": told,
            "progress": "paid",
            "failure": "",
            "refunds": [],
            "disputes": [],
        }
        self.waiting.append(made)
        return made

    def refund(self, made: Document, cents: int, *, ours: str | None = None, state: str = "done") -> Document:
        """A refund of a payment."""
        ref = f"re_{made['ref']}_{len(made['refunds'])}"
        one = {"ref": ref, "cents": cents, "state": state, "at": self.ledger.clock.now().isoformat(), "ours": ours}
        made["refunds"].append(one)
        return one

    def dispute(self, made: Document, cents: int, state: str = "open") -> Document:
        """A dispute of a payment."""
        ref = f"dp_{made['ref']}_{len(made['disputes'])}"
        at = self.ledger.clock.now().isoformat()
        one = {"ref": ref, "cents": cents, "state": state, "reason": "fraudulent", "at": at}
        made["disputes"].append(one)
        return one

    def write(self) -> None:
        """Put everything that waits into the provider's file."""
        with self.mock.store.turn() as turn:
            for one in self.waiting:
                turn.put("payment", one["ref"], one)
        self.waiting.clear()

    def change(self, ref: str, change: Callable[[Document], Any]) -> None:
        """Edit a payment in the provider's file."""
        with self.mock.store.turn() as turn:
            known = turn.get("payment", ref)
            assert known is not None, ref
            change(known)
            turn.put("payment", ref, known)

    def forget(self, ref: str) -> None:
        """Take a payment out of the provider's file: nobody there has ever heard of it."""
        with self.mock.store.turn() as turn:
            turn._connection.execute("DELETE FROM document WHERE kind = 'payment' AND ref = ?", (ref,))

    def begin(self, account: str = "acme", package: str = "team") -> str:
        """A purchase in our books that nobody has paid yet; answers its name."""
        command = StartPurchase(account, package, Provider.MOCK)
        receipt = self.ledger.execute(command, actor=ADMIN, key=fresh_key("begin"))
        with self.ledger.database.reading() as connection:
            return str(connection.execute(sa.select(payment.c.name).filter_by(id=receipt.subject_id)).scalar_one())

    def adopt(self, ref: str, account: str = "acme") -> None:
        """Make a payment that was made at the provider without us one of ours."""
        reason = Reason("payment", "paid by a link of the provider")
        command = AdoptPayment(Provider.MOCK, ref, account, Money(10_000, "EUR"), reason, package="team")
        self.ledger.execute(command, actor=ADMIN, key=fresh_key("adopt"))

    def follow(self, name: str, ref: str) -> None:
        """Book what the provider says of a payment, as the product does by itself."""
        facts = self.mock.look(payment_ref=ref)
        assert facts is not None, ref
        self.ledger.execute(FollowPayment(name, facts), actor=SYSTEM, key=fresh_key("follow"))

    def edit(self, statement: str, **values: Any) -> None:
        """Change our books behind everybody's back."""
        with self.ledger.database.engine.begin() as connection:
            changed = connection.execute(sa.text(statement), values).rowcount
        assert changed == 1, f"{changed} rows: {statement}"

    def own_refund(self, name: str, cents: int, *, refund: str, state: str = "sent") -> None:
        """Money that we asked the provider to give back, as a row of ours."""
        with self.ledger.database.engine.begin() as connection:
            one = connection.execute(sa.select(payment).filter_by(name=name)).one()
            connection.execute(
                sa.insert(provider_refund).values(
                    name=refund,
                    refund_id=None,
                    payment_id=one.id,
                    sent_to="card",
                    cents=cents,
                    currency=one.currency,
                    state=state,
                    provider_ref=None,
                    tries=1,
                    next_try_at=None,
                    error="",
                    asked_at=self.ledger.clock.now(),
                    ended_at=None,
                    made_by_id=one.made_by_id,
                )
            )
