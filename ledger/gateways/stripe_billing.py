"""What Stripe does beyond payments: customer balances, subscriptions and their invoices, meters."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal

import stripe

from ledger.clock import Clock
from ledger.core.amounts import MICRO, Money
from ledger.gateways import stripe_facts
from ledger.gateways.billing import (
    BalanceMove,
    CustomerBalance,
    InvoiceFacts,
    InvoicePreview,
    MeterSummary,
    SubscriptionFacts,
)
from ledger.gateways.stripe_client import StripePart, asking, is_missing

PAGE = 100
_MINUTE = 60


class StripeBilling(StripePart):
    """The part of the gateway that knows balances, subscriptions and meters."""

    def __init__(self, client: stripe.StripeClient, clock: Clock) -> None:
        super().__init__(client, clock)
        # Whether a price bills use; that never changes of a price.
        self._metered: dict[str, bool] = {}

    def balance(self, customer_ref: str, *, limit: int = 100) -> CustomerBalance:
        """A customer's balance with its newest transactions."""
        with asking("look up a customer's balance"):
            found = self._client.v1.customers.retrieve(customer_ref)
            moves = self._client.v1.customers.balance_transactions.list(customer_ref, {"limit": min(limit, PAGE)})
            # A customer without any balance has no currency; ours is as good as any for nothing.
            currency = found.currency or (moves.data[0].currency if moves.data else "usd")
            return CustomerBalance(
                customer_ref, stripe_facts.money(found.balance or 0, currency), tuple(map(_move, moves.data))
            )

    def move_balance(
        self, customer_ref: str, money: Money, *, key: str, description: str, metadata: Mapping[str, str]
    ) -> BalanceMove:
        """Book a customer balance transaction; the same key again answers the same.

        The key stays with the transaction: asked again when Stripe has forgotten it, the newest are looked through.
        """
        with asking("book on a customer's balance"):
            booked = self._client.v1.customers.balance_transactions.list(customer_ref, {"limit": PAGE})
            for one in booked.data:
                if stripe_facts.metadata_of(one).get("key") == key:
                    return _move(one)
            made = self._client.v1.customers.balance_transactions.create(
                customer_ref,
                {
                    "amount": money.cents,
                    "currency": money.currency.lower(),
                    "description": description,
                    "metadata": {**metadata, "key": key},
                },
                {"idempotency_key": f"balance:{key}"},
            )
            return _move(made)

    def subscription(self, ref: str) -> SubscriptionFacts | None:
        """One subscription; None when there is none."""
        asked_at = self._clock.now()
        with asking("look up a subscription"):
            try:
                found = self._client.v1.subscriptions.retrieve(ref, {"expand": ["customer"]})
            except stripe.InvalidRequestError as error:
                if is_missing(error):
                    return None
                raise
            return self._subscription(found, asked_at)

    def subscriptions(self) -> Iterator[SubscriptionFacts]:
        """All subscriptions, ended ones included; those without a licensed price stand for no plan and are left out."""
        asked_at = self._clock.now()
        with asking("list subscriptions"):
            pages = self._client.v1.subscriptions.list({"status": "all", "limit": PAGE, "expand": ["data.customer"]})
            for one in pages.auto_paging_iter():
                facts = self._subscription(one, asked_at)
                if facts is not None:
                    yield facts

    def invoice(self, ref: str) -> InvoiceFacts | None:
        """One invoice; None when there is none."""
        asked_at = self._clock.now()
        with asking("look up an invoice"):
            try:
                found = self._client.v1.invoices.retrieve(ref, {"expand": ["payments"]})
            except stripe.InvalidRequestError as error:
                if is_missing(error):
                    return None
                raise
            return self._invoice(found, asked_at)

    def invoices(self, subscription_ref: str) -> Iterator[InvoiceFacts]:
        """All invoices of a subscription that were finalised, paid or not."""
        asked_at = self._clock.now()
        with asking("list invoices"):
            pages = self._client.v1.invoices.list(
                {"subscription": subscription_ref, "limit": PAGE, "expand": ["data.payments"]}
            )
            for one in pages.auto_paging_iter():
                if one.status != "draft":
                    yield self._invoice(one, asked_at)

    def make_meter(self, *, event_name: str, label: str, key: str) -> str:
        """A meter that sums what it is told; answers its name at Stripe. One of that event name is reused."""
        with asking("make a meter"):
            for one in self._client.v1.billing.meters.list({"status": "active", "limit": PAGE}).auto_paging_iter():
                if one.event_name == event_name:
                    return one.id
            made = self._client.v1.billing.meters.create(
                {
                    "display_name": label,
                    "event_name": event_name,
                    "default_aggregation": {"formula": "sum"},
                    "customer_mapping": {"type": "by_id", "event_payload_key": "stripe_customer_id"},
                    "value_settings": {"event_payload_key": "value"},
                },
                {"idempotency_key": f"meter:{key}"},
            )
            return made.id

    def send_meter_event(
        self, *, event_name: str, customer_ref: str, value: str, identifier: str, at: datetime
    ) -> None:
        """Tell a meter of use; the same identifier again counts once."""
        with asking("tell a meter"):
            try:
                self._client.v1.billing.meter_events.create(
                    {
                        "event_name": event_name,
                        "payload": {"stripe_customer_id": customer_ref, "value": value},
                        "identifier": identifier,
                        "timestamp": int(at.timestamp()),
                    },
                    {"idempotency_key": f"meter event:{identifier}"},
                )
            except stripe.InvalidRequestError as error:
                # Told before, in a call whose answer was lost: it counts, which is all that was wanted.
                if "already exists" not in str(error.user_message):
                    raise

    def meter_summary(self, meter_ref: str, customer_ref: str, *, since: datetime, until: datetime) -> MeterSummary:
        """What a meter has counted for a customer, in whole minutes: it starts and ends at the full minute before."""
        start, end = (int(at.timestamp()) // _MINUTE * _MINUTE for at in (since, until))
        with asking("read a meter"):
            found = self._client.v1.billing.meters.event_summaries.list(
                meter_ref, {"customer": customer_ref, "start_time": start, "end_time": end, "limit": PAGE}
            )
            value = sum((Decimal(str(one.aggregated_value)) for one in found.auto_paging_iter()), Decimal(0))
        return MeterSummary(stripe_facts.instant(start), stripe_facts.instant(end), f"{value.normalize():f}")

    def next_invoice(self, customer_ref: str, subscription_ref: str) -> InvoicePreview | None:
        """The next invoice of a subscription as it would be now; None when there will be none."""
        with asking("preview an invoice"):
            try:
                found = self._client.v1.invoices.create_preview(
                    {"customer": customer_ref, "subscription": subscription_ref}
                )
            except stripe.InvalidRequestError as error:
                if error.code == "invoice_upcoming_none" or is_missing(error):
                    return None
                raise
            due = found.next_payment_attempt or found.period_end
            return InvoicePreview(
                stripe_facts.money(found.total, found.currency),
                stripe_facts.instant(due) if due else None,
                tuple((line.description or "", line.amount) for line in found.lines.auto_paging_iter()),
            )

    def _subscription(self, found: stripe.Subscription, asked_at: datetime) -> SubscriptionFacts | None:
        # ``items`` of these objects is a field, not the method of dicts.
        items = [one for one in found["items"].data if not self._is_metered(one.price)]
        if not items:
            return None
        item = items[0]
        return SubscriptionFacts(
            found.id,
            str(stripe_facts.ref_of(found.customer)),
            stripe_facts.metadata_of(found, stripe_facts.expanded(found.customer)).get("account"),
            found.status,
            item.price.id,
            stripe_facts.instant(item.current_period_start),
            stripe_facts.instant(item.current_period_end),
            asked_at,
            ends_at_period_end=found.cancel_at_period_end,
            ended_at=stripe_facts.instant(found.ended_at) if found.ended_at else None,
            raw=stripe_facts.plain(found),
        )

    def _invoice(self, found: stripe.Invoice, asked_at: datetime) -> InvoiceFacts:
        # An invoice shows its first ten lines.
        lines = list(found.lines.auto_paging_iter() if found.lines.has_more else found.lines.data)
        priced = [(line, ref) for line in lines if (ref := _price_of(line)) is not None]
        metered = [line for line, ref in priced if self._is_metered_ref(ref)]
        licensed = [(line, ref) for line, ref in priced if not self._is_metered_ref(ref)]
        # What a change in the middle of a period gives back comes as a line of less than nothing.
        main, price_ref = max(licensed, key=lambda one: (not _is_share(one[0]), one[0].amount), default=(None, None))
        details = found.parent.subscription_details if found.parent else None
        paid_at = found.status_transitions.paid_at
        return InvoiceFacts(
            found.id,
            str(stripe_facts.ref_of(found.customer)),
            found.status == "paid",
            stripe_facts.money(found.total, found.currency),
            stripe_facts.instant(found.created),
            asked_at,
            subscription_ref=stripe_facts.ref_of(details.subscription) if details else None,
            price_ref=price_ref,
            period_start=stripe_facts.instant(main.period.start) if main else None,
            period_end=stripe_facts.instant(main.period.end) if main else None,
            paid_at=stripe_facts.instant(paid_at) if paid_at else None,
            payment_ref=_paid_by(found),
            metered_micro=sum(map(_quantity_micro, metered)),
            metered_cents=sum(line.amount for line in metered),
            raw=stripe_facts.plain(found),
        )

    def _is_metered(self, price: stripe.Price) -> bool:
        self._metered[price.id] = bool(price.recurring and price.recurring.usage_type == "metered")
        return self._metered[price.id]

    def _is_metered_ref(self, ref: str) -> bool:
        known = self._metered.get(ref)
        return self._is_metered(self._client.v1.prices.retrieve(ref)) if known is None else known

    def _invoice_ref(self, intent: stripe.PaymentIntent) -> str | None:
        """The invoice that a payment pays. What we began ourselves pays none."""
        if "payment" in stripe_facts.metadata_of(intent):
            return None
        found = self._client.v1.invoice_payments.list(
            {"payment": {"type": "payment_intent", "payment_intent": intent.id}, "limit": 1}
        )
        return next((stripe_facts.ref_of(one.invoice) for one in found.data), None)

    def _invoice_refs(self, since: datetime, until: datetime) -> dict[str, str]:
        """Of payments begun in [since, until), the invoices that they pay, by payment intent."""
        # Both are made when an invoice is finalised, however long it is tried to collect it.
        pages = self._client.v1.invoice_payments.list(
            {
                "created": {
                    "gte": int((since - timedelta(days=1)).timestamp()),
                    "lt": int((until + timedelta(days=1)).timestamp()),
                },
                "limit": PAGE,
            }
        )
        found: dict[str, str] = {}
        for one in pages.auto_paging_iter():
            intent, invoice = stripe_facts.ref_of(one.payment.payment_intent), stripe_facts.ref_of(one.invoice)
            if intent and invoice:
                found[intent] = invoice
        return found


def _move(one: stripe.CustomerBalanceTransaction) -> BalanceMove:
    return BalanceMove(
        one.id,
        stripe_facts.instant(one.created),
        stripe_facts.money(one.amount, one.currency),
        one.ending_balance,
        one.description or one.type.replace("_", " "),
        stripe_facts.metadata_of(one),
    )


def _price_of(line: stripe.InvoiceLineItem) -> str | None:
    details = line.pricing.price_details if line.pricing else None
    return stripe_facts.ref_of(details.price) if details else None


def _is_share(line: stripe.InvoiceLineItem) -> bool:
    """Whether a line is for a part of a period, because of a change in the middle of it."""
    details = line.parent.subscription_item_details if line.parent else None
    return bool(details and details.proration)


def _quantity_micro(line: stripe.InvoiceLineItem) -> int:
    quantity = line.quantity_decimal if line.quantity_decimal is not None else line.quantity or 0
    return int(Decimal(quantity) * MICRO)


def _paid_by(found: stripe.Invoice) -> str | None:
    payments: Iterable[stripe.InvoicePayment] = found.payments.data if found.payments else ()
    refs = (stripe_facts.ref_of(one.payment.payment_intent) for one in payments if one.status == "paid")
    return next((ref for ref in refs if ref), None)
