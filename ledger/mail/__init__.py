"""Mails as people read them: a subject, a plain text and the same as HTML, filled from templates.

Rendering is pure: a template's name and plain JSON values in, a `Letter` out.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import jinja2

from ledger.mail import words
from ledger.mail.catalogue import TEMPLATES, WHY, Template

__all__ = ["TEMPLATES", "Letter", "LetterFault", "Template", "render"]

SUBJECT_MAX_CHARS = 150
_BLANKS = re.compile(r"\n{3,}")
_FOLDER = Path(__file__).parent / "templates"


class LetterFault(ValueError):
    """A mail cannot be written from what it was given: an unknown template, a missing or a wrong variable."""


@dataclass(frozen=True, slots=True)
class Letter:
    """What is sent: one line of subject, plain text, and the same as HTML."""

    subject: str
    text: str
    html: str


def render(
    template: str, variables: Mapping[str, Any], *, company: str, public_url: str, zone: ZoneInfo | None = None
) -> Letter:
    """Fill a template of that name. ``zone`` is the company's, for instants; UTC unless given.

    Everything typed by people is put on one line, or set apart where it has several, and escaped in the HTML. Raises
    LetterFault and says what is wrong with the variables.
    """
    found = TEMPLATES.get(template)
    if found is None:
        raise LetterFault(f"there is no template {template!r}; there are {', '.join(TEMPLATES)}")
    _check(found, variables)
    filled = {name: _clean(name, value, found.paragraphs) for name, value in variables.items()}
    audience = filled.setdefault("audience", found.audience)
    filled["is_customer"] = audience == "customer"
    filled |= {"company": words.one_line(company), "public_url": words.web_address(public_url).rstrip("/")}
    texts = _environment(zone or ZoneInfo("UTC"))
    try:
        subject = texts.from_string(found.subject).render(filled)
        # A colleague gets the same mail about many customers; a customer knows who it is.
        if not filled["is_customer"] and filled.get("customer", "") not in subject:
            subject = f"{subject}: {filled['customer']}"
        filled |= {"subject": _subject(subject), "why": texts.from_string(WHY[audience]).render(filled)}
        return Letter(
            filled["subject"],
            _BLANKS.sub("\n\n", texts.get_template(f"{template}.txt").render(filled)).strip() + "\n",
            texts.get_template(f"{template}.html").render(filled),
        )
    except (jinja2.TemplateError, TypeError, ValueError) as error:
        raise LetterFault(f"the template {template} cannot be filled: {error}") from error


def _check(template: Template, variables: Mapping[str, Any]) -> None:
    given = set(variables) - {"audience"}
    missing, unknown = template.variables - given, given - template.variables
    if missing or unknown:
        parts = [
            f"{what} {', '.join(sorted(names))}" for what, names in (("lacks", missing), ("has", unknown)) if names
        ]
        wanted = ", ".join(sorted(template.variables))
        raise LetterFault(f"the mail {template.name} {' and '.join(parts)}; its variables are {wanted}")
    if variables.get("audience", template.audience) not in WHY:
        raise LetterFault(f"audience is {variables['audience']!r}; it must be one of {', '.join(WHY)}")


def _clean(name: str, value: Any, paragraphs: frozenset[str]) -> Any:
    """The value with every text in it made harmless; a link is checked where it is drawn."""
    if isinstance(value, str):
        if name == "link" or name.endswith("_link"):
            return value
        return words.lines(value) if name in paragraphs else words.one_line(value)
    if isinstance(value, Mapping):
        return {key: _clean(key, inner, frozenset()) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(name, inner, frozenset()) for inner in value]
    return value


def _subject(text: str) -> str:
    line = words.one_line(text)
    return line if len(line) <= SUBJECT_MAX_CHARS else line[: SUBJECT_MAX_CHARS - 1].rstrip() + "…"


@cache
def _environment(zone: ZoneInfo) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=jinja2.select_autoescape(enabled_extensions=("html",), default_for_string=False),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "credits": words.credit_text,
        "money": words.money_text,
        "day": words.day_text,
        "instant": lambda at: words.instant_text(at, zone),
        "credit_type": words.type_text,
        "quote": words.quote,
        "web_address": words.web_address,
    }
    return environment
