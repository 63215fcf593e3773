"""The checkout of the pretended provider, in a demo company only: choose a card that pays, or one that does not.

What happens here is told to the product the way a real provider would: by a signed message.
"""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ledger import Ledger, Money, ProviderNotSetUp, ProviderRefused
from ledger.gateways import registry
from ledger.gateways.mock import CARDS, GOOD_CARD, MockGateway
from ledger.gateways.provider import Progress
from ledger.selling.mock_delivery import deliver
from service.public.kit import Pages, form_of, not_found, page, to_other_page

_PATH = f"/{registry.MOCK_PAGES}"


class MockPages(Pages):
    """Its pages: where a card is chosen, and where a charge is confirmed."""

    def routes(self) -> list[Route]:
        """Addresses and what they answer."""
        return [
            Route(_PATH + "/confirm/{ref}", self._confirm, methods=["GET", "POST"]),
            Route(_PATH + "/{ref}", self._checkout, methods=["GET", "POST"]),
        ]

    async def _checkout(self, request: Request) -> Response:
        ref = request.path_params["ref"]
        if request.method != "POST":
            return await self.show(_draw_checkout, ref)
        sent = await form_of(request)
        return await self.show(_act, ref, str(sent.get("act", "")), str(sent.get("card", "")))

    async def _confirm(self, request: Request) -> Response:
        ref = request.path_params["ref"]
        if request.method != "POST":
            return await self.show(_draw_confirm, ref)
        sent = await form_of(request)
        return await self.show(_decide, ref, str(sent.get("act", "")))


def _mock(ledger: Ledger) -> MockGateway | None:
    try:
        return registry.mock(ledger)
    except ProviderNotSetUp:
        return None


def _draw_checkout(ledger: Ledger, ref: str, *, failure: str = "", card: str = GOOD_CARD) -> Response:
    mock = _mock(ledger)
    known = None if mock is None else mock.checkout_page(ref)
    if known is None:
        return not_found(ledger)
    offer = known["offer"]
    return page(
        ledger,
        "mock_checkout.html",
        title="Pay with a pretended card",
        is_test=True,
        state=known["state"],
        label=offer["label"],
        quantity=offer["quantity"],
        credits_micro=offer["credits_micro"],
        price=Money(offer["cents"], offer["currency"]),
        saves_card=known["saves_card"],
        back=known["success_url"] if known["state"] == "paid" else known["cancel_url"],
        cards=CARDS,
        chosen=card,
        failure=failure,
    )


def _act(ledger: Ledger, ref: str, act: str, card: str) -> Response:
    mock = _mock(ledger)
    known = None if mock is None else mock.checkout_page(ref)
    if mock is None or known is None:
        return not_found(ledger)
    if act != "pay":
        return to_other_page(known["cancel_url"])
    try:
        facts = mock.pay(ref, card)
    except ProviderRefused as error:
        return _draw_checkout(ledger, ref, failure=f"{error.detail[:1].upper()}{error.detail[1:]}.")
    deliver(ledger)
    if facts.progress is Progress.PAID:
        return to_other_page(known["success_url"])
    failure = f"The payment failed: {facts.failure or facts.progress.value}. Choose another card, or cancel."
    return _draw_checkout(ledger, ref, failure=failure, card=card)


def _draw_confirm(ledger: Ledger, ref: str) -> Response:
    mock = _mock(ledger)
    facts = None if mock is None else mock.look(payment_ref=ref)
    if facts is None:
        return not_found(ledger)
    return page(
        ledger,
        "mock_confirm.html",
        title="Confirm a payment",
        is_test=True,
        price=facts.total,
        progress=facts.progress.value,
        is_waiting=facts.progress is Progress.NEEDS_ACTION,
        failure=facts.failure,
    )


def _decide(ledger: Ledger, ref: str, act: str) -> Response:
    mock = _mock(ledger)
    facts = None if mock is None else mock.look(payment_ref=ref)
    if mock is None or facts is None:
        return not_found(ledger)
    # A payment that waits for nobody is left as it is: the page says how it ended.
    if facts.progress is Progress.NEEDS_ACTION:
        mock.confirm(ref, is_ok=act == "confirm")
        deliver(ledger)
    return to_other_page(f"{_PATH}/confirm/{ref}")
