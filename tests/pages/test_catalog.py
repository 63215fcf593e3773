"""Plans & catalogue, the cards of packages, and credits for some features: what people see and define."""

from datetime import timedelta

import pytest

from ledger import MICRO, CreditType, DefineBundle, IssueGrant, SetFeaturePrice
from ledger.seeds import seed_catalogue, seed_plans
from tests.kit.factories import ADMIN, REASON, fresh_key
from tests.pages.conftest import Pages
from tests.pages.test_forms import confirm, draft_key, errors, field, table_text

PAGE = "system/catalog.py"


@pytest.fixture
def shop(pages: Pages) -> Pages:
    """Everything that is for sale in the seeds, a bundle, a price that changes in ten days."""
    seed_catalogue(pages.ledger, actor=ADMIN)
    seed_plans(pages.ledger, actor=ADMIN)
    later = pages.ledger.clock.now() + timedelta(days=10)
    for command in (
        SetFeaturePrice("export", 12 * MICRO, "Data export", "export", later),
        DefineBundle("weeks", "Creative weeks", ("export", "image_generation"), 125_000, later),
    ):
        pages.ledger.execute(command, actor=ADMIN, key=fresh_key())
    return pages


def said(app) -> str:
    texts = [*app.markdown, *app.caption, *app.warning, *app.error]
    return " ".join(one.value for one in texts).replace("\\", "")


def cells(app) -> str:
    return " ".join(frame.value.to_string() for frame in app.dataframe)


def test_prices_show_what_comes_next(shop: Pages) -> None:
    shown = cells(shop.open(PAGE, who="max"))
    assert "AI analysis" in shown and "simple × 0.5, standard × 1, complex × 2" in shown
    assert "12 from" in shown


def test_packages_show_what_they_save(shop: Pages) -> None:
    shown = cells(shop.open(PAGE, view="packages"))
    for words in ("Professional", "$0.008", "20\u00a0%", "Holiday Bonus", "$0.0053", "47\u00a0%", "Small packs"):
        assert words in shown


def test_bundles_and_plans(shop: Pages) -> None:
    shown = cells(shop.open(PAGE, view="bundles"))
    assert "Creative weeks" in shown and "12.5\u00a0%" in shown and "Data export, Image generation" in shown
    app = shop.open(PAGE, view="plans")
    assert "5,000" in table_text(app) and "Enterprise" in table_text(app)


def test_the_calculator_says_cost_money_and_who_pays(shop: Pages) -> None:
    app = shop.open(
        PAGE, view="calculator", feature="export", quantity="100", complexity="complex", customer="cus_acme"
    )
    assert not app.exception
    # 100 × 15 × 2, less 12.5 %.
    assert "100 × Data export = 2,625 credits" in said(app)
    assert "less 12.5\u00a0% by a bundle, 375 credits saved" in said(app)
    assert "$26.25 in Starter" in said(app)
    assert "1,815 credits short: 810 available for this feature" in said(app)


def test_a_quantity_that_is_none_is_said(shop: Pages) -> None:
    app = shop.open(PAGE, view="calculator", quantity="many")
    assert "is not a number" in errors(app)


def test_only_an_admin_defines(shop: Pages) -> None:
    assert "New version" not in shop.open(PAGE, who="fiona").radio[0].options
    app = shop.open(PAGE, who="fiona", view="new")
    assert "Review" not in [button.label for button in app.button]


def test_a_new_price_shows_its_effect_on_last_month_and_keeps_the_complexities(shop: Pages) -> None:
    app = shop.open(PAGE, view="new")
    field(app, "selectbox", "Feature").select("export")
    field(app, "text_input", "Credits per unit").input("20").run()
    assert "simple × 0.5, standard × 1, complex × 2" in table_text(app).replace("\\", "")
    assert "Uses of" in table_text(app)
    field(app, "selectbox", "Reason").select("contract")
    field(app, "text_input", "Note").input("agreed with the board")
    app = confirm(app.run())
    assert "Price set. Entry" in app.success[0].value
    from_now = shop.open(PAGE)
    assert "20.0" in cells(from_now)


