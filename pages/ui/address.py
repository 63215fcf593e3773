"""View state in the address: filters, sort and page can be sent to a colleague, reloaded, and reached with Back.

Not ``bind="query-params"``: bound values were lost on a page switch and on browser Back (measured). Instead a widget
keeps its value in the session (``persist_state="session"``), a value that *changed in the address* is taken into the
session before the widget is drawn, and values other than the default are written back after it. The shell calls
`arrive` before the page and `leave` after it; between them each widget is drawn through one of the helpers below.
"""

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any, TypeVar

import streamlit as st

_STATE = "address"
# Kept by every page: who looks (development identity), and parts that travel with links inside the product.
PERSONAL = ("as",)
TRAVELLING = ("as", "period", "from", "to", "compare")
_ALL = "\u0000all"
T = TypeVar("T")


class _Arrival:
    """What this run knows of the address; kept in the session between runs."""

    def __init__(self) -> None:
        self.page: str | None = None
        self.held: dict[str, list[str]] = {}
        self.values: dict[str, Any] = {}
        self.changed: set[str] = set()
        self.claimed: set[str] = set()


def arrive(page: str) -> None:
    """Find out what of the address is news. Called by the shell, once per run, before the page is drawn.

    On the same page: parameters that differ from what the last run left there (Back, Forward, an edited address).
    On another page: all of them when there are any (a link), none when there are none (the menu).
    """
    state: _Arrival = st.session_state.setdefault(_STATE, _Arrival())
    found = {name: st.query_params.get_all(name) for name in st.query_params}
    # A click on a widget travels with the address as the browser had it, which may be one step behind: then the
    # widget is right and the address is not. Back and Forward never come together with a changed widget.
    touched = any(st.session_state.get(key) != value for key, value in state.values.items())
    if page != state.page:
        is_link = any(name not in PERSONAL for name in found)
        state.changed = {_ALL} if is_link else set()
    elif touched:
        state.changed = set()
    else:
        state.changed = {name for name in found.keys() | state.held.keys() if found.get(name) != state.held.get(name)}
        if state.changed:
            # A link to the page on show reaches the server, but the browser goes on showing the old address (measured):
            # tell it the new one. After Back it has it already, and nothing happens.
            st.query_params.update({})
    state.page = page
    state.claimed = set(PERSONAL)
    state.values = {}


def leave() -> None:
    """Drop parameters that no part of the page claimed and remember the rest. Called by the shell after the page."""
    state: _Arrival = st.session_state[_STATE]
    for name in [name for name in st.query_params if name not in state.claimed]:
        del st.query_params[name]
    state.held = {name: st.query_params.get_all(name) for name in st.query_params}


def keep(*names: str) -> None:
    """Claim parameters that the page reads itself, such as the customer shown, so that `leave` lets them stand."""
    st.session_state[_STATE].claimed.update(names)


def get(name: str) -> str | None:
    """A parameter that the page reads itself; claims it."""
    keep(name)
    return st.query_params.get(name)


def put(name: str, value: str | None) -> None:
    """Write a parameter, or remove it (None)."""
    keep(name)
    if value is None:
        if name in st.query_params:
            del st.query_params[name]
    elif st.query_params.get(name) != value:
        st.query_params[name] = value


def link(**params: str | int | None) -> dict[str, str]:
    """Query parameters for a link to another page: the given ones and those that travel (period, identity).

    >>> st.page_link("customers/customer.py", label="Open", query_params=address.link(customer="cus_acme"))
    """
    kept = {name: st.query_params[name] for name in TRAVELLING if name in st.query_params}
    return kept | {name: str(value) for name, value in params.items() if value is not None}


def select(
    name: str,
    label: str,
    options: Sequence[T],
    *,
    default: T,
    to_text: Callable[[T], str] = str,
    format_func: Callable[[T], str] = str,
    shared: bool = False,
    **widget: Any,
) -> T:
    """A select box whose choice is in the address under ``name``; ``to_text`` gives the word used there.

    ``shared`` keeps one choice for all pages (the period), otherwise each page has its own.
    """
    by_text = {to_text(option): option for option in options}
    key = _take(name, default, lambda texts: by_text[texts[0]], lambda value: value in options, shared)
    value = st.selectbox(label, options, format_func=format_func, key=key, persist_state="session", **widget)
    return _give(name, key, value, default, lambda chosen: [to_text(chosen)])


def radio(
    name: str,
    label: str,
    options: Sequence[T],
    *,
    default: T,
    to_text: Callable[[T], str] = str,
    format_func: Callable[[T], str] = str,
    shared: bool = False,
    **widget: Any,
) -> T:
    """A horizontal row of radio buttons whose choice is in the address."""
    by_text = {to_text(option): option for option in options}
    key = _take(name, default, lambda texts: by_text[texts[0]], lambda value: value in options, shared)
    options = list(options)
    value = st.radio(
        label, options, format_func=format_func, key=key, horizontal=True, persist_state="session", **widget
    )
    return _give(name, key, value, default, lambda chosen: [to_text(chosen)])


