"""View state in the address: round trip, menu, Back, nonsense."""

from typing import Any

from streamlit.testing.v1 import AppTest

from tests.pages.conftest import Pages
from tests.pages.test_forms import field

AUDIT = "system/audit.py"


def param(app: AppTest, name: str) -> Any:
    """A parameter as text, or None."""
    if name not in app.query_params:
        return None
    value = app.query_params[name]
    return value if isinstance(value, str) else value[0]


def test_a_link_sets_every_filter(pages: Pages) -> None:
    app = pages.open(AUDIT, q="acme", all="yes", sort="oldest", kind="grant", min="100")
    assert field(app, "text_input", "Search").value == "acme"
    assert field(app, "toggle", "All time").value is True
    assert field(app, "multiselect", "Kind").value == ["grant"]
    assert any("**1** transaction" in one.value for one in app.markdown)
    assert (param(app, "q"), param(app, "sort"), param(app, "min")) == ("acme", "oldest", "100")


def test_what_is_chosen_appears_in_the_address_and_defaults_do_not(pages: Pages) -> None:
    app = pages.open(AUDIT)
    assert set(app.query_params) <= {"as"}
    field(app, "text_input", "Search").input("blue").run()
    assert param(app, "q") == "blue"
    field(app, "text_input", "Search").input("").run()
    assert param(app, "q") is None


def test_nonsense_means_the_default(pages: Pages) -> None:
    app = pages.open(AUDIT, sort="sideways", period="yesteryear", page="many", kind="juggle", evil="1", all="perhaps")
    assert not app.exception
    assert not app.error
    assert set(app.query_params) <= {"as"}


def test_the_menu_brings_a_page_back_as_it_was_left(pages: Pages) -> None:
    app = pages.open(AUDIT)
    field(app, "text_input", "Search").input("blue").run()
    app.switch_page("credits/grants.py").run()
    for name in list(app.query_params):
        del app.query_params[name]
    app.switch_page(AUDIT).run()
    assert field(app, "text_input", "Search").value == "blue"
    assert param(app, "q") == "blue"


def test_back_on_the_same_page_takes_the_older_address(pages: Pages) -> None:
    app = pages.open(AUDIT)
    field(app, "text_input", "Search").input("blue").run()
    del app.query_params["q"]
    app.run()
    assert field(app, "text_input", "Search").value == ""


def test_a_period_goes_along_to_other_pages(pages: Pages) -> None:
    app = pages.open(AUDIT, period="last_90_days")
    field(app, "selectbox", "Period")
    app.switch_page("credits/grants.py").run()
    for name in list(app.query_params):
        del app.query_params[name]
    app.switch_page(AUDIT).run()
    assert param(app, "period") == "last_90_days"


def test_a_custom_period_is_two_days_in_the_address(pages: Pages) -> None:
    params = {"period": "custom", "from": "2026-01-05", "to": "2026-01-20"}
    app = pages.open(AUDIT, **params)
    assert {name: param(app, name) for name in params} == params
    assert any("Jan 5" in caption.value for caption in app.caption)


def test_a_changed_filter_starts_at_page_one(pages: Pages) -> None:
    app = pages.open(AUDIT, all="yes", page="2")
    assert param(app, "page") == "2"
    field(app, "multiselect", "Kind").select("usage").run()
    assert param(app, "page") is None


def test_clear_filters_shows_everything_again(pages: Pages) -> None:
    app = pages.open(AUDIT, q="nobody has this")
    assert any("No transaction matches" in one.value for one in app.markdown)
    field(app, "button", "Clear filters").click().run()
    assert field(app, "text_input", "Search").value == ""
    assert param(app, "q") is None


def test_an_entry_in_the_address_opens_the_drawer(pages: Pages) -> None:
    app = pages.open("credits/grants.py", entry="3")
    assert any("Issued → Available" in str(table.value.to_dict()) for table in app.table)
    assert param(app, "entry") == "3"


def test_an_entry_that_does_not_exist_is_said_so(pages: Pages) -> None:
    app = pages.open(AUDIT, entry="999999")
    assert any("no entry with this number" in info.value for info in app.info)


def test_an_entry_that_is_no_number_is_dropped(pages: Pages) -> None:
    app = pages.open(AUDIT, entry="<b>x")
    assert not app.exception
    assert param(app, "entry") is None
