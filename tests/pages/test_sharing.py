"""Transfers and gifts, gift codes, and pools on their pages: for each role, empty and full, and with hostile names."""

import re

import pytest
from streamlit.testing.v1 import AppTest

from ledger import MICRO, Ledger, OpenPool, PoolMember, RecordUsage, SetPoolMembers, UsageEvent
from tests.kit.factories import ADMIN, fresh_key, grant
from tests.kit.sharing import issue_codes, open_sister, redeem, transfer
from tests.operations.books import all_rows
from tests.pages.conftest import HOSTILE_NAMES, Pages

GRANTS, POOLS, CORRECTIONS = "credits/grants.py", "customers/pools.py", "credits/adjustments.py"


def do(ledger: Ledger, command: object) -> None:
    ledger.execute(command, actor=ADMIN, key=fresh_key("act"))  # type: ignore[arg-type]


def with_pool(ledger: Ledger, name: str = "Lab") -> None:
    """A pool of the organisation of acme, with two members, credits, and some use."""
    do(ledger, OpenPool("lab", name, organisation="north", zone="Europe/Berlin"))
    members = (PoolMember("ana", name, 10 * MICRO, None, 40 * MICRO), PoolMember("ben", "", is_active=False))
    do(ledger, SetPoolMembers("lab", members))
    grant(ledger, "lab", 100)
    event = UsageEvent(fresh_key("e"), "images", ledger.clock.now(), 3 * MICRO, member="ana")
    do(ledger, RecordUsage("lab", event))


def words_of(app: AppTest) -> str:
    """Everything that is drawn as Markdown, in one text."""
    shown = [*app.markdown, *app.caption, *app.subheader, *app.title, *app.error, *app.warning, *app.success, *app.info]
    return "\n".join(str(one.value) for one in shown)


def put(app: AppTest, label: str, value: str) -> None:
    """Type into, or choose from, the field of that label."""
    for kind in (app.text_input, app.selectbox, app.radio):
        for one in kind:
            if one.label == label:
                one.set_value(value)
                return
    raise AssertionError(f"there is no field {label}")


def press(app: AppTest, label: str) -> AppTest:
    next(button for button in app.button if button.label.startswith(label)).click()
    return app.run()


@pytest.mark.parametrize("who", ["ada", "fiona", "max"])
@pytest.mark.parametrize("is_empty", [True, False], ids=["empty", "full"])
def test_everybody_reads_pools_and_admins_change_them(pages: Pages, who: str, is_empty: bool) -> None:
    if not is_empty:
        with_pool(pages.ledger)
    for view in ("members", "usage", "limits"):
        app = pages.open(POOLS, who=who, view=view)
        assert not app.exception
        assert not app.error
        labels = [one.label for one in app.expander]
        assert ("Open a pool" in labels) == (who == "ada")
        assert ("Change or add members" in labels) == (who == "ada" and view == "members" and not is_empty)
    text = words_of(app)
    assert ("No pool yet" in text) == is_empty
    if not is_empty:
        # Each use costs two credits: three uses of the pool are six.
        assert "94 credits available" in text


def test_who_would_be_stopped_is_said(pages: Pages) -> None:
    with_pool(pages.ledger)
    assert "Nobody** would have been stopped" in words_of(pages.open(POOLS, view="limits", try_hour="6"))
    assert "**1** of 1 would have been stopped" in words_of(pages.open(POOLS, view="limits", try_hour="5"))
    assert "Write whole credits" in words_of(pages.open(POOLS, view="limits", try_hour="five"))


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_names_of_pools_and_members_are_shown_as_typed(pages: Pages, name: str) -> None:
    with_pool(pages.ledger, name)
    for view in ("members", "usage", "limits"):
        app = pages.open(POOLS, view=view)
        assert not app.exception
        assert name not in words_of(app)


def test_a_pool_is_opened_by_its_form(pages: Pages) -> None:
    app = pages.open(POOLS)
    for label, value in {"Name": "Lab", "Account id": "lab", "Organisation": "north"}.items():
        put(app, label, value)
    app.run()
    assert not app.exception
    press(app, "Review")
    press(app, "Open the pool Lab")
    assert not app.exception
    (row,) = (row for row in all_rows(pages.ledger)["account"] if row["kind"] == "pool")
    assert (row["external_id"], row["organisation"]) == ("lab", "north")


@pytest.fixture
def sisters(pages: Pages) -> Pages:
    """A company with two customers more, who may exchange credits."""
    open_sister(pages.ledger, "acme")
    open_sister(pages.ledger, "bolt")
    grant(pages.ledger, "acme", 100)
    return pages


