"""What the pages that only read say: with figures, without any, filtered to nothing, asked for something unknown."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from streamlit.testing.v1 import AppTest

from analytics import frames, outlook
from service.forecasts import refresh
from tests.kit.factories import grant, open_account
from tests.pages.conftest import Pages

TABS = ("Overview", "Batches", "Usage", "History")


def said(app: AppTest) -> str:
    """Everything that stands on the page as text."""
    kinds = (app.title, app.subheader, app.markdown, app.caption, app.info, app.error)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


def tiles(app: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


def stored(pages: Pages) -> int:
    with pages.ledger.database.reader.connect() as connection:
        today = frames.today(pages.ledger.clock.now(), pages.ledger.company_zone)
        return len(frames.load_forecasts(connection, as_of=outlook.as_of(today)))


@pytest.fixture
def empty(sqlite_url: str, make_pages: Callable[[str], Pages]) -> Pages:
    return make_pages(sqlite_url)


def test_overview_shows_the_whole_of_what_is_outstanding(pages: Pages) -> None:
    app = pages.open("overview.py")
    # Two customers with 1,000 bought and 200 given, of which 39 days took 10 credits each.
    assert tiles(app)["Outstanding credits"] == "1,620"
    assert tiles(app)["Available now"] == "1,620"
    assert "unused at today's pace" in said(app)


def test_overview_without_forecasts_says_how_to_get_them_and_invents_none(pages: Pages) -> None:
    app = pages.open("overview.py")
    assert tiles(app)["Out within 14 days"] == "—"
    assert "2 of 2 customers have no forecast" in said(app)
    assert "service.cli forecast" in said(app)
    assert "service.cli forecast" not in said(pages.open("overview.py", who="fiona"))
    assert stored(pages) == 0


def test_overview_with_forecasts_names_who_runs_out(pages: Pages) -> None:
    refresh(pages.ledger, processes=1)
    app = pages.open("overview.py")
    assert tiles(app)["Out within 14 days"] == "0"
    assert "have no forecast" not in said(app)
    assert app.get("page_link")


def test_an_empty_company_gets_a_checklist_ticked_from_what_is_there(empty: Pages) -> None:
    for page in ("overview.py", "customers/customers.py", "finance/usage.py", "finance/forecasts.py"):
        text = said(empty.open(page))
        assert "A first customer – to do" in text, page
        assert "done" not in text, page


def test_customers_are_found_by_the_address_and_the_address_keeps_what_was_typed(pages: Pages) -> None:
    app = pages.open("customers/customers.py", q="blue", sort="name")
    assert "**1 customer · 810 credits available**" in said(app)
    assert app.dataframe[0].value["name"].tolist() == ["Blue Harbor"]
    assert app.query_params["q"] in ("blue", ["blue"])
    assert app.query_params["sort"] in ("name", ["name"])


def test_nonsense_in_the_address_means_the_defaults(pages: Pages) -> None:
    app = pages.open("customers/customers.py", sort="🙂", runway="soon", page="99", expiring="maybe")
    assert not app.exception and not app.error
    assert "**2 customers" in said(app)
    assert "sort" not in app.query_params


def test_a_filter_that_lets_nobody_through_says_which_one_and_can_be_cleared(pages: Pages) -> None:
    app = pages.open("customers/customers.py", q="nobody here")
    assert "No customer matches" in said(app) and "nobody here" in said(app)
    app = next(button for button in app.button if button.label == "Clear filters").click().run()
    assert "**2 customers" in said(app)


def test_customers_can_be_narrowed_to_those_without_use(pages: Pages) -> None:
    assert "No customer matches" in said(pages.open("customers/customers.py", idle="yes"))


def test_the_first_look_at_a_customer_makes_its_forecast_and_the_second_reads_it(pages: Pages) -> None:
    app = pages.open("customers/customer.py", customer="cus_acme")
    assert [status.label for status in app.status] == ["Forecast computed and stored"]
    assert "**810 credits available**, expected use 10 a day" in said(app)
    assert stored(pages) == 1
    again = pages.open("customers/customer.py", customer="cus_acme")
    assert not again.status
    assert stored(pages) == 1


@pytest.mark.parametrize("tab", TABS)
def test_only_the_open_tab_is_drawn(pages: Pages, tab: str) -> None:
    app = pages.open("customers/customer.py", customer="cus_acme", tab=tab)
    assert not app.exception
    assert ("Balance over time" in said(app)) == (tab == "Overview")
    assert ("In burn order." in said(app)) == (tab == "Batches")
    assert ("Most went to **images**" in said(app)) == (tab == "Usage")
    assert ("newest first" in said(app)) == (tab == "History")


def test_history_can_be_narrowed_to_one_kind(pages: Pages) -> None:
    app = pages.open("customers/customer.py", customer="cus_acme", tab="History", kind="grant")
    assert "**1 entry**" in said(app)
    app = pages.open("customers/customer.py", customer="cus_acme", tab="History", kind="adjust")
    assert "No entry matches" in said(app)


@pytest.mark.parametrize(("who", "acts"), [("ada", ["Top up", "Grant", "Adjust"]), ("fiona", []), ("max", ["Grant"])])
def test_acts_are_offered_to_those_who_may_do_or_ask(pages: Pages, who: str, acts: list[str]) -> None:
    app = pages.open("customers/customer.py", who=who, customer="cus_acme", tab="History")
    found = [link.proto.label for link in app.get("page_link")]
    assert [label for label in found if label in ("Top up", "Grant", "Adjust")] == acts


def test_an_unknown_customer_is_said_so_with_a_way_out(pages: Pages) -> None:
    app = pages.open("customers/customer.py", customer="cus_**nobody**")
    assert "There is no customer with the id" in app.error[0].value
    # The first is the bell.
    assert [link.proto.label for link in app.get("page_link")][1:] == ["All customers"]
    app = pages.open("customers/customer.py")
    assert not app.error
    assert "Choose a customer" in said(app)


def test_a_customer_without_credits_or_use_is_drawn_in_every_tab(pages: Pages) -> None:
    open_account(pages.ledger, "cus_new", name="New Customer")
    for tab in TABS:
        app = pages.open("customers/customer.py", customer="cus_new", tab=tab)
        assert not app.exception and not app.error, tab
    assert "No credits are available now" in said(app)


def test_expiring_says_what_will_be_wasted_and_filters_by_the_address(pages: Pages) -> None:
    assert "No credits end within 90 days." in said(pages.open("customers/expiring.py"))
    today = frames.today(pages.ledger.clock.now(), pages.ledger.company_zone)
    # At 10 a day no more than 410 of 500 are used in 40 days and what is left of today.
    grant(pages.ledger, "cus_acme", 500, expires_on=today + timedelta(days=40))
    app = pages.open("customers/expiring.py")
    assert "**500 credits of 1 customer end**; at today's pace" in said(app)
    assert app.dataframe[0].value["days_left"].tolist() == [40]
    assert "No batch matches" in said(pages.open("customers/expiring.py", within="14"))
    assert "**1 batch" in said(pages.open("customers/expiring.py", wasted="yes", type="promotional"))
    assert "No batch matches" in said(pages.open("customers/expiring.py", type="rollover"))


def test_usage_names_the_largest_feature_and_the_chosen_ones_customers(pages: Pages) -> None:
    app = pages.open("finance/usage.py", period="last_30_days", feature="images")
    assert tiles(app)["Active customers"] == "2"
    assert "Most went to **images**, 100\u00a0% of all use." in said(app)
    assert "Customers using images" in [heading.value for heading in app.subheader]
    assert app.query_params["feature"] in ("images", ["images"])


def test_usage_drops_a_feature_that_nobody_used(pages: Pages) -> None:
    app = pages.open("finance/usage.py", period="last_30_days", feature="teleport")
    assert not app.subheader
    assert "feature" not in app.query_params


def test_usage_without_any_in_the_period_says_when_the_first_was(pages: Pages) -> None:
    app = pages.open("finance/usage.py", period="custom", **{"from": "2020-01-01", "to": "2020-01-31"})
    assert "the first use was on" in said(app)
    app = next(button for button in app.button if button.label == "Clear filters").click().run()
    assert not app.exception


def test_forecasts_absent_are_said_so_present_ones_are_listed_with_one_chosen(pages: Pages) -> None:
    assert "No forecast has been computed yet." in said(pages.open("finance/forecasts.py"))
    refresh(pages.ledger, processes=1)
    app = pages.open("finance/forecasts.py", horizon="30", confidence="95", customer="cus_blue")
    assert "customers probably run out by" in said(app)
    assert "Balance ahead: Blue Harbor" in [heading.value for heading in app.subheader]
    assert app.query_params["horizon"] in ("30", ["30"])
    assert not app.status


def test_forecasts_of_another_day_are_shown_and_said_to_be_old(pages: Pages) -> None:
    refresh(pages.ledger, processes=1, accounts=["cus_acme"])
    assert "1 of 2 customers have no forecast" in said(pages.open("finance/forecasts.py"))


@pytest.mark.parametrize(
    ("who", "last"), [("ada", "Approvals waiting for me"), ("max", "My requests waiting"), ("fiona", "Findings open")]
)
def test_overview_has_six_tiles_of_which_the_last_is_the_readers_own_work(pages: Pages, who: str, last: str) -> None:
    app = pages.open("overview.py", who=who)
    assert not app.exception
    first_six = [metric.label for metric in app.metric][:6]
    assert first_six[4:] == ["Alerts open", last]
    assert tiles(app)[last] == "0"
