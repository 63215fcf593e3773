"""The box that leads to a customer, and the customers opened last."""

import pytest
import sqlalchemy as sa
from streamlit.testing.v1 import AppTest

from pages.ui import data, jump
from tests.kit.factories import open_account
from tests.pages.conftest import HOSTILE_NAMES, READ_PAGES, WRITE_PAGES, Pages
from tests.pages.test_forms import field
from tests.pages.test_hostile_names import live_names

CUSTOMER = "customers/customer.py"
BOX = "Go to a customer"


def type_in(app: AppTest, text: str) -> AppTest:
    return field(app, "text_input", BOX).input(text).run()


def offered(app: AppTest) -> list[tuple[str, str]]:
    """Label and query string of each link in the side bar."""
    return [(link.proto.label, link.proto.query_string) for link in app.sidebar.get("page_link")]


def names(app: AppTest) -> list[str]:
    return [label for label, _ in offered(app)]


def visit(app: AppTest, account: str) -> AppTest:
    app.query_params["customer"] = account
    return app.switch_page(CUSTOMER).run()


@pytest.mark.parametrize("who", ["ada", "fiona", "max"])
@pytest.mark.parametrize(("typed", "found"), [("acme", "cus_acme"), ("BLUE", "cus_blue"), ("cus_b", "cus_blue")])
def test_everybody_finds_a_customer_by_name_or_id(pages: Pages, who: str, typed: str, found: str) -> None:
    app = type_in(pages.open(who=who), typed)
    assert [query.split("&")[-1] for _, query in offered(app)] == [f"customer={found}"]


@pytest.mark.parametrize("page", [*READ_PAGES, *WRITE_PAGES])
def test_the_box_is_on_every_page_even_on_one_that_is_refused(pages: Pages, page: str) -> None:
    assert field(pages.open(page, who="fiona"), "text_input", BOX).value == ""


def test_nobody_found_is_said_so(pages: Pages) -> None:
    app = type_in(pages.open(), "nobody of this name")
    assert offered(app) == []
    assert any("No customer matches" in caption.value for caption in app.sidebar.caption)


def test_more_than_fit_are_cut_with_a_word(pages: Pages) -> None:
    for number in range(jump.MATCHES):
        open_account(pages.ledger, f"cus_many_{number}", name=f"Many {number}")
    assert names(type_in(pages.open(), "many")) == [f"Many {number}" for number in range(jump.MATCHES)]
    app = type_in(pages.open(), "cus")
    assert len(offered(app)) == jump.MATCHES
    assert any("type more" in caption.value for caption in app.sidebar.caption)


def test_the_ledger_is_asked_when_somebody_types_and_not_before(pages: Pages) -> None:
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if "lower(customer.name) LIKE" in statement:
            asked.append(statement)

    reader = data.ledger().database.reader
    sa.event.listen(reader, "before_cursor_execute", note)
    app = pages.open("system/audit.py").run()
    assert asked == []
    type_in(app, "acme").run()
    assert len(asked) == 1, "the same text is not asked twice"
    sa.event.remove(reader, "before_cursor_execute", note)


def test_who_arrives_finds_the_box_empty(pages: Pages) -> None:
    app = type_in(pages.open(), "acme")
    assert field(visit(app, "cus_acme"), "text_input", BOX).value == ""


def test_the_last_five_others_are_offered_newest_first(pages: Pages) -> None:
    for number in range(1, 6):
        open_account(pages.ledger, f"cus_{number}", name=f"Customer {number}")
    app = pages.open()
    assert names(app) == []
    for account in ("cus_acme", "cus_1", "cus_2", "cus_3", "cus_4", "cus_5", "cus_2"):
        app = visit(app, account)
    # The page shows customer 2 itself; of the others acme was opened first.
    assert names(app) == ["Customer 5", "Customer 4", "Customer 3", "Customer 1", r"Acme Robotics"]
    app.switch_page("finance/usage.py").run()
    assert names(app) == ["Customer 2", "Customer 5", "Customer 4", "Customer 3", "Customer 1"]


def test_each_person_has_their_own(pages: Pages) -> None:
    app = visit(pages.open(), "cus_acme")
    app.switch_page("overview.py").run()
    assert names(app) == ["Acme Robotics"]
    field(app, "selectbox", "Development identity").select("max").run()
    assert names(app) == []


def test_a_customer_that_does_not_exist_was_not_opened(pages: Pages) -> None:
    app = visit(pages.open(), "cus_nobody")
    app.switch_page("overview.py").run()
    assert names(app) == []


def test_names_in_box_and_list_are_text(pages: Pages) -> None:
    for number, name in enumerate(HOSTILE_NAMES[:5]):
        open_account(pages.ledger, f"cus_hostile_{number}", name=name)
    app = type_in(pages.open(), "hostile")
    assert len(offered(app)) == 5
    assert live_names(app) == []
    app = type_in(app, "")
    for number in range(5):
        app = visit(app, f"cus_hostile_{number}")
    assert len(offered(app)) == 4
    assert live_names(app) == []
