"""A customer's plan on its page, and the page of referrals: for each role, empty and full, and with hostile names."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from streamlit.testing.v1 import AppTest

from ledger import (
    MICRO,
    CancelPlan,
    CreateReferralCode,
    DefineReferralProgramme,
    JoinReferral,
    OpenLead,
    open_ledger,
)
from ledger.clock import FixedClock
from ledger.renewals import renew_due
from ledger.seeds import seed_plans
from tests.kit.factories import ADMIN, REASON, run, start_plan
from tests.operations.books import all_rows, audit
from tests.pages.conftest import HOSTILE_NAMES, Pages, fill, with_referrals

NOTE = "Agreed on the phone today"


def words(app: AppTest) -> str:
    """Everything that a person can read in plain text on the page."""
    parts = [*app.markdown, *app.caption, *app.error, *app.info, *app.success, *app.subheader]
    return "\n".join(str(part.value) for part in parts)


def plan_tab(pages: Pages, who: str = "ada", account: str = "cus_acme") -> AppTest:
    return pages.open("customers/customer.py", who=who, customer=account, tab="Plan")


def field(app: AppTest, kind: str, name: str):  # type: ignore[no-untyped-def]
    (found,) = [one for one in getattr(app, kind) if str(one.key).endswith(f":{name}")]
    return found


def confirm(app: AppTest) -> AppTest:
    """Review, then the one button of the dialog."""
    app.button(key="review").click().run()
    app.button(key="confirm").click().run()
    return app.run()


@pytest.mark.parametrize("who", ["ada", "fiona", "max"])
def test_everybody_sees_the_plan_and_only_admins_the_form(pages: Pages, who: str) -> None:
    seed_plans(pages.ledger, actor=ADMIN)
    assert "was never on a plan" in words(plan_tab(pages, who))
    start_plan(pages.ledger, "cus_acme", plan="pro")
    app = plan_tab(pages, who)
    assert not app.exception
    assert "On **Pro**: 500 credits a month" in words(app)
    assert "at most 250 credits and 50" in words(app)
    assert len(app.dataframe) == 1
    assert bool([one for one in app.button if one.key == "review"]) == (who == "ada")


def test_without_plans_nothing_can_be_started(pages: Pages) -> None:
    app = plan_tab(pages)
    assert "No plan is defined yet." in words(app)
    assert not app.exception


def test_an_admin_starts_upgrades_and_cancels_a_plan(pages: Pages) -> None:
    seed_plans(pages.ledger, actor=ADMIN)
    for what, plan in (("start", "basic"), ("change", "pro"), ("cancel", None)):
        app = plan_tab(pages)
        if what != "start":
            field(app, "radio", "what").set_value(what).run()
        if plan:
            field(app, "selectbox", "plan").set_value(plan).run()
        field(app, "selectbox", "reason").set_value("contract").run()
        field(app, "text_input", "note").set_value(NOTE).run()
        assert str(confirm(app).success[0].value).startswith("Plan ")
    kinds = [row["kind"] for row in all_rows(pages.ledger)["transaction"]][-3:]
    assert kinds == ["start_plan", "change_plan", "cancel_plan"]
    assert "It is cancelled and ends on" in words(plan_tab(pages))
    assert audit(pages.ledger) == []


def test_the_plan_stands_beside_the_next_one_with_what_it_would_have_cost(
    sqlite_url: str, make_pages: Callable[[str], Pages]
) -> None:
    fill(sqlite_url)
    then = open_ledger(sqlite_url, clock=FixedClock(datetime.now(UTC) - timedelta(days=36)))
    seed_plans(then, actor=ADMIN, currency="EUR")
    start_plan(then, "cus_acme")
    then.database.dispose()
    pages = make_pages(sqlite_url)
    app = plan_tab(pages, "fiona", "cus_acme")
    assert not app.exception
    shown = app.table[0].value
    assert list(shown.columns)[1:] == ["Basic, now", "Pro"]
    # Ten credits a day: more than the 100 of a month and less than 500. Credits were bought at 9.9 cents.
    assert "was used in the last period" in words(app)
    assert "**Pro** would have cost" in words(app)
    assert shown["Pro"].tolist()[-4:] == [r"€39\.99", "0", r"€0\.00", r"€39\.99"]
    start_plan(pages.ledger, "cus_blue")
    assert "is said once a whole period of this plan is over" in words(plan_tab(pages, "fiona", "cus_blue"))


def test_a_plan_that_ended_is_said(pages: Pages) -> None:
    seed_plans(pages.ledger, actor=ADMIN)
    start_plan(pages.ledger, "cus_acme")
    run(pages.ledger, CancelPlan("cus_acme", REASON))
    later = open_ledger(pages.url, clock=FixedClock(pages.ledger.clock.now() + timedelta(days=40)))
    renew_due(later)
    later.database.dispose()
    app = plan_tab(pages)
    assert not app.exception
    assert "This customer has no plan. The last one was **Basic**" in words(app)


@pytest.mark.parametrize("who", ["ada", "fiona", "max"])
def test_everybody_sees_referrals_and_only_admins_act(pages: Pages, who: str) -> None:
    app = pages.open("customers/referrals.py", who=who)
    assert "No referral programme yet." in words(app)
    with_referrals(pages.ledger)
    for view in ("referrals", "codes", "programmes"):
        app = pages.open("customers/referrals.py", who=who, view=view)
        assert not app.exception
        assert len(app.dataframe) == 1
    assert "both e" in words(app)
    assert [one.value for one in app.metric] == ["1", "1", "0", "0"]
    assert bool([one for one in app.button if one.key == "review"]) == (who == "ada")


@pytest.mark.parametrize(
    "act", ["join", "qualify", "release", "refuse", "invite", "code", "disable", "programme", "end"]
)
def test_every_form_is_drawn(pages: Pages, act: str) -> None:
    with_referrals(pages.ledger)
    app = pages.open("customers/referrals.py", act=act)
    assert not app.exception
    assert app.button(key="review")


def test_an_admin_releases_a_held_pair(pages: Pages) -> None:
    with_referrals(pages.ledger)
    (row,) = all_rows(pages.ledger)["referral"]
    assert row["held_because"]
    app = pages.open("customers/referrals.py", act="release", referral=str(row["id"]))
    field(app, "selectbox", "reason").set_value("other").run()
    field(app, "text_input", "note").set_value(NOTE).run()
    assert "Released." in str(confirm(app).success[0].value)
    (row,) = all_rows(pages.ledger)["referral"]
    assert (row["state"], row["held_because"]) == ("joined", "")


@pytest.mark.parametrize(
    ("act", "chosen", "done"),
    [("end", ("programme", "friends"), "Programme ended."), ("disable", ("code", "ACME"), "Code disabled.")],
)
def test_an_admin_ends_a_programme_and_disables_a_code(
    pages: Pages, act: str, chosen: tuple[str, str], done: str
) -> None:
    with_referrals(pages.ledger)
    app = pages.open("customers/referrals.py", act=act)
    field(app, "selectbox", chosen[0]).set_value(chosen[1]).run()
    field(app, "selectbox", "reason").set_value("campaign").run()
    field(app, "text_input", "note").set_value(NOTE).run()
    assert done in str(confirm(app).success[0].value)
    # Nobody can join any more, and the forms offer no code or programme that is over.
    again = pages.open("customers/referrals.py", act="join")
    assert field(again, "selectbox", "code").options == []
    if act == "end":
        assert field(pages.open("customers/referrals.py", act="end"), "selectbox", "programme").options == []


def test_hostile_names_are_shown_as_typed(sqlite_url: str, make_pages: Callable[[str], Pages]) -> None:
    fill(sqlite_url, hostile=True)
    pages = make_pages(sqlite_url)
    run(pages.ledger, DefineReferralProgramme("friends", HOSTILE_NAMES[0][:120], MICRO, MICRO))
    for number, name in enumerate(HOSTILE_NAMES):
        owner, joins = f"cus_hostile_{number}", f"cus_friend_{number}"
        run(pages.ledger, CreateReferralCode(owner, "friends", f"CODE-{number}"))
        run(pages.ledger, OpenLead(joins, name, email=f"lea@{owner}.example"))
        run(pages.ledger, JoinReferral(f"CODE-{number}", joins))
    app = pages.open("customers/referrals.py")
    assert not app.exception
    assert "](http" not in words(app)
    assert "<script>" not in words(app)
