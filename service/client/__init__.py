"""The client of the HTTP API for Python products: charge, hold, ask; and `require_credits` around work that costs.

This folder stands alone: it needs Python and httpx2, and nothing else of this repository, so it can be copied.

    client = CreditsClient("https://credits.example", api_key)

    @require_credits(client, account=lambda job: job.customer, feature="video", amount=50, used=lambda film: film.cost)
    def render(job): ...

Everything that writes is named once and repeated under that name, so a lost answer never charges twice.
"""

from service.client.answers import Affordable, Balance, Estimate, Hold, Receipt
from service.client.calls import AsyncCreditsClient, CreditsClient
from service.client.errors import (
    Conflict,
    CreditsError,
    InsufficientCredits,
    InvalidRequest,
    LimitReached,
    NotAllowed,
    NotFound,
    Refused,
    TooManyRequests,
    Unreachable,
    Unsettled,
)
from service.client.guard import Spending, require_credits
from service.client.middleware import Charge, RequireCredits
from service.client.retries import Retries

__all__ = [
    "Affordable",
    "AsyncCreditsClient",
    "Balance",
    "Charge",
    "Conflict",
    "CreditsClient",
    "CreditsError",
    "Estimate",
    "Hold",
    "InsufficientCredits",
    "InvalidRequest",
    "LimitReached",
    "NotAllowed",
    "NotFound",
    "Receipt",
    "Refused",
    "RequireCredits",
    "Retries",
    "Spending",
    "TooManyRequests",
    "Unreachable",
    "Unsettled",
    "require_credits",
]
