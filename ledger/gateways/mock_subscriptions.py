"""What customers do with their subscriptions at the mock provider, and what it bills for them.

A subscription bills ahead: starting, renewing and raising it each make an invoice, which is paid at once or later. What
a meter was told since the last invoice is on the next one.
"""

from datetime import datetime
from typing import TYPE_CHECKING

from ledger.clock import Clock
from ledger.core.amounts import MICRO, Money, divide_rounding_half_up
from ledger.core.lifecycle import add_months
from ledger.errors import ProviderRefused
from ledger.gateways.mock_store import Document, MockStore, Turn, new_ref
from ledger.gateways.provider import AboutKind, ProviderCustomer


class MockSubscriptions:
    """Acts behind our back; `MockGateway` inherits them, and has the store, the clock and the customers."""

    store: MockStore
    _clock: Clock

    if TYPE_CHECKING:

        def make_customer(self, *, account: str, name: str, email: str) -> ProviderCustomer: ...

        def _tell(self, turn: Turn, kind: str, about: AboutKind, ref: str) -> None: ...

    def make_price(self, label: str, price: Money, *, months: int = 1, metered_cents_per_thousand: int = 0) -> str:
        """A price to subscribe to, with what 1,000 credits beyond the plan cost; answers its name."""
        with self.store.turn() as turn:
            ref = new_ref("price")
            turn.put(
                "subscription price",
                ref,
                {
                    "label": label,
                    "cents": price.cents,
                    "currency": price.currency,
                    "months": months,
                    "metered": metered_cents_per_thousand,
                },
            )
            return ref

    def subscribe(self, account: str, price_ref: str, *, pays: bool = True) -> str:
        """A customer subscribes; answers the name of the subscription."""
        customer = self.make_customer(account=account, name=account, email="")
        with self.store.turn() as turn:
            price, at = self.price_of(turn, price_ref), self._clock.now()
            known: Document = {
                "ref": new_ref("sub"),
                "customer": customer.ref,
                "account": account,
                "price": price_ref,
                "status": "active" if pays else "incomplete",
                "anchor": at.isoformat(),
                # Months from the anchor at which the running period began.
                "months": 0,
                "period_start": at.isoformat(),
                "period_end": _later(at, price["months"]).isoformat(),
                "ends_at_period_end": False,
                "ended_at": None,
            }
            turn.put("subscription", known["ref"], known)
            self._tell(turn, "subscription.created", AboutKind.SUBSCRIPTION, known["ref"])
            self._bill(turn, known, price["cents"], pays=pays)
            return str(known["ref"])

    def renew(self, subscription_ref: str, *, pays: bool = True) -> str | None:
        """The next period begins and is billed; answers its invoice, None when the subscription ended instead."""
        with self.store.turn() as turn:
            known = self._running(turn, subscription_ref)
            if known["ends_at_period_end"]:
                known |= {"ended_at": known["period_end"], "status": "canceled"}
                turn.put("subscription", known["ref"], known)
                self._tell(turn, "subscription.deleted", AboutKind.SUBSCRIPTION, known["ref"])
                return None
            price = self.price_of(turn, known["price"])
            anchor, months = datetime.fromisoformat(known["anchor"]), known["months"]
            start = _later(anchor, months + self._length(known))
            known["months"] = months + self._length(known)
            known |= {
                "period_start": start.isoformat(),
                "period_end": _later(anchor, known["months"] + price["months"]).isoformat(),
                "status": "active" if pays else "past_due",
            }
            turn.put("subscription", known["ref"], known)
            self._tell(turn, "subscription.updated", AboutKind.SUBSCRIPTION, known["ref"])
            return self._bill(turn, known, price["cents"], pays=pays)

    def change_price(self, subscription_ref: str, price_ref: str, *, pays: bool = True) -> str | None:
        """Another price from now on; a higher one is billed at once for what is left, and its invoice answered."""
        with self.store.turn() as turn:
            known = self._running(turn, subscription_ref)
            old, new = self.price_of(turn, known["price"]), self.price_of(turn, price_ref)
            known["price"] = price_ref
            turn.put("subscription", known["ref"], known)
            self._tell(turn, "subscription.updated", AboutKind.SUBSCRIPTION, known["ref"])
            if new["cents"] <= old["cents"]:
                return None
            start, end = (datetime.fromisoformat(known[name]) for name in ("period_start", "period_end"))
            left = end - self._clock.now()
            cents = divide_rounding_half_up(
                (new["cents"] - old["cents"]) * int(left.total_seconds()), int((end - start).total_seconds())
            )
            return self._bill(turn, known, cents, pays=pays, starts_at=self._clock.now(), meters=False)

    def cancel_subscription(self, subscription_ref: str, *, at_once: bool = False) -> None:
        """The subscription ends, with its period unless at once."""
        with self.store.turn() as turn:
            known = self._running(turn, subscription_ref)
            known["ends_at_period_end"] = True
            if at_once:
                known |= {"status": "canceled", "ended_at": self._clock.now().isoformat()}
            turn.put("subscription", known["ref"], known)
            self._tell(turn, "subscription.updated", AboutKind.SUBSCRIPTION, known["ref"])

    def pay_invoice(self, invoice_ref: str) -> None:
        """An invoice that was not paid is paid now; does nothing when it was."""
        with self.store.turn() as turn:
            invoice = turn.get("invoice", invoice_ref)
            if invoice is None:
                raise ProviderRefused(provider="mock", detail=f"there is no invoice {invoice_ref!r}")
            if invoice["paid_at"] is None:
                known = turn.get("subscription", invoice["subscription"])
                assert known is not None
                self._pay(turn, known, invoice)

    def _bill(
        self,
        turn: Turn,
        known: Document,
        cents: int,
        *,
        pays: bool,
        starts_at: datetime | None = None,
        meters: bool = True,
    ) -> str:
        micro, metered, events = self.unbilled(turn, known) if meters else (0, 0, [])
        price = self.price_of(turn, known["price"])
        ref = new_ref("in")
        invoice = {
            "ref": ref,
            "number": len(turn.all("invoice")) + 1,
            "subscription": known["ref"],
            "customer": known["customer"],
            "price": known["price"],
            "cents": cents + metered,
            "currency": price["currency"],
            "created_at": self._clock.now().isoformat(),
            "period_start": starts_at.isoformat() if starts_at else known["period_start"],
            "period_end": known["period_end"],
            "paid_at": None,
            "payment_ref": None,
            "metered_micro": micro,
            "metered_cents": metered,
        }
        for name, told in events:
            turn.put("meter event", name, told | {"invoice": ref})
        turn.put("invoice", ref, invoice)
        if pays:
            self._pay(turn, known, invoice)
        else:
            self._tell(turn, "invoice.payment_failed", AboutKind.INVOICE, ref)
        return ref

    def _pay(self, turn: Turn, known: Document, invoice: Document) -> None:
        at = self._clock.now().isoformat()
        paid = new_ref("pi")
        invoice |= {"paid_at": at, "payment_ref": paid}
        turn.put("invoice", invoice["ref"], invoice)
        offer = {
            "package": None,
            "label": invoice["ref"],
            "credits_micro": 0,
            "quantity": 1,
            "cents": invoice["cents"],
            "currency": invoice["currency"],
        }
        turn.put(
            "payment",
            paid,
            {
                "ref": paid,
                "checkout_ref": None,
                "payment": None,
                # As at Stripe: the metadata of a subscription is not on the payments of its invoices.
                "account": None,
                "customer": known["customer"],
                "card": None,
                "number": "",
                "offer": offer,
                "cents": invoice["cents"],
                "currency": invoice["currency"],
                "created_at": at,
                "paid_at": at,
                "progress": "paid",
                "failure": "",
                "refunds": [],
                "disputes": [],
            },
        )
        if known["status"] in ("incomplete", "past_due"):
            turn.put("subscription", known["ref"], known | {"status": "active"})
        self._tell(turn, "payment.succeeded", AboutKind.PAYMENT, paid)
        self._tell(turn, "invoice.paid", AboutKind.INVOICE, invoice["ref"])

    def unbilled(self, turn: Turn, known: Document) -> tuple[int, int, list[tuple[str, Document]]]:
        """What meters counted that is on no invoice: micro-credits, cents, the events by name."""
        per_thousand = self.price_of(turn, known["price"])["metered"]
        if not per_thousand:
            return 0, 0, []
        events = [
            (name, told)
            for name, told in turn.named("meter event")
            if told["customer"] == known["customer"] and told["invoice"] is None
        ]
        micro = sum(told["micro"] for _, told in events)
        return micro, divide_rounding_half_up(micro * per_thousand, 1_000 * MICRO), events

    def _length(self, known: Document) -> int:
        """Months of the running period, which may be of another price than the next one."""
        start, end = (datetime.fromisoformat(known[name]) for name in ("period_start", "period_end"))
        return (end.year - start.year) * 12 + end.month - start.month

    def _running(self, turn: Turn, ref: str) -> Document:
        known = turn.get("subscription", ref)
        if known is None or known["ended_at"]:
            raise ProviderRefused(provider="mock", detail=f"there is no running subscription {ref!r}")
        return known

    def price_of(self, turn: Turn, ref: str) -> Document:
        """A price that can be subscribed to. Raises ProviderRefused."""
        price = turn.get("subscription price", ref)
        if price is None:
            raise ProviderRefused(provider="mock", detail=f"there is no price {ref!r}")
        return price


def _later(at: datetime, months: int) -> datetime:
    return datetime.combine(add_months(at.date(), months), at.timetz())
