"""The HTTP API under /api/v1: usage, holds, balances and what else product engineers call."""

from service.api.app import ApiFirst, create_api, standalone
from service.api.errors import API_PATH

__all__ = ["API_PATH", "ApiFirst", "create_api", "standalone"]
