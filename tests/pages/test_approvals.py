"""The page Approvals: what waits for whom, the preview as things are now, deciding once, withdrawing, hostile texts."""

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from ledger import (
    MICRO,
    Actor,
    AdjustBalance,
    ApproveOverdraft,
    AskApproval,
    CreditType,
    IssueGrant,
    Reason,
    RefundPurchase,
    Role,
)
from tests.kit import factories
from tests.operations.books import all_rows
from tests.pages.conftest import HOSTILE_NAMES, Pages, fill
from tests.pages.test_forms import confirm, errors, field, table_text
from tests.pages.test_read_pages import said

ADA = Actor("ada@example.com", Role.ADMIN)
MAX = Actor("max@example.com", Role.ACCOUNT_MANAGER)
REASON = Reason("goodwill", "agreed with the customer on the phone", "SUP-1")
LARGE = IssueGrant("cus_acme", CreditType.COMPENSATION, 200_000 * MICRO, REASON)


def ask(pages: Pages, command=LARGE, *, actor: Actor = ADA) -> int:
    receipt = pages.ledger.execute(AskApproval(command), actor=actor, key=factories.fresh_key("ask"))
    assert receipt.approval_id is not None
    return receipt.approval_id


def open_request(pages: Pages, number: int, *, who: str = "bea") -> AppTest:
    return pages.open("credits/approvals.py", who=who, request=str(number))


def infos(app: AppTest) -> str:
    return " ".join(info.value for info in app.info)


def state(pages: Pages) -> str:
    return str(all_rows(pages.ledger)["approval"][-1]["state"])


def test_nothing_waits_at_first(pages: Pages) -> None:
    app = pages.open("credits/approvals.py")
    assert not app.exception
    assert "Nothing waits for your decision" in said(app)


def test_what_somebody_else_asked_waits_for_me_and_mine_waits_for_others(pages: Pages) -> None:
    number = ask(pages)
    mine = pages.open("credits/approvals.py", who="bea")
    assert "**1 request**" in said(mine)
    assert "Grant of 200,000 credits · Acme Robotics" in said(mine)
    assert "agreed with the customer on the phone" in said(mine)
    assert f"Open request {number}" in [link.proto.label for link in mine.get("page_link")]
    own = pages.open("credits/approvals.py", who="ada")
    assert "Nothing waits for your decision" in said(own)
    assert "**1 request**" in said(pages.open("credits/approvals.py", who="ada", view="asked"))


def test_a_request_is_approved_and_the_page_says_what_was_booked(pages: Pages) -> None:
    number = ask(pages)
    app = open_request(pages, number)
    assert "810 → 200,810" in table_text(app)
    assert "ada" in table_text(app)
    field(app, "text_input", "Note").input("checked with finance").run()
    app = confirm(app)
    assert not app.exception
    assert "Booked as entry" in app.success[0].value
    assert state(pages) == "approved"
    # Somebody who comes later is told.
    later = open_request(pages, number)
    assert "There is nothing left to decide" in infos(later)
    assert "checked with finance" in table_text(later)
    assert "**1 request**" in said(pages.open("credits/approvals.py", who="bea", view="decided"))


def test_a_request_is_refused_with_a_note(pages: Pages) -> None:
    app = open_request(pages, ask(pages))
    field(app, "radio", "Decision").set_value("refuse").run()
    assert "Will be refused" in table_text(app)
    field(app, "text_input", "Note").input("too much for this customer").run()
    app = confirm(app)
    assert state(pages) == "refused"
    assert "Refused by" in infos(app)
    assert len(all_rows(pages.ledger)["batch"]) == 4


def test_a_decision_needs_a_note(pages: Pages) -> None:
    app = open_request(pages, ask(pages))
    field(app, "button", "Review").click().run()
    assert "Note is needed" in errors(app)
    assert not [button for button in app.button if button.key == "confirm"]


def test_an_own_request_cannot_be_approved_only_withdrawn(pages: Pages) -> None:
    app = open_request(pages, ask(pages), who="ada")
    assert "another person has to decide" in infos(app)
    assert "810 → 200,810" in table_text(app)
    assert not [radio for radio in app.radio if radio.label == "Decision"]
    field(app, "text_input", "Note").input("asked by mistake").run()
    confirm(app)
    assert state(pages) == "withdrawn"


