"""Customers whose names try something: every page is walked and none of it is live Markdown."""

import json
import re
from collections.abc import Callable
from html import unescape

from streamlit.testing.v1 import AppTest

from tests.pages.conftest import HOSTILE_NAMES, READ_PAGES, WRITE_PAGES, Pages, fill
from tests.pages.test_forms import confirm, field

# Elements whose text Streamlit reads as Markdown.
MARKDOWN = ("title", "header", "subheader", "markdown", "caption", "error", "warning", "info", "success")


def live_names(app: AppTest) -> list[str]:
    """Every Markdown text on the page in which one of the names stands as it was typed."""
    texts = [str(element.value) for kind in MARKDOWN for element in getattr(app, kind)]
    texts += [element.label for kind in ("button", "metric", "expander", "checkbox") for element in getattr(app, kind)]
    texts += [link.proto.label for link in app.get("page_link")]
    texts += [option for radio in app.radio for option in radio.options]
    texts += [str(table.value.to_dict()) for table in app.table]
    plain = re.compile("|".join(re.escape(name) for name in HOSTILE_NAMES if not name.startswith('"')))
    return [text for text in texts if plain.search(text)]


def test_no_page_draws_a_name_as_markdown(sqlite_url: str, make_pages: Callable[[str], Pages]) -> None:
    fill(sqlite_url, hostile=True)
    pages = make_pages(sqlite_url)
    for page in (*READ_PAGES, *WRITE_PAGES):
        app = pages.open(page)
        assert not app.exception, page
        assert live_names(app) == [], page
    for number in range(len(HOSTILE_NAMES)):
        app = pages.open("customers/customer.py", customer=f"cus_hostile_{number}")
        assert not app.exception
        assert live_names(app) == []


def test_charts_and_tables_show_labels_of_features_as_typed(
    sqlite_url: str, make_pages: Callable[[str], Pages]
) -> None:
    fill(sqlite_url, hostile=True)
    pages = make_pages(sqlite_url)
    views = [pages.open("finance/usage.py", period="last_90_days", feature=f"feature_{n}") for n in range(2)]
    views += [
        pages.open("customers/customer.py", customer=f"cus_hostile_{n}", tab="Usage", period="last_90_days")
        for n in range(2)
    ]
    for app in views:
        assert not app.exception
        assert live_names(app) == []
        traces = json.loads(app.get("plotly_chart")[0].proto.spec)["data"]
        # A figure reads its texts as HTML; unescaped once they are what somebody typed.
        drawn = [trace["name"] for trace in traces]
        assert not any("<" in name for name in drawn)
        assert "%{fullData.name}" in traces[0]["hovertemplate"]
        assert {unescape(name) for name in drawn} & set(HOSTILE_NAMES)
        assert set(app.dataframe[0].value["label"]) & set(HOSTILE_NAMES)
    assert {unescape(trace["name"]) for trace in json.loads(views[0].get("plotly_chart")[0].proto.spec)["data"]} >= set(
        HOSTILE_NAMES
    )


def test_forms_and_drawer_escape_names(sqlite_url: str, make_pages: Callable[[str], Pages]) -> None:
    fill(sqlite_url, hostile=True)
    pages = make_pages(sqlite_url)
    for number, name in enumerate(HOSTILE_NAMES):
        app = pages.open("credits/grants.py", customer=f"cus_hostile_{number}")
        field(app, "text_input", "Credits").input("50")
        field(app, "text_input", "Campaign").input(name)
        field(app, "selectbox", "Reason").select("goodwill")
        field(app, "text_input", "Note").input(f"a note about {name}").run()
        assert live_names(app) == []
        app = confirm(app)
        assert app.success
        assert live_names(app) == []
    assert live_names(pages.open("system/audit.py", entry="9")) == []
