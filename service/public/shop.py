"""The shop behind a signed link: the packages for sale to one account; choosing one leads to the checkout."""

import secrets
from fractions import Fraction

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from analytics import frames
from ledger import Actor, GatewayError, Ledger, LedgerError, NotFound, Role, Scope, Unavailable
from ledger.core.packages import Package, cents_per_credit, in_force, saving_ppm
from ledger.core.pricing import PPM
from ledger.gateways import registry
from ledger.selling.checkout import return_page, sell
from ledger.selling.links import TOKEN_MAX_CHARS, holder_of
from service.public.kit import Pages, form_of, not_found, page, to_other_page

_ATTEMPT_CHARS = 32
CHOICES_PER_MINUTE = 12


class Shop(Pages):
    """Its one page."""

    def routes(self) -> list[Route]:
        """Addresses and what they answer."""
        return [Route("/buy/{token}", self._buy, methods=["GET", "POST"])]

    async def _buy(self, request: Request) -> Response:
        token = request.path_params["token"]
        if request.method != "POST":
            return await self.show(_draw, token)
        sent = await form_of(request)
        package, attempt = str(sent.get("package", "")), str(sent.get("attempt", ""))
        return await self.show(self._choose, token, package, attempt)

    def _choose(self, ledger: Ledger, token: str, package: str, attempt: str) -> Response:
        holder = holder_of(ledger, token) if len(token) <= TOKEN_MAX_CHARS else None
        if holder is None:
            return not_found(ledger)
        if len(attempt) != _ATTEMPT_CHARS or not attempt.isalnum() or not attempt.isascii():
            return _draw(ledger, token, problem="The form was incomplete; please choose again.", status=422)
        try:
            # Whoever has the link may click as fast as people do, not fill the provider with checkouts.
            self._service.limits.take(f"buy:{holder.account}", CHOICES_PER_MINUTE, whose="This link")
            sale = sell(ledger, holder.account, package, actor=buyer(holder.account), key=f"shop:{attempt}")
        except Unavailable:
            raise
        except GatewayError:
            problem = "The payment provider does not answer at the moment. Nothing was charged; please try again."
            return _draw(ledger, token, problem=problem, status=503)
        except LedgerError as error:
            return _draw(ledger, token, problem=str(error), status=409)
        return to_other_page(sale.url or return_page(sale.payment))


def buyer(account: str) -> Actor:
    """Who buys by a link: the customer, who may buy and nothing else."""
    return Actor(f"customer:{account}", Role.SERVICE, frozenset({Scope.PURCHASES_WRITE}))


def _draw(ledger: Ledger, token: str, *, problem: str = "", status: int = 200) -> Response:
    holder = holder_of(ledger, token) if len(token) <= TOKEN_MAX_CHARS else None
    if holder is None:
        return not_found(ledger)
    with ledger.database.reading() as connection:
        try:
            name = frames.load_customer(connection, account=holder.account).name
        except NotFound:
            name = holder.account  # a pool has no name of a customer
        packages = in_force(frames.load_packages(connection), ledger.clock.now())
        bought = frames.load_bought(connection, account=holder.account).get(holder.account)
    times = bought.times if bought else {}
    try:
        is_test = registry.gateway(ledger, registry.selling(ledger)).is_test
    except GatewayError:
        is_test, problem = False, "Nothing can be paid here at the moment. Please come back later."
    return page(
        ledger,
        "shop.html",
        status=status,
        title="Buy credits",
        is_test=is_test,
        name=name,
        account=holder.account,
        last_day=holder.last_day,
        offers=[_offer(one, packages, left=one.left_for(times.get(one.code, 0))) for one in packages],
        # Names the attempt: the button pressed twice is one purchase.
        attempt=secrets.token_hex(_ATTEMPT_CHARS // 2),
        problem=problem,
    )


def _offer(one: Package, packages: list[Package], *, left: int | None) -> dict[str, object]:
    others = [other for other in packages if other.price_list == one.price_list]
    return {
        "code": one.code,
        "label": one.label,
        "credits_micro": one.credits_micro,
        "price": one.price,
        "per_thousand": _per_thousand(one),
        "saving_pct": round(saving_ppm(one, others) * 100 / PPM),
        "left": left,
        "limit": one.per_customer_limit,
        "ends_at": one.ends_at,
    }


def _per_thousand(one: Package) -> object:
    cents: Fraction = cents_per_credit(one) * 1_000
    return type(one.price)(round(cents), one.price.currency)
