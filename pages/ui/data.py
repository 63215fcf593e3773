"""What pages read: one ledger per process and the only ``st.cache_data`` of the product.

All figures of a page are as of one instant, `Moment.at`. It moves when the books move (their head), when the day
changes, when somebody presses Refresh, and at the latest after five minutes; every cached answer is keyed by it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypeVar

import streamlit as st

from analytics import frames
from ledger import Ledger, ProviderNotSetUp, open_ledger
from ledger.core.payments import Provider
from ledger.gateways import registry
from ledger.settings import settings

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Moment:
    """The instant that every figure of a page is true for, its company-zone day, and how far the books went."""

    at: datetime
    day: date
    head: tuple[int, ...]


def ledger() -> Ledger:
    """The ledger of this process. Raises Unavailable when its database cannot be reached."""
    return _ledger(settings().database_url)


def company_of(opened: Ledger) -> frames.Company:
    """The company's name, zone, currency and fiscal year."""
    return _company(_address(opened), opened)


def takes_test_money(opened: Ledger) -> bool:
    """Whether purchases are paid at a real provider in its test mode; a demo company says so by itself."""
    try:
        provider = registry.selling(opened)
    except ProviderNotSetUp:
        return False
    return provider is not Provider.MOCK and _is_test(_address(opened), provider.value, opened)


def moment_of(opened: Ledger) -> Moment:
    """The instant at which this page's figures are taken; reads the head of the books, one tiny query."""
    with opened.database.reading() as connection:
        head = frames.load_head(connection)
    day = frames.today(opened.clock.now(), opened.company_zone)
    return Moment(_taken_at((_address(opened), head, day), opened), day, head)


def forget() -> None:
    """Ask everything anew on the next draw: the Refresh button."""
    _taken_at.clear()


def ask(opened: Ledger, moment: Moment, question: Callable[..., T], /, **wanted: Any) -> T:
    """The answer of a loader of analytics.frames, ``question(connection, **wanted)``, cached until the moment moves.

    ``wanted`` holds plain values, zones or frozen dataclasses. The answer is a copy that callers may change.
    """
    answer: T = _answer(_key(opened, moment, question, wanted), opened, question, wanted)
    return answer


def ask_now(opened: Ledger, question: Callable[..., T], /, **wanted: Any) -> T:
    """The same without a cache, for what must be true this very instant: a review before a write, a receipt."""
    with opened.database.reading() as connection:
        return question(connection, **wanted)


def made(opened: Ledger, moment: Moment, builder: Callable[..., T], /, **wanted: Any) -> T:
    """What a slow builder makes from ``(connection, **wanted)``, such as a figure.

    Kept apart from `ask` so that many small answers do not push the expensive ones out.
    """
    result: T = _made(_key(opened, moment, builder, wanted), opened, builder, wanted)
    return result


def kept(opened: Ledger, moment: Moment, name: str, build: Callable[[], T], /, *parts: Any) -> T:
    """What ``build`` makes, kept until the moment moves: for figures, whose making costs more than all the rest.

    ``parts`` name everything that the picture depends on besides the moment. The answer is shared by all readers and
    must not be changed.
    """
    result: T = _kept((_address(opened), name, repr(parts), moment.head, moment.at), build)
    return result


def _address(opened: Ledger) -> str:
    return str(opened.database.url)


def _key(opened: Ledger, moment: Moment, asked: Callable[..., Any], wanted: dict[str, Any]) -> tuple[Any, ...]:
    name = f"{asked.__module__}.{asked.__qualname__}"
    return _address(opened), name, repr(sorted(wanted.items())), moment.head, moment.at


@st.cache_resource(show_spinner=False)
def _ledger(url: str) -> Ledger:
    return open_ledger(url)


# Cached functions hash their arguments, save those that begin with an underscore: `key` is there to be hashed.
@st.cache_data(show_spinner=False, ttl="1h")
def _company(key: str, _opened: Ledger) -> frames.Company:  # noqa: ARG001
    with _opened.database.reading() as connection:
        return frames.load_company(connection)


@st.cache_data(show_spinner=False, ttl="1h")
def _is_test(key: str, provider: str, _opened: Ledger) -> bool:  # noqa: ARG001
    try:
        return registry.gateway(_opened, Provider(provider)).is_test
    except ProviderNotSetUp:
        return False


@st.cache_data(show_spinner=False, ttl="5m", max_entries=100)
def _taken_at(key: tuple[Any, ...], _opened: Ledger) -> datetime:  # noqa: ARG001
    return _opened.clock.now()


@st.cache_data(show_spinner=False, max_entries=2_000)
def _answer(
    key: tuple[Any, ...],  # noqa: ARG001
    _opened: Ledger,
    _question: Callable[..., Any],
    _wanted: dict[str, Any],
) -> Any:
    with _opened.database.reading() as connection:
        return _question(connection, **_wanted)


@st.cache_resource(show_spinner=False, max_entries=500)
def _kept(key: tuple[Any, ...], _build: Callable[[], Any]) -> Any:  # noqa: ARG001
    return _build()


@st.cache_data(show_spinner=False, max_entries=500)
def _made(
    key: tuple[Any, ...],  # noqa: ARG001
    _opened: Ledger,
    _builder: Callable[..., Any],
    _wanted: dict[str, Any],
) -> Any:
    with _opened.database.reading() as connection:
        return _builder(connection, **_wanted)
