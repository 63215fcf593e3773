"""Packages as products and prices of Stripe."""

from collections.abc import Iterator

import stripe

from ledger.core.amounts import Money
from ledger.gateways import stripe_facts
from ledger.gateways.provider import Product
from ledger.gateways.stripe_client import StripePart, asking

PAGE = 100


class StripeCatalog(StripePart):
    """The part of the gateway that lists and changes products."""

    def products(self) -> Iterator[Product]:
        """All products that sell credits by their metadata, those no longer sold included."""
        with asking("list products"):
            pages = self._client.v1.products.list({"limit": PAGE, "expand": ["data.default_price"]})
            for one in pages.auto_paging_iter():
                facts = stripe_facts.product_facts(one)
                if facts is not None:
                    yield facts

    def put_product(self, product: Product, *, key: str) -> Product:
        """Make a product, or change the one it names; a new price is a new price_ref."""
        with asking("change a product"):
            if product.product_ref is None:
                made = self._make_product(product, key)
            else:
                made = self._change_product(product, product.product_ref, key)
        facts = stripe_facts.product_facts(made)
        # What was just written has a price and our metadata.
        assert facts is not None
        return facts

    def _make_product(self, product: Product, key: str) -> stripe.Product:
        return self._client.v1.products.create(
            {
                "name": product.label,
                "active": product.is_active,
                "metadata": dict(product.metadata),
                "default_price_data": {
                    "currency": product.price.currency.lower(),
                    "unit_amount": product.price.cents,
                    "tax_behavior": "exclusive",
                },
                "expand": ["default_price"],
            },
            {"idempotency_key": f"product:{key}"},
        )

    def _change_product(self, product: Product, ref: str, key: str) -> stripe.Product:
        before = self._client.v1.products.retrieve(ref, {"expand": ["default_price"]})
        # The time of its last change is in the key: Stripe would answer a second change to the same state, after
        # somebody else's between the two, from memory.
        key = f"{key}:{before.updated}"
        price = stripe_facts.expanded(before.default_price)
        price_ref = price.id if price and _is_at(price, product.price) else self._new_price(product, ref, key)
        # Empty text takes a word out of the metadata.
        words = {name: "" for name in stripe_facts.metadata_of(before) if name not in product.metadata}
        changed = self._client.v1.products.update(
            ref,
            {
                "name": product.label,
                "active": product.is_active,
                "default_price": price_ref,
                "metadata": words | dict(product.metadata),
                "expand": ["default_price"],
            },
            {"idempotency_key": f"product:{key}"},
        )
        if price and price.id != price_ref and price.active:
            self._client.v1.prices.update(price.id, {"active": False}, {"idempotency_key": f"old price:{key}"})
        return changed

    def _new_price(self, product: Product, ref: str, key: str) -> str:
        made = self._client.v1.prices.create(
            {
                "product": ref,
                "currency": product.price.currency.lower(),
                "unit_amount": product.price.cents,
                "tax_behavior": "exclusive",
            },
            {"idempotency_key": f"price:{key}"},
        )
        return made.id


def _is_at(price: stripe.Price, money: Money) -> bool:
    is_same = price.unit_amount is not None and stripe_facts.money(price.unit_amount, price.currency) == money
    return is_same and price.active and price.type == "one_time"
