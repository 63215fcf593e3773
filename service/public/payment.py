"""The page of one payment, for who has its name: how far it has come. Customers come back to it from the checkout.

It says nothing beyond that payment. While something may still change it looks again by itself, and asks the provider at
most every few seconds, however many look.
"""

import logging
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ledger import GatewayError, Ledger, NotFound
from ledger.core.payments import PaymentState, Purpose
from ledger.gateways import registry
from ledger.selling.checkout import RETURN_PAGE, Sale, load_sale
from ledger.selling.follow import follow
from service.opened import Opens
from service.public.kit import Pages, not_found, page

# The provider is asked again about a payment no sooner.
ASK_EVERY = timedelta(seconds=3)
LOOK_AGAIN_SECONDS = 3
_ASKED_MAX = 10_000
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the way: what it is called, and when it was taken; ``is_bad``: the way ended here."""

    words: str
    at: datetime | None = None
    is_done: bool = False
    is_bad: bool = False


class PaymentPage(Pages):
    """Its one page."""

    def __init__(self, service: Opens) -> None:
        super().__init__(service)
        # When this process asked for which payment last.
        self._asked: dict[str, datetime] = {}
        self._lock = threading.Lock()

    def routes(self) -> list[Route]:
        """Addresses and what they answer."""
        return [Route(f"/{RETURN_PAGE}/{{payment}}", self._payment, methods=["GET"])]

    async def _payment(self, request: Request) -> Response:
        is_cancelled = request.query_params.get("cancelled") == "1"
        return await self.show(self._draw, request.path_params["payment"], is_cancelled)

    def _draw(self, ledger: Ledger, name: str, is_cancelled: bool) -> Response:
        try:
            sale = load_sale(ledger, name)
        except NotFound:
            return not_found(ledger)
        problem = ""
        if not sale.is_final and self._may_ask(name, ledger.clock.now()):
            try:
                follow(ledger, name)
            except GatewayError as error:
                _log.warning("%s cannot be followed for its page: %s", name, error)
                problem = "The payment provider does not answer at the moment. Nothing is lost; this page asks again."
            sale = load_sale(ledger, name)
        return _page(ledger, sale, is_cancelled=is_cancelled, problem=problem)

    def _may_ask(self, name: str, at: datetime) -> bool:
        with self._lock:
            last = self._asked.get(name)
            if last is not None and at - last < ASK_EVERY:
                return False
            if len(self._asked) >= _ASKED_MAX:
                self._asked.clear()
            self._asked[name] = at
            return True


def _page(ledger: Ledger, sale: Sale, *, is_cancelled: bool, problem: str) -> Response:
    title, words = _headline(sale)
    return page(
        ledger,
        "payment.html",
        title=title,
        words=words,
        sale=sale,
        steps=steps(sale),
        is_test=registry.gateway(ledger, sale.provider).is_test,
        is_cancelled=is_cancelled and sale.state in (PaymentState.CREATED, PaymentState.OPEN),
        problem=problem,
        look_again=0 if sale.is_final else LOOK_AGAIN_SECONDS,
    )


def steps(sale: Sale) -> list[Step]:
    """The way of a payment in words: created → paid → credited → receipt, or how it ended otherwise."""
    way = [Step("Created", sale.created_at, is_done=True)]
    if sale.paid_at is not None:
        way.append(Step("Paid", sale.paid_at, is_done=True))
    elif sale.state in (PaymentState.FAILED, PaymentState.EXPIRED):
        return [*way, Step("Not paid" if sale.state is PaymentState.FAILED else "Ended unpaid", is_bad=True)]
    else:
        way.append(Step("Paid"))
    if sale.state is PaymentState.BLOCKED:
        return [*way, Step("Looked at by a person before credits are given", is_bad=True)]
    is_credited = sale.state is PaymentState.CREDITED
    way.append(Step("Credits on the account", sale.credited_at, is_done=is_credited))
    receipt = f"Receipt no. {sale.transaction_id}" if sale.transaction_id is not None else "Receipt"
    return [*way, Step(receipt, is_done=is_credited)]


def _headline(sale: Sale) -> tuple[str, str]:
    match sale.state:
        case PaymentState.CREDITED if sale.total_cents is not None and sale.refunded_cents >= sale.total_cents:
            return "The payment was given back", "The money went back, and so did the credits."
        case PaymentState.CREDITED:
            return "Thank you, the credits are there", "They can be used at once. A receipt comes by e-mail."
        case PaymentState.BLOCKED:
            return "Paid, and being looked at", "Somebody decides whether the credits are given or the money goes back."
        case PaymentState.FAILED:
            return "The payment failed", "Nothing was charged. You can buy again."
        case PaymentState.EXPIRED:
            return "This checkout has ended", "Nothing was charged. You can buy again."
        case PaymentState.PROCESSING:
            return "The payment is being processed", "The bank takes its time. Credits come as soon as it says paid."
        case PaymentState.NEEDS_ACTION:
            return "Your bank asks for a confirmation", "Confirm the payment to get the credits."
        case _ if sale.purpose is Purpose.CHECKOUT:
            return "Waiting for the payment", "Credits come as soon as it is paid."
        case _:
            return "The payment is on its way", "Credits come as soon as it is paid."
