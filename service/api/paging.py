"""Lists in pages: a cursor says where the page before ended, so that what is added meanwhile moves no page."""

import base64
import binascii
from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

from fastapi import Query
from pydantic import BaseModel

from ledger import Fault, InvalidCommand

T = TypeVar("T")
PAGE_MAX = 200
Limit = Annotated[int, Query(ge=1, le=PAGE_MAX, description="Rows of a page")]
Cursor = Annotated[str, Query(max_length=1_000, description="``next_cursor`` of the page before; empty: the first one")]
NEXT = "Give it as cursor to get the next page; null: this is the last one"
_MAX_ID = 2**63 - 1


def answering(model: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    """What an endpoint that reads answers, for ``responses``."""
    return {200: {"model": model}}


def cursor_after(text: str) -> str:
    """The cursor of the page behind a row that some text names."""
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def text_of(cursor: str) -> str:
    """What `cursor_after` was made of; empty for the first page. Raises InvalidCommand for what is no cursor."""
    try:
        return base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise _no_cursor() from None


def number_of(cursor: str) -> int | None:
    """The number that a cursor was made of; None for the first page. Raises InvalidCommand for what is no cursor."""
    text = text_of(cursor)
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:20]) <= _MAX_ID or len(text) > 19:
        raise _no_cursor()
    return int(text)


def cut(rows: Sequence[T], limit: int) -> tuple[Sequence[T], bool]:
    """The rows of a page, of one more that was asked for, and whether another page follows."""
    return rows[:limit], len(rows) > limit


def _no_cursor() -> InvalidCommand:
    return InvalidCommand([Fault("cursor", "is none that a page of this list gave as next_cursor")])