def test_what_changed_since_is_said(pages: Pages) -> None:
    number = ask(pages, AdjustBalance("cus_acme", -500 * MICRO, REASON))
    assert not open_request(pages, number).warning
    factories.use(pages.ledger, "cus_acme", 50)
    app = open_request(pages, number)
    assert "Changed since it was asked: available 810 → 710" in app.warning[0].value
    assert "710 → 210" in table_text(app)


def test_what_cannot_be_booked_any_more_is_said_and_can_be_refused(pages: Pages) -> None:
    number = ask(pages, AdjustBalance("cus_acme", -800 * MICRO, REASON))
    factories.use(pages.ledger, "cus_acme", 50)
    app = open_request(pages, number)
    assert "90 short" in errors(app)
    field(app, "text_input", "Note").input("no longer there").run()
    field(app, "button", "Review").click().run()
    assert not [button for button in app.button if button.key == "confirm"]
    field(app, "radio", "Decision").set_value("refuse").run()
    confirm(app)
    assert state(pages) == "refused"


def test_a_request_decided_meanwhile_is_not_decided_again(pages: Pages) -> None:
    number = ask(pages)
    app = open_request(pages, number)
    field(app, "text_input", "Note").input("looks right").run()
    field(app, "button", "Review").click().run()
    factories.decide(pages.ledger, number, approve=False)
    next(button for button in app.button if button.key == "confirm").click()
    app = app.run()
    assert "There is nothing left to decide" in infos(app)
    assert state(pages) == "refused"


def test_an_account_manager_sees_what_they_asked_and_nothing_else(pages: Pages) -> None:
    theirs, other = ask(pages, actor=MAX), ask(pages)
    app = pages.open("credits/approvals.py", who="max")
    assert "**1 request**" in said(app)
    assert "Mine to decide" not in [option for radio in app.radio for option in radio.options]
    assert "Unknown request" not in said(open_request(pages, theirs, who="max"))
    assert "that you may see" in errors(open_request(pages, other, who="max"))


def test_finance_is_told_whom_to_ask(pages: Pages) -> None:
    app = pages.open("credits/approvals.py", who="fiona")
    assert "Ask a colleague with the role admin" in app.error[0].value


@pytest.mark.parametrize("wanted", ["0", "99", "nonsense", "9" * 30])
def test_an_unknown_request_is_said_so(pages: Pages, wanted: str) -> None:
    app = pages.open("credits/approvals.py", request=wanted)
    assert not app.exception
    assert "no request of that number" in errors(app)


@pytest.mark.parametrize(
    "command",
    [
        LARGE,
        ApproveOverdraft("cus_acme", 50 * MICRO, None, REASON),
        RefundPurchase("cus_acme", 1, None, REASON),
        AdjustBalance("cus_acme", -MICRO, REASON, batch_id=1),
    ],
    ids=lambda command: type(command).__name__,
)
def test_every_kind_of_request_is_shown_with_its_fields(pages: Pages, command) -> None:
    app = open_request(pages, ask(pages, command))
    assert not app.exception and not app.error
    assert "Acme Robotics" in table_text(app)
    assert "SUP" in table_text(app)


def test_typed_texts_are_not_live(sqlite_url: str, make_pages: Callable[[str], Pages]) -> None:
    fill(sqlite_url, hostile=True)
    pages = make_pages(sqlite_url)
    for number, text in enumerate(HOSTILE_NAMES):
        command = IssueGrant(
            f"cus_hostile_{number}", CreditType.REFERRAL, MICRO, Reason("goodwill", f"{text} and more", text)
        )
        asked = ask(pages, command)
        for app in (open_request(pages, asked), pages.open("credits/approvals.py", who="bea")):
            assert not app.exception
            shown = said(app) + table_text(app)
            assert "![x](http:" not in shown and "<script>" not in shown and "**bold**" not in shown


def test_the_overview_counts_what_waits_for_me(pages: Pages) -> None:
    ask(pages)
    tiles = {metric.label: metric.value for metric in pages.open("overview.py", who="bea").metric}
    assert tiles["Approvals waiting for me"] == "1"
    assert {m.label: m.value for m in pages.open("overview.py", who="ada").metric}["Approvals waiting for me"] == "0"
    assert "Approvals waiting for me" not in [m.label for m in pages.open("overview.py", who="max").metric]
