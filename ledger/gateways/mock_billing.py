"""Balances, subscriptions and meters of the mock provider, as it answers for them; `MockGateway` inherits this."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from ledger.core.amounts import MICRO, Money
from ledger.errors import ProviderRefused
from ledger.gateways.billing import (
    BalanceMove,
    CustomerBalance,
    InvoiceFacts,
    InvoicePreview,
    MeterSummary,
    SubscriptionFacts,
)
from ledger.gateways.mock_store import Document, Turn, new_ref
from ledger.gateways.mock_subscriptions import MockSubscriptions


class MockBilling(MockSubscriptions):
    """The part of the mock provider that bills, but for payments."""

    def balance(self, customer_ref: str, *, limit: int = 100) -> CustomerBalance:
        """A customer's balance with its newest transactions."""
        with self.store.turn() as turn:
            self._customer_of(turn, customer_ref)
            moves = [one for one in turn.all("balance move") if one["customer"] == customer_ref]
        moves.sort(key=lambda one: one["number"], reverse=True)
        cents, currency = (moves[0]["ending_cents"], moves[0]["currency"]) if moves else (0, "USD")
        return CustomerBalance(customer_ref, Money(cents, currency), tuple(map(_move, moves[:limit])))

    def move_balance(
        self, customer_ref: str, money: Money, *, key: str, description: str, metadata: Mapping[str, str]
    ) -> BalanceMove:
        """Book a customer balance transaction; the same key again answers the same."""
        with self.store.turn() as turn:
            self._customer_of(turn, customer_ref)
            known = turn.get("balance move", key)
            if known is None:
                before = [one for one in turn.all("balance move") if one["customer"] == customer_ref]
                known = {
                    "ref": new_ref("cbtxn"),
                    "customer": customer_ref,
                    "number": len(before) + 1,
                    "at": self._clock.now().isoformat(),
                    "cents": money.cents,
                    "currency": money.currency,
                    "ending_cents": sum(one["cents"] for one in before) + money.cents,
                    "description": description,
                    "metadata": dict(metadata),
                }
                turn.put("balance move", key, known)
            return _move(known)

    def subscription(self, ref: str) -> SubscriptionFacts | None:
        """One subscription; None when there is none."""
        with self.store.turn() as turn:
            known = turn.get("subscription", ref)
        return None if known is None else self._subscription(known)

    def subscriptions(self) -> Iterator[SubscriptionFacts]:
        """All subscriptions, ended ones included."""
        with self.store.turn() as turn:
            found = turn.all("subscription")
        yield from map(self._subscription, found)

    def invoice(self, ref: str) -> InvoiceFacts | None:
        """One invoice; None when there is none."""
        with self.store.turn() as turn:
            known = turn.get("invoice", ref)
        return None if known is None else self._invoice(known)

    def invoices(self, subscription_ref: str) -> Iterator[InvoiceFacts]:
        """All invoices of a subscription, paid or not, oldest first."""
        with self.store.turn() as turn:
            found = [one for one in turn.all("invoice") if one["subscription"] == subscription_ref]
        yield from map(self._invoice, sorted(found, key=lambda one: one["number"]))

    def make_meter(self, *, event_name: str, label: str, key: str) -> str:
        """A meter that sums what it is told; one of that event name is reused."""
        with self.store.turn() as turn:
            known = turn.get("meter", event_name) or {"ref": new_ref("mtr"), "label": label, "key": key}
            turn.put("meter", event_name, known)
            return str(known["ref"])

    def send_meter_event(
        self, *, event_name: str, customer_ref: str, value: str, identifier: str, at: datetime
    ) -> None:
        """Tell a meter of use; the same identifier again counts once."""
        with self.store.turn() as turn:
            self._customer_of(turn, customer_ref)
            if turn.get("meter", event_name) is None:
                raise ProviderRefused(provider="mock", detail=f"there is no meter of the event {event_name!r}")
            if turn.get("meter event", identifier) is None:
                told = {
                    "event_name": event_name,
                    "customer": customer_ref,
                    "micro": int(Decimal(value) * MICRO),
                    "at": at.isoformat(),
                    "invoice": None,
                }
                turn.put("meter event", identifier, told)

    def meter_summary(self, meter_ref: str, customer_ref: str, *, since: datetime, until: datetime) -> MeterSummary:
        """What a meter has counted for a customer."""
        with self.store.turn() as turn:
            names = {name for name, meter in turn.named("meter") if meter["ref"] == meter_ref}
            told = [
                one for one in turn.all("meter event") if one["customer"] == customer_ref and one["event_name"] in names
            ]
        micro = sum(one["micro"] for one in told if since <= datetime.fromisoformat(one["at"]) < until)
        return MeterSummary(since, until, str(Decimal(micro) / MICRO))

    def next_invoice(self, customer_ref: str, subscription_ref: str) -> InvoicePreview | None:
        """The next invoice of a subscription as it would be now; None when there will be none."""
        with self.store.turn() as turn:
            known = turn.get("subscription", subscription_ref)
            if known is None or known["customer"] != customer_ref or known["ended_at"] or known["ends_at_period_end"]:
                return None
            price = self.price_of(turn, known["price"])
            micro, cents, _ = self.unbilled(turn, known)
            lines = [(price["label"], price["cents"])]
            if cents:
                lines.append((f"{Decimal(micro) / MICRO} credits beyond the plan", cents))
            return InvoicePreview(
                Money(sum(one for _, one in lines), price["currency"]),
                datetime.fromisoformat(known["period_end"]),
                tuple(lines),
            )

    def _customer_of(self, turn: Turn, ref: str) -> Document:
        known = turn.get("customer", ref)
        if known is None or known["is_deleted"]:
            raise ProviderRefused(provider="mock", detail=f"there is no customer {ref!r}")
        return known

    def _subscription(self, known: Document) -> SubscriptionFacts:
        return SubscriptionFacts(
            known["ref"],
            known["customer"],
            known["account"],
            known["status"],
            known["price"],
            datetime.fromisoformat(known["period_start"]),
            datetime.fromisoformat(known["period_end"]),
            self._clock.now(),
            ends_at_period_end=known["ends_at_period_end"],
            ended_at=_maybe(known["ended_at"]),
            raw=known,
        )

    def _invoice(self, known: Document) -> InvoiceFacts:
        return InvoiceFacts(
            known["ref"],
            known["customer"],
            known["paid_at"] is not None,
            Money(known["cents"], known["currency"]),
            datetime.fromisoformat(known["created_at"]),
            self._clock.now(),
            subscription_ref=known["subscription"],
            price_ref=known["price"],
            period_start=datetime.fromisoformat(known["period_start"]),
            period_end=datetime.fromisoformat(known["period_end"]),
            paid_at=_maybe(known["paid_at"]),
            payment_ref=known["payment_ref"],
            metered_micro=known["metered_micro"],
            metered_cents=known["metered_cents"],
            raw=known,
        )


def _move(known: Document) -> BalanceMove:
    return BalanceMove(
        known["ref"],
        datetime.fromisoformat(known["at"]),
        Money(known["cents"], known["currency"]),
        known["ending_cents"],
        known["description"],
        known["metadata"],
    )


def _maybe(text: Any) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
