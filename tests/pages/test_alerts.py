"""Alerts as people of each role see them: bell, inbox, rules with preview and rehearsal, a customer's own lines."""

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from ledger import MICRO, AlertKind, SetAlertRule
from ledger.alerts import rules_of
from service.alerts import find_alerts
from tests.kit import factories
from tests.pages.conftest import Pages, fill
from tests.pages.test_forms import confirm, errors, field, table_text
from tests.pages.test_hostile_names import live_names

PAGE = "customers/alerts.py"


@pytest.fixture
def low(pages: Pages) -> Pages:
    """cus_acme has nothing left, cus_blue a tenth."""
    factories.use(pages.ledger, "cus_acme", 405)
    factories.use(pages.ledger, "cus_blue", 350)
    find_alerts(pages.ledger)
    return pages


def bell(app: AppTest) -> str:
    (label,) = [link.proto.label for link in app.get("page_link") if "alert" in link.proto.label.lower()]
    return str(label)


def listed(app: AppTest) -> list[tuple[str, str]]:
    """Customer and kind of each row of the inbox."""
    frame = app.dataframe[0].value
    return list(zip(frame["name"], frame["kind_words"], strict=True))


def test_nothing_was_raised_yet(pages: Pages) -> None:
    app = pages.open(PAGE)
    assert bell(app) == "No alerts"
    assert any("No alert was raised yet" in text.value for text in app.markdown)


@pytest.mark.parametrize(
    ("who", "words"), [("ada", "2 alerts"), ("fiona", "2 alerts"), ("max", "2 alerts of mine")], ids=str
)
def test_every_role_sees_the_inbox_and_the_bell(low: Pages, who: str, words: str) -> None:
    app = low.open(PAGE, who=who)
    assert not app.exception
    assert bell(app) == words
    # The worst first.
    assert listed(app) == [("Acme Robotics", "Out of credits"), ("Blue Harbor", "Low balance")]


def test_filters_are_in_the_address(low: Pages) -> None:
    assert listed(low.open(PAGE, kind="low_balance")) == [("Blue Harbor", "Low balance")]
    assert listed(low.open(PAGE, severity="critical", owner="max@example.com", q="ACME")) == [
        ("Acme Robotics", "Out of credits")
    ]
    app = low.open(PAGE, state="done")
    assert any("No alert matches" in text.value for text in app.markdown)


def test_only_an_admin_changes_rules(low: Pages) -> None:
    for who in ("fiona", "max"):
        app = low.open(PAGE, who=who, tab="Rules")
        assert not app.exception
        assert any("changed by an admin" in text.value for text in app.caption)
        assert not [button for button in app.button if button.label == "Review"]


def test_a_rule_is_previewed_tried_and_set(low: Pages) -> None:
    app = low.open(PAGE, tab="Rules", rule="own_line", customer="cus_blue")
    field(app, "text_input", "At or below so many credits").input("1,000").run()
    assert "1,000 credits" in table_text(app)
    (test,) = [button for button in app.button if button.label.startswith("Test")]
    test.click().run()
    assert any("1 would tell now" in text.value for text in app.markdown)
    app = confirm(app)
    assert app.success, errors(app)
    with low.ledger.database.reading() as connection:
        (rule,) = (rules[AlertKind.OWN_LINE] for account, rules in rules_of(connection).items() if account)
    assert rule.threshold_micro == 1000 * MICRO
    app = low.open(PAGE, tab="Rules", rule="own_line", customer="cus_blue")
    assert field(app, "text_input", "At or below so many credits").value == "1,000"
    field(app, "radio", "Alerts of this kind").set_value("everybody").run()
    assert "As for everybody" in table_text(app)


def test_what_cannot_be_a_level_is_said_beside_the_field(low: Pages) -> None:
    app = low.open(PAGE, tab="Rules", rule="low_balance")
    assert field(app, "text_input", "Levels in per cent").value == "20, 10, 5"
    field(app, "text_input", "Levels in per cent").input("20, ten").run()
    assert "separated by commas" in errors(app)
    field(app, "text_input", "Levels in per cent").input("120").run()
    assert "1 to 99" in errors(app)


def test_a_customer_shows_its_lines(low: Pages) -> None:
    app = low.open("customers/customer.py", customer="cus_blue", tab="Alerts", who="max")
    assert not app.exception
    lines = next(frame.value for frame in app.dataframe if "when" in frame.value)
    said = dict(zip(lines["what"], lines["when"], strict=True))
    # Funded with 1,200; ten per cent told, five will.
    assert said["Low balance, 10 %"].startswith("Crossed")
    assert said["Low balance, 5 %"] == "At 60 credits or less"


def test_alerts_of_hostile_names_are_shown_as_typed(sqlite_url: str, make_pages: Callable[[str], Pages]) -> None:
    fill(sqlite_url, hostile=True)
    pages = make_pages(sqlite_url)
    for number in range(6):
        account = f"cus_hostile_{number}"
        factories.use(pages.ledger, account, 380, feature=f"feature_{number}")
        factories.run(pages.ledger, SetAlertRule(AlertKind.OWN_LINE, threshold_micro=MICRO, account=account))
    find_alerts(pages.ledger)
    views = [pages.open(PAGE), pages.open(PAGE, tab="E-mail log")]
    for number in (0, 5):
        account = f"cus_hostile_{number}"
        app = pages.open(PAGE, tab="Rules", rule="low_balance", customer=account)
        field(app, "text_input", "Levels in per cent").input("90").run()
        next(button for button in app.button if button.label.startswith("Test")).click().run()
        views += [app, pages.open("customers/customer.py", customer=account, tab="Alerts")]
    for app in views:
        assert not app.exception
        assert live_names(app) == []