def test_a_package_is_defined_and_sold_from_its_card(shop: Pages) -> None:
    app = shop.open(PAGE, view="new", kind="package")
    field(app, "text_input", "Code").input("week")
    field(app, "text_input", "Name for people").input("Week <b>pack</b>")
    field(app, "text_input", "Credits").input("250")
    field(app, "text_input", "Price, EUR").input("2")
    field(app, "text_input", "Per customer").input("1")
    field(app, "selectbox", "Reason").select("campaign")
    field(app, "text_input", "Note").input("a pack for a week")
    app = confirm(app.run())
    assert "Package defined." in app.success[0].value
    app = shop.open("credits/top_ups.py", customer="cus_acme")
    next(button for button in app.button if button.key == "choose:week").click().run()
    field(app, "text_input", "Payment reference").input("INV-77")
    field(app, "selectbox", "Reason").select("payment")
    field(app, "text_input", "Note").input("bought from its card")
    app = confirm(app.run())
    receipt = shop.ledger.receipt(actor=ADMIN, key=draft_key(app))
    assert receipt is not None and receipt.new_batches[0].amount_micro == 250 * MICRO
    again = shop.open("credits/top_ups.py", customer="cus_acme")
    assert next(button for button in again.button if button.key == "choose:week").disabled


def test_a_plan_is_defined_with_its_rollover(shop: Pages) -> None:
    app = shop.open(PAGE, view="new", kind="plan")
    field(app, "text_input", "Code").input("year")
    field(app, "text_input", "Name for people").input("Yearly")
    field(app, "text_input", "Credits per period").input("1200")
    field(app, "text_input", "Price per period, EUR").input("96")
    field(app, "selectbox", "Billing period").select("12")
    field(app, "checkbox", "Unused allowance rolls over").check().run()
    assert not app.exception
    field(app, "text_input", "At most, credits").input("100")
    app.run()
    assert "1,200 credits each year for €96" in table_text(app).replace("\\", "")
    assert "at most 100 credits and 50 %, for 1 period" in table_text(app)
    app = confirm(app)
    assert "Plan defined." in app.success[0].value
    assert "Yearly" in str(shop.open(PAGE, view="plans").table[0].value.columns)


def test_the_cards_say_which_package_fits_and_why(shop: Pages) -> None:
    app = shop.open("credits/top_ups.py", customer="cus_acme")
    assert not app.exception
    # Ten credits a day for 90 days; 810 are there.
    assert "needed. Starter for $10.00 covers it." in said(app)


def test_scoped_credits_are_given_and_shown(shop: Pages) -> None:
    app = shop.open("credits/grants.py")
    field(app, "selectbox", "Customer").select("cus_acme")
    field(app, "text_input", "Credits").input("50")
    field(app, "multiselect", "Only for features").select("export")
    field(app, "selectbox", "Reason").select("goodwill")
    field(app, "text_input", "Note").input("to try the export")
    app = confirm(app.run())
    assert app.success
    page = shop.open("customers/customer.py", customer="cus_acme")
    assert "Of what is available: 50 only for Data export." in said(page)
    batches = shop.open("customers/customer.py", customer="cus_acme", tab="Batches")
    assert "Data export" in cells(batches)


def test_hostile_labels_are_shown_as_typed(shop: Pages) -> None:
    name = "![x](http://evil.invalid/x.png) **b**"
    shop.ledger.execute(SetFeaturePrice("evil", MICRO, name), actor=ADMIN, key="evil")
    command = IssueGrant("cus_acme", CreditType.REFERRAL, 5 * MICRO, REASON, features=("evil",))
    shop.ledger.execute(command, actor=ADMIN, key="evil-grant")
    for params in ({"view": "calculator", "feature": "evil"}, {"view": "new"}, {"view": "prices"}):
        app = shop.open(PAGE, **params)
        assert not app.exception
        assert not [one.value for one in (*app.markdown, *app.caption) if "![x](http:" in one.value]
    page = shop.open("customers/customer.py", customer="cus_acme")
    assert not [one.value for one in page.markdown if "![x](http:" in one.value]
