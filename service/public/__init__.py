"""What people and providers reach without signing in: webhooks, the shop behind a signed link, the page of a payment,
and the checkout of the pretended provider."""

from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from service.opened import Opened, Opens
from service.public.mock import MockPages
from service.public.payment import PaymentPage
from service.public.shop import Shop
from service.webhooks import Webhooks

# Below these the pages of people who sign in have nothing.
PATHS = ("/webhooks/", "/pay/", "/buy/")


def create_public(service: Opens) -> Starlette:
    """All of it, on the ledger of a service."""
    routes: list[Route] = []
    # The pages of the mock are below those of payments.
    for part in (Webhooks(service), MockPages(service), PaymentPage(service), Shop(service)):
        routes += part.routes()
    return Starlette(routes=routes)


def standalone() -> Starlette:
    """The same without the pages: `uvicorn --factory service.public:standalone`, for a machine that providers reach."""
    return create_public(Opened())


class PublicFirst:
    """Middleware that hands these addresses to their application before any layer that only pages need."""

    def __init__(self, app: ASGIApp, public: ASGIApp) -> None:
        self._app, self._public = app, public

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_public = scope["type"] == "http" and scope["path"].startswith(PATHS)
        await (self._public if is_public else self._app)(scope, receive, send)