def multiselect(
    name: str,
    label: str,
    options: Sequence[T],
    *,
    to_text: Callable[[T], str] = str,
    format_func: Callable[[T], str] = str,
    **widget: Any,
) -> list[T]:
    """A multiple choice, none chosen by default; the address repeats the parameter once per choice."""
    by_text = {to_text(option): option for option in options}
    default: list[T] = []
    key = _take(
        name,
        default,
        lambda texts: [by_text[text] for text in texts],
        lambda values: all(value in options for value in values),
    )
    values = st.multiselect(label, options, format_func=format_func, key=key, persist_state="session", **widget)
    return _give(name, key, values, default, lambda chosen: [to_text(one) for one in chosen])


def text(name: str, label: str, *, default: str = "", max_chars: int = 200, **widget: Any) -> str:
    """A line of text, such as a search."""
    key = _take(name, default, lambda texts: texts[0], lambda value: len(value) <= max_chars)
    value = st.text_input(label, key=key, max_chars=max_chars, persist_state="session", **widget)
    return _give(name, key, value or "", default, lambda typed: [typed])


def day(
    name: str,
    label: str,
    *,
    default: date,
    earliest: date | None = None,
    latest: date | None = None,
    shared: bool = False,
    **widget: Any,
) -> date:
    """A calendar day, written in the address as ISO text."""

    def fits(value: date) -> bool:
        return (earliest is None or earliest <= value) and (latest is None or value <= latest)

    key = _take(name, default, lambda texts: date.fromisoformat(texts[0]), fits, shared)
    value = st.date_input(label, key=key, min_value=earliest, max_value=latest, persist_state="session", **widget)
    return _give(name, key, value, default, lambda chosen: [chosen.isoformat()])


def toggle(name: str, label: str, *, default: bool = False, **widget: Any) -> bool:
    """A switch; "yes" or "no" in the address."""
    key = _take(name, default, lambda texts: {"yes": True, "no": False}[texts[0]], lambda _: True)
    value = st.toggle(label, key=key, persist_state="session", **widget)
    return _give(name, key, value, default, lambda on: ["yes" if on else "no"])


def page_number(rows: int, *, per_page: int, name: str = "page", resets: Sequence[Any] = ()) -> int:
    """Page numbers under a list that the database cuts; answers the page shown, from 1. Nothing is drawn for one page.

    ``resets`` are the values of the filters: when one of them changes the list starts at page 1 again.
    """
    pages = max(1, -(-rows // per_page))
    key = _take(name, 1, lambda texts: int(texts[0]), lambda value: 1 <= value <= pages)
    seen = f"{key}:resets"
    known = st.session_state.get(seen)
    if known is not None and known != tuple(resets):
        st.session_state[key] = 1
    st.session_state[seen] = tuple(resets)
    if pages == 1:
        keep(name)
        put(name, None)
        return 1
    value = st.pagination(pages, key=key, persist_state="session")
    return _give(name, key, value, 1, lambda number: [str(number)])


def clear(*names: str) -> Callable[[], None]:
    """A callback that sets the named filters of this page, and shared ones, back to their defaults."""
    page = st.session_state[_STATE].page

    def _clear() -> None:
        for name in names:
            st.session_state.pop(f"{page}:{name}", None)
            st.session_state.pop(_key(name, shared=True), None)
            if name in st.query_params:
                del st.query_params[name]

    return _clear


def _key(name: str, shared: bool) -> str:
    return f"all:{name}" if shared else f"{st.session_state[_STATE].page}:{name}"


def _take(
    name: str, default: T, parse: Callable[[list[str]], T], is_valid: Callable[[T], bool], shared: bool = False
) -> str:
    state: _Arrival = st.session_state[_STATE]
    key = _key(name, shared)
    if name in state.changed or _ALL in state.changed:
        st.session_state[key] = default
        texts = st.query_params.get_all(name)
        if texts:
            try:
                value = parse(texts)
            except (KeyError, ValueError):
                value = default  # nonsense in an address means the default, without a word
            if is_valid(value):
                st.session_state[key] = value
    elif key not in st.session_state or not is_valid(st.session_state[key]):
        st.session_state[key] = default
    return key


def _give(name: str, key: str, value: T, default: T, to_texts: Callable[[T], list[str]]) -> T:
    state: _Arrival = st.session_state[_STATE]
    state.claimed.add(name)
    state.values[key] = value
    # The address was heard; a fragment that runs again alone must not hear it twice.
    state.changed.discard(name)
    if value == default:
        if name in st.query_params:
            del st.query_params[name]
    elif st.query_params.get_all(name) != (texts := to_texts(value)):
        st.query_params[name] = texts
    return value