@pytest.mark.parametrize(
    ("kind", "more", "done"),
    [("transfer", {}, "Transfer 30 credits to Bolt"), ("gift", {"Message": "Thank you"}, "Give 30 credits to Bolt")],
)
def test_credits_move_with_both_sides_shown_before(sisters: Pages, kind: str, more: dict[str, str], done: str) -> None:
    app = sisters.open(CORRECTIONS, kind=kind, customer="acme", to="bolt", amount="30")
    for label, value in {"Reason": "contract", "Note": "moved in a test", **more}.items():
        put(app, label, value)
    app.run()
    assert not app.exception
    shown = app.table[0].value.to_string()
    assert "100 → 70" in shown
    assert re.search(r"Available to Bolt +0 → 30", shown)
    press(app, "Review")
    press(app, done)
    assert not app.exception
    assert [row["available_micro"] // MICRO for row in all_rows(sisters.ledger)["account"][-2:]] == [70, 30]


def test_credits_of_another_organisation_are_refused_with_what_to_do(sisters: Pages) -> None:
    app = sisters.open(CORRECTIONS, kind="transfer", customer="acme", to="cus_blue", amount="30")
    assert "same organisation" in words_of(app)


@pytest.mark.parametrize("who", ["ada", "max"])
def test_gift_codes_are_listed_and_acted_on(pages: Pages, who: str) -> None:
    app = pages.open(GRANTS, who=who, view="codes")
    assert not app.exception
    assert "No gift codes yet" in words_of(app)
    _, codes = issue_codes(pages.ledger, 3, label="Spring")
    redeem(pages.ledger, codes[0], "cus_acme")
    for act in ("issue", "redeem", "disable"):
        app = pages.open(GRANTS, who=who, view="codes", act=act)
        assert not app.exception
        assert not app.error
        assert "2 codes left, worth 100 credits" in words_of(app)
    options = next(one for one in app.radio if one.label == "What to do").options
    # A redemption cannot be asked for, so who may only ask is not offered it.
    assert ("Redeem for a customer" in options) == (who == "ada")


def test_codes_are_issued_and_shown_once(pages: Pages) -> None:
    app = pages.open(GRANTS, view="codes")
    fields = {"What for": "Fair", "Credits per code": "25", "Codes": "3", "Codes begin with": "fair"}
    for label, value in fields.items():
        put(app, label, value)
    put(app, "Reason", "campaign")
    put(app, "Note", "for the fair in June")
    app.run()
    assert not app.exception
    press(app, "Review")
    press(app, "Issue 3 codes of 25 credits")
    assert not app.exception
    listed = next(one.value for one in app.dataframe if "code" in one.value.columns)
    codes = listed["code"].tolist()
    assert len(codes) == 3
    assert all(code.startswith("FAIR-") for code in codes)
    assert redeem(pages.ledger, codes[1], "cus_acme").available_after_micro
    # Another session has nothing to show, and no table or draft keeps a code.
    draft = app.query_params["draft"]
    again = pages.open(GRANTS, view="codes", draft=draft[0] if isinstance(draft, list) else draft)
    assert "cannot be read again" in words_of(again)
    kept = str(all_rows(pages.ledger))
    assert not [code for code in codes if code in kept or code.replace("-", "") in kept]


def test_a_code_is_redeemed_for_a_customer_and_never_saved(pages: Pages) -> None:
    _, codes = issue_codes(pages.ledger, 1, credits=25)
    app = pages.open(GRANTS, view="codes", act="redeem")
    put(app, "Customer", "cus_acme")
    put(app, "Gift code", codes[0].lower())
    app.run()
    assert not app.exception
    kept = str(all_rows(pages.ledger)).upper()
    assert codes[0] not in kept
    press(app, "Review")
    press(app, "Redeem for Acme Robotics")
    assert not app.exception
    (row,) = all_rows(pages.ledger)["gift_code"]
    assert row["redeemed_at"] is not None


def test_history_of_both_sides_names_the_other(sisters: Pages) -> None:
    transfer(sisters.ledger, credits=30)
    for account, words in (("acme", "Transferred to bolt"), ("bolt", "Transferred by acme")):
        app = sisters.open("customers/customer.py", customer=account, tab="History")
        assert not app.exception
        assert words in app.dataframe[0].value["words"].tolist()


def test_a_pool_is_a_customer_like_any_other(pages: Pages) -> None:
    with_pool(pages.ledger)
    for page in ("customers/customers.py", "customers/expiring.py", "overview.py"):
        assert not pages.open(page).exception
    assert not pages.open("customers/customer.py", customer="lab").exception
