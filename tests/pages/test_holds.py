"""Holds and give-back on the pages: what is reserved, letting it go, credits of a poor operation."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from streamlit.testing.v1 import AppTest

from ledger import MICRO, CreditType, Ledger, SetFeaturePrice, open_ledger
from ledger.clock import FixedClock
from ledger.models import batch
from tests.kit import factories
from tests.kit.holding import capture, place
from tests.operations.books import all_rows
from tests.pages.conftest import HOSTILE_NAMES, Pages
from tests.pages.test_corrections import links, say_why
from tests.pages.test_forms import confirm, errors, field, table_text

CUSTOMER = "customers/customer.py"
PAGE = "credits/adjustments.py"


def reserve(ledger: Ledger) -> None:
    """Three open holds of Acme, and one that was captured in part."""
    for reference, credits, hours in (("render-1", 30, 2.0), ("render-2", 20, None), ("render-3", 10, 50.0)):
        place(ledger, reference, credits, account="cus_acme", hours=hours)
    place(ledger, "render-4", 40, account="cus_acme")
    capture(ledger, "render-4", 25, account="cus_acme", event_id="call-1")


def tab(pages: Pages, *, who: str = "ada", account: str = "cus_acme") -> AppTest:
    return pages.open(CUSTOMER, who=who, customer=account, tab="Holds")


def said(app: AppTest) -> str:
    return " ".join(one.value for one in app.markdown)


def columns(app: AppTest) -> list[str]:
    (table,) = [frame for frame in app.dataframe if "reference" in frame.value.columns]
    return list(table.proto.column_order)


@pytest.mark.parametrize("who", ["ada", "fiona", "max"])
def test_open_holds_are_listed_with_age_and_time_out(pages: Pages, who: str) -> None:
    reserve(pages.ledger)
    app = tab(pages, who=who)
    assert not app.exception
    assert "**3 open holds**, 60 credits" in said(app)
    (table,) = [frame.value for frame in app.dataframe if "reference" in frame.value.columns]
    assert table["reference"].tolist() == ["render-1", "render-3", "render-2"]
    assert table["ends"].tolist()[2] == "Never"
    assert table["age"].tolist() == ["0 min"] * 3
    assert ("release" in columns(app)) == (who == "ada")


def test_a_customer_without_holds_is_told_what_they_are(pages: Pages) -> None:
    app = tab(pages)
    assert "No credits are held." in said(app)
    assert not app.exception


def test_a_timed_out_hold_is_not_listed(pages: Pages) -> None:
    earlier = open_ledger(pages.url, clock=FixedClock(pages.ledger.clock.now() - timedelta(hours=2)))
    place(earlier, "quick", 30, account="cus_acme", hours=1)
    earlier.database.dispose()
    assert "No credits are held." in said(tab(pages))


def test_a_hold_is_released_by_its_link(pages: Pages) -> None:
    reserve(pages.ledger)
    app = say_why(pages.open(PAGE, kind="hold", customer="cus_acme", hold="render-1"))
    assert "725 → 755" in table_text(app)
    app = confirm(app)
    assert "Done. Entry" in app.success[0].value
    states = {row["reference"]: row["state"] for row in all_rows(pages.ledger)["hold"]}
    assert states["render-1"] == "released"


def test_a_hold_is_extended_to_the_end_of_a_day(pages: Pages) -> None:
    reserve(pages.ledger)
    app = pages.open(PAGE, kind="hold", customer="cus_acme", hold="render-1")
    field(app, "radio", "With the hold").set_value("extend").run()
    before = next(row for row in all_rows(pages.ledger)["hold"] if row["reference"] == "render-1")
    app = confirm(say_why(app))
    after = next(row for row in all_rows(pages.ledger)["hold"] if row["reference"] == "render-1")
    assert after["expires_at"] > before["expires_at"]
    local = after["expires_at"].astimezone(pages.ledger.company_zone)
    assert (local.hour, local.minute) == (0, 0)


def test_a_use_is_given_back_in_part_and_then_all_that_is_left(pages: Pages) -> None:
    reserve(pages.ledger)
    app = pages.open(PAGE, kind="give_back", customer="cus_acme", event="call-1")
    assert "25 credits used" in " ".join(caption.value for caption in app.caption)
    field(app, "radio", "Give back").set_value("part").run()
    field(app, "text_input", "Credits to give back").input("26").run()
    assert "at most 25 credits can go back" in errors(app)
    field(app, "text_input", "Credits to give back").input("10").run()
    assert "725 → 735" in table_text(app)
    app = confirm(say_why(app))
    assert "Given back. Entry" in app.success[0].value
    again = pages.open(PAGE, kind="give_back", customer="cus_acme", event="call-1")
    assert "25 credits used, 10 given back before, 15 left" in " ".join(one.value for one in again.caption)
    assert "735 → 750" in table_text(again)


def test_credits_past_their_date_are_named_and_a_compensation_grant_is_offered(pages: Pages) -> None:
    ledger = pages.ledger
    factories.open_account(ledger, "cus_late", name="Late", zone="Europe/Berlin")
    factories.grant(ledger, "cus_late", 40, credit_type=CreditType.REFERRAL)
    factories.use(ledger, "cus_late", 10, event_id="call-9")
    now = ledger.clock.now()
    with ledger.database.engine.begin() as connection:
        # The pages have a real clock: the batch is made to have ended in the meantime.
        ended = sa.update(batch).where(batch.c.credit_type == CreditType.REFERRAL.value)
        connection.execute(ended.values(effective_at=now - timedelta(days=2), expires_at=now - timedelta(seconds=1)))
    app = pages.open(PAGE, kind="give_back", customer="cus_late", event="call-9")
    assert "20 of these credits are past their date and would expire again at once" in app.info[0].value
    assert "Expires again at once" in table_text(app)
    offer = links(app)["Issue compensation credits instead"]
    assert "customer=cus_late" in offer
    assert "type=compensation" in offer
    assert "amount=20" in offer
    grant = pages.open("credits/grants.py", customer="cus_late", type="compensation", amount="20")
    assert "0 → 20" in table_text(grant)


def test_an_unknown_use_is_said_beside_the_field(pages: Pages) -> None:
    app = pages.open(PAGE, kind="give_back", customer="cus_acme", event="nothing")
    assert "this customer has no use with that id" in errors(app).lower()


@pytest.mark.parametrize("who", ["max", "fiona"])
def test_others_may_neither_give_back_nor_release(pages: Pages, who: str) -> None:
    app = pages.open(PAGE, who=who)
    options = [option for radio in app.radio for option in radio.options]
    assert "Give back" not in options
    assert "Release or extend a hold" not in options


def test_names_that_try_something_stay_text(pages: Pages) -> None:
    ledger = pages.ledger
    for number, name in enumerate(HOSTILE_NAMES):
        ledger.execute(SetFeaturePrice(f"f{number}", MICRO, name), actor=factories.ADMIN, key=factories.fresh_key())
        place(ledger, name, 1, account="cus_acme", feature=f"f{number}", member=name)
        place(ledger, f"c{number}", 1, account="cus_acme", feature=f"f{number}", member=name)
        capture(ledger, f"c{number}", account="cus_acme", event_id=name)
    app = tab(pages)
    assert not app.exception
    for name in HOSTILE_NAMES:
        for app in (
            pages.open(PAGE, kind="give_back", customer="cus_acme", event=name),
            pages.open(PAGE, kind="hold", customer="cus_acme", hold=name),
        ):
            assert not app.exception
            shown = " ".join(one.value for one in (*app.markdown, *app.caption, *app.info))
            assert "![x](http" not in shown
            assert "<script>" not in shown
