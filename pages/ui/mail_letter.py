"""A mail as its reader gets it: subject, plain text, and the HTML in a frame that may run and load nothing."""

from collections.abc import Mapping
from html import escape as html_escape
from typing import Any

import streamlit as st

from ledger.mail import Letter, LetterFault, render
from ledger.settings import settings
from pages.ui.guard import Visit
from pages.ui.text import escape

_HEIGHT = 560
# The inner frame has no rights at all: no scripts, no forms, no address of ours. The policy holds for it, too, so
# nothing is fetched either. The outer one is Streamlit's, which runs scripts, and there are none in it.
_FRAME = (
    '<!doctype html><meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
    "style-src 'unsafe-inline'\">"
    "<style>body {{ margin: 0 }} iframe {{ border: 0; width: 100%; height: {height}px }}</style>"
    '<iframe sandbox title="{title}" srcdoc="{letter}"></iframe>'
)


def written(visit: Visit, template: str, variables: Mapping[str, Any]) -> Letter:
    """A mail as it would be written now. Raises LetterFault when its variables do not fill its template."""
    return render(template, variables, company=visit.company.name, public_url=settings().public_url, zone=visit.zone)


def draw(letter: Letter, *, key: str) -> None:
    """Subject, then one of the two bodies or the source of the HTML."""
    st.markdown(f"**Subject:** {escape(letter.subject)}")
    views = {"html": "As HTML", "text": "As plain text", "source": "Source of the HTML"}
    chosen = st.radio(
        "Show", list(views), key=f"{key}:view", format_func=views.__getitem__, horizontal=True, persist_state="session"
    )
    if chosen == "text":
        st.code(letter.text, language=None, wrap_lines=True)
    elif chosen == "source":
        st.code(letter.html, language="html", wrap_lines=True)
    else:
        st.iframe(framed(letter), height=_HEIGHT, alt=f"The mail {letter.subject!r} as HTML")
        st.caption("Shown without its links: they lead nowhere here. Colours follow the reader's system.")


def framed(letter: Letter) -> str:
    """The HTML of a letter inside a document in which it can do nothing."""
    return _FRAME.format(height=_HEIGHT - 8, title=html_escape(letter.subject), letter=html_escape(letter.html))


def draw_written(visit: Visit, template: str, variables: Mapping[str, Any], *, key: str) -> None:
    """`draw` of a mail that is written now, or why it cannot be."""
    try:
        letter = written(visit, template, variables)
    except LetterFault as error:
        st.error(escape(error), title="This mail cannot be written")
        return
    draw(letter, key=key)
