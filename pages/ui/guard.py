"""The first statement of every page: who looks, may they, and what the page draws from."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import streamlit as st
from babel import Locale

from analytics import frames
from ledger import Actor, Ledger, NotPermitted, NotSetUp, Permission, Unavailable
from ledger.core.policy import ACT_WORDS, allows, may_ask, roles_with
from pages.ui import data, identity
from pages.ui.text import escape, reader_locale

T = TypeVar("T")
# Where the shell leaves the name of the page that it is about to run.
PAGE_TITLE = "page_title"


@dataclass(frozen=True, slots=True)
class Visit:
    """One person looking at one page: all that the page needs, all figures as of ``at``."""

    actor: Actor
    ledger: Ledger
    company: frames.Company
    moment: data.Moment
    locale: Locale

    @property
    def zone(self) -> ZoneInfo:
        """The company zone, in which days and months are cut and instants shown."""
        return self.company.zone

    @property
    def at(self) -> datetime:
        """The instant that the page's figures are true for."""
        return self.moment.at

    @property
    def today(self) -> date:
        """The company-zone day of `at`."""
        return self.moment.day

    def may(self, permission: Permission) -> bool:
        """Whether this person may do something: for buttons and links that would only lead to a refusal."""
        return allows(self.actor, permission)

    def may_start(self, permission: Permission) -> bool:
        """Whether this person may do something, or ask a second person to let it happen."""
        return allows(self.actor, permission) or may_ask(self.actor, permission)

    def ask(self, question: Callable[..., T], /, **wanted: Any) -> T:
        """The cached answer of a loader of analytics.frames; see `data.ask`."""
        return data.ask(self.ledger, self.moment, question, **wanted)

    def ask_now(self, question: Callable[..., T], /, **wanted: Any) -> T:
        """The uncached answer; see `data.ask_now`."""
        return data.ask_now(self.ledger, question, **wanted)

    def made(self, builder: Callable[..., T], /, **wanted: Any) -> T:
        """The cached result of a slow builder; see `data.made`."""
        return data.made(self.ledger, self.moment, builder, **wanted)

    def kept(self, name: str, build: Callable[[], T], /, *parts: Any) -> T:
        """Something costly to make, such as a figure, shared until the moment moves: see `data.kept`."""
        return data.kept(self.ledger, self.moment, name, build, *parts)


def guard(permission: Permission, *others: Permission) -> Visit:
    """Let the page go on when this person may do, or may ask for, one of the things it is for; or say why not and stop.

    What may only be asked for becomes a request in the review (pages/ui/review.py); looking is never asked for.
    """
    actor = identity.current()
    if actor is None:
        _title()
        identity.explain_missing()
        st.stop()
    try:
        opened = data.ledger()
        if not any(allows(actor, one) or may_ask(actor, one) for one in (permission, *others)):
            opened.require(actor, permission)
        return Visit(actor, opened, data.company_of(opened), data.moment_of(opened), reader_locale())
    except NotPermitted:
        _title()
        st.error(refusal_text(actor, permission), title="No permission", icon=":material/lock:")
        st.stop()
    except (Unavailable, NotSetUp) as error:
        _title()
        st.error(escape(error), title="The ledger cannot be reached", icon=":material/cloud_off:")
        st.button("Try again", icon=":material/refresh:")
        st.stop()


def _title() -> None:
    # A page that is refused has not drawn its own heading yet; the shell knows the name from the menu.
    st.title(st.session_state.get(PAGE_TITLE, "Credits"), anchor=False)


def refusal_text(actor: Actor, permission: Permission) -> str:
    """Who may do it instead, in the words of the policy."""
    ask = " or ".join(identity.ROLE_WORDS[role] for role in roles_with(permission))
    return (
        f"As {identity.ROLE_WORDS[actor.role]} you may not {ACT_WORDS[permission]}. "
        f"Ask a colleague with the role {ask}, or go on with the pages in the menu."
    )
