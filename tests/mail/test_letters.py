"""Every template, filled: compared with files that people read, and with what hostile people type.

`make goldens` writes the files in tests/mail/goldens anew; read the difference before committing it.
"""

import os
from html.parser import HTMLParser
from pathlib import Path

import pytest

from ledger.mail import SUBJECT_MAX_CHARS, TEMPLATES, Letter, LetterFault, render
from ledger.mail.catalogue import WHY

GOLDENS = Path(__file__).parent / "goldens"
HOSTILE = (
    '<script>alert(1)</script>\r\nBcc: eve@example.com\n{{ 7*191 }} "><img src=x> http://evil.example www.evil.example'
)


def filled(name: str, **other: object) -> Letter:
    """A template with its sample, or with other values for some variables."""
    return render(
        name, {**TEMPLATES[name].sample, **other}, company="Example Credits", public_url="https://credits.example/"
    )


def variants() -> list[tuple[str, str]]:
    """Each template for whom it is meant for, and what customers get also as the account manager gets it."""
    return [
        (name, audience)
        for name, template in TEMPLATES.items()
        for audience in dict.fromkeys(
            (template.audience, "owner") if template.audience == "customer" else (template.audience,)
        )
    ]


@pytest.mark.parametrize(("name", "audience"), variants(), ids="-".join)
def test_the_letter_reads_as_agreed(name: str, audience: str) -> None:
    letter = filled(name, audience=audience)
    written = {"txt": f"Subject: {letter.subject}\n\n{letter.text}", "html": letter.html}
    for ending, text in written.items():
        golden = GOLDENS / f"{name}.{audience}.{ending}"
        if os.environ.get("UPDATE_GOLDENS"):
            GOLDENS.mkdir(exist_ok=True)
            golden.write_text(text, encoding="utf-8")
        assert text == golden.read_text(encoding="utf-8"), f"{golden.name} differs; `make goldens` writes it anew"


def test_no_golden_is_left_of_a_template_that_went() -> None:
    known = {f"{name}.{audience}.{ending}" for name, audience in variants() for ending in ("txt", "html")}
    assert {path.name for path in GOLDENS.iterdir()} == known


@pytest.mark.parametrize("name", TEMPLATES)
def test_hostile_texts_stay_text(name: str) -> None:
    sample = TEMPLATES[name].sample
    days = {"month", "day", "first_day", "last_day", "renews_on", "before_on", "paid_on", "currency"}
    kept = {key for key in sample if key in days or key.endswith(("_at", "_link")) or key == "link"}
    letter = filled(
        name, **{key: HOSTILE for key, value in sample.items() if isinstance(value, str) and key not in kept}
    )
    assert "\n" not in letter.subject
    assert "\r" not in letter.subject
    assert len(letter.subject) <= SUBJECT_MAX_CHARS
    tags = Tags(letter.html)
    assert not tags.names & {"script", "img", "iframe", "object", "form", "input", "link"}
    assert tags.names == Tags(filled(name).html).names
    assert all(address.startswith("https://credits.example/") for address in tags.addresses)
    for text in (letter.text, letter.html):
        # Neither run as a template, nor made a link by the reader's program.
        assert "1337" not in text
        assert "http://evil" not in text
        assert "www.evil" not in text
    assert not any(line.startswith("Bcc:") for line in letter.text.splitlines())


class Tags(HTMLParser):
    """Which elements an HTML text has, and which addresses its links lead to."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.addresses: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.addresses += [value or "" for name, value in attrs if name in {"href", "src"}]
        assert not any(name.startswith("on") for name, _ in attrs)


@pytest.mark.parametrize(
    ("name", "changes", "says"),
    [
        ("no_such", {}, "there is no template 'no_such'; there are low_credit_balance,"),
        ("test_mail", {"sent_by": None, "colour": "red"}, "has colour; its variables are sent_at, sent_by"),
        ("test_mail", {"audience": "everybody"}, "audience is 'everybody'; it must be one of customer,"),
        ("low_credit_balance", {"top_up_link": "javascript:alert(1)"}, "is no web address"),
        ("low_credit_balance", {"top_up_link": "https://"}, "is no web address"),
        ("low_credit_balance", {"balance_micro": "1200"}, "credits must be an int of micro-credits, not str 1200"),
        ("low_credit_balance", {"balance_micro": 1.5}, "credits must be an int"),
        ("run_out_soon", {"before_on": "soon"}, "the template run_out_soon cannot be filled"),
        ("test_mail", {"sent_at": "2026-03-10T12:00:00"}, "has no time zone"),
        ("expiring_soon", {"batches": [{"credit_type": "purchased"}]}, "has no attribute"),
    ],
)
def test_what_cannot_be_filled_says_why(name: str, changes: dict[str, object], says: str) -> None:
    sample = TEMPLATES[name].sample if name in TEMPLATES else {}
    with pytest.raises(LetterFault, match=says):
        render(name, {**sample, **changes}, company="Example", public_url="https://credits.example")


def test_a_missing_variable_is_named() -> None:
    with pytest.raises(LetterFault, match="lacks sent_at; its variables are sent_at, sent_by"):
        render("test_mail", {"sent_by": "ada"}, company="Example", public_url="https://credits.example")


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_reader_of_every_mail_is_told_why(name: str) -> None:
    for audience in WHY:
        letter = filled(name, audience=audience)
        assert "You get this mail" in letter.text
        assert "You get this mail" in letter.html


def test_a_balance_of_which_nothing_can_be_said_says_so() -> None:
    letter = filled("low_credit_balance", runway="", runway_range="", top_up_link="")
    assert letter.subject == "1,200 credits left"
    assert "How long they last cannot be said yet" in letter.text
    assert "Top up" not in letter.text + letter.html


def test_the_operators_page_names_every_template() -> None:
    text = (Path(__file__).parents[2] / "docs/mail.md").read_text(encoding="utf-8")
    assert [name for name in TEMPLATES if f"`{name}`" not in text] == []
