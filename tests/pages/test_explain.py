"""Explain: the parts of a balance on the customer's page, and what stands behind a debit in the drawer."""

from datetime import timedelta

from click.testing import CliRunner

from service.cli import main
from tests.pages.conftest import HOSTILE_NAMES, Pages, fill
from tests.pages.test_forms import field, table_text
from tests.pages.test_hostile_names import live_names


def test_a_balance_is_told_in_parts_for_today_and_for_a_day_before(pages: Pages) -> None:
    app = pages.open("customers/customer.py", customer="cus_acme", who="fiona")
    field(app, "button", "Why this balance?").click().run()
    assert not app.exception
    shown = table_text(app)
    for part in ("Purchases", "+1,000", "Grants", "+200", "Use", "−390", "**810**"):
        assert part in shown
    # A dialog is gone with the next run of the whole page, so it is opened again with the day chosen.
    day = field(app, "date_input", "Balance on").value - timedelta(days=10)
    for known in ("now", "then"):
        app = pages.open("customers/customer.py", customer="cus_acme", who="fiona")
        app.session_state["why-day"] = day
        app.session_state["why-known"] = known
        field(app, "button", "Why this balance?").click().run()
        assert not app.exception
        assert field(app, "radio", "Seen").value == known
        # Ten days with 10 credits of use less.
        assert "**910**" in table_text(app) or "**900**" in table_text(app)


def test_a_debit_tells_its_price_event_and_batch(pages: Pages) -> None:
    app = pages.open("system/audit.py", entry="20")
    words = " ".join(one.value for kind in ("markdown", "caption") for one in getattr(app, kind)).replace("\\", "")
    assert "5 image × 2 credits" in words or "5 call × 2 credits" in words
    assert "paid by batch" in words
    assert "Came from" in table_text(app)


def test_nothing_that_people_typed_is_live(sqlite_url, make_pages) -> None:
    fill(sqlite_url, hostile=True)
    pages = make_pages(sqlite_url)
    for number in range(len(HOSTILE_NAMES)):
        app = pages.open("customers/customer.py", customer=f"cus_hostile_{number}")
        field(app, "button", "Why this balance?").click().run()
        assert not app.exception
        assert live_names(app) == []
        # The last uses of all customers, one after the other.
        app = pages.open("system/audit.py", entry=str(60 + number))
        assert not app.exception
        assert live_names(app) == []


def test_the_command_line_tells_the_same(pages: Pages) -> None:
    said = CliRunner().invoke(main, ["explain", "cus_acme"])
    assert said.exit_code == 0, said.output
    assert "1000  purchases (1 entries)" in said.output
    assert "810  balance" in said.output
    said = CliRunner().invoke(main, ["explain", "cus_acme", "--transaction", "20"])
    other = CliRunner().invoke(main, ["explain", "cus_blue", "--transaction", "20"])
    assert {said.exit_code, other.exit_code} == {0, 1}
    assert "moved no credits of" in said.output + other.output
