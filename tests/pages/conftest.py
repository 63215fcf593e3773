"""A small company for pages, with pleasant names and with names that try something, and the shell in AppTest."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from ledger import (
    MICRO,
    CreateReferralCode,
    CreditType,
    DefineReferralProgramme,
    JoinReferral,
    Ledger,
    Money,
    OpenLead,
    SetFeaturePrice,
    open_ledger,
)
from ledger.clock import FixedClock
from ledger.seeds import seed_plans
from ledger.settings import settings
from tests.kit import factories

SHELL = Path(__file__).parents[2] / "pages" / "shell.py"
# Path below pages/ and the permission-relevant kind of page.
READ_PAGES = (
    "overview.py",
    "finance/usage.py",
    "finance/forecasts.py",
    "customers/customers.py",
    "customers/customer.py",
    "customers/expiring.py",
    "customers/alerts.py",
    "customers/pools.py",
    "customers/referrals.py",
    "system/audit.py",
    "system/catalog.py",
    "system/settings.py",
)
WRITE_PAGES = ("credits/grants.py", "credits/bulk.py", "credits/top_ups.py", "credits/adjustments.py")
# Where account managers may ask for what admins do.
ASKED_PAGES = ("credits/grants.py", "credits/bulk.py", "credits/adjustments.py")
HOSTILE_NAMES = (
    "![x](http://evil.invalid/x.png)",
    "<script>alert(1)</script>",
    ":material/delete:",
    "$x$",
    '"quotes" & markup',
    "**bold** `code` :red[red] [link](http://evil.invalid) www.evil.invalid eve@evil.invalid",
)


def fill(url: str, *, hostile: bool = False) -> None:
    """Customers with credits of several types and a month of use, ending yesterday.

    ``hostile`` adds customers whose names try something, and gives each of them a feature of that name to use.
    """
    clock = FixedClock(datetime.now(UTC) - timedelta(days=40))
    ledger = open_ledger(url, clock=clock)
    factories.price_feature(ledger, "images", 2)
    names = ["Acme Robotics", "Blue Harbor"]
    accounts = ["cus_acme", "cus_blue"]
    features = ["images", "images"]
    if hostile:
        names += HOSTILE_NAMES
        accounts += [f"cus_hostile_{number}" for number in range(len(HOSTILE_NAMES))]
        features += [f"feature_{number}" for number in range(len(HOSTILE_NAMES))]
    for feature, label in zip(features[2:], names[2:], strict=True):
        command = SetFeaturePrice(feature, 2 * MICRO, label)
        ledger.execute(command, actor=factories.ADMIN, key=factories.fresh_key("price"))
    for account, name in zip(accounts, names, strict=True):
        factories.open_account(ledger, account, name=name, owner="max@example.com")
        factories.top_up(ledger, account, 1000, price=Money(9900, "EUR"), reference=f"{name[:100]} {account}")
        factories.grant(ledger, account, 200, credit_type=CreditType.PROMOTIONAL, campaign=name[:120])
    for _ in range(39):
        clock.advance(timedelta(days=1))
        for account, feature in zip(accounts, features, strict=True):
            factories.use(ledger, account, 5, feature=feature)
    ledger.database.dispose()


def fill_plans(url: str) -> None:
    """The four plans, cus_blue on one of them, and a referral that is held for review."""
    ledger = open_ledger(url)
    seed_plans(ledger, actor=factories.ADMIN)
    factories.start_plan(ledger, "cus_blue", plan="pro")
    with_referrals(ledger)
    ledger.database.dispose()


def with_referrals(ledger: Ledger) -> None:
    """A programme, a code of Acme, and a lead of the same house who came by it."""
    for command in (
        DefineReferralProgramme("friends", "Friends", 50 * MICRO, 20 * MICRO, cap=3),
        CreateReferralCode("cus_acme", "friends", "ACME"),
        OpenLead("cus_lead", "Lea", email="lea@cus_acme.example"),
        JoinReferral("ACME", "cus_lead"),
    ):
        factories.run(ledger, command)


@dataclass
class Pages:
    """The product on one database, drawn without a browser."""

    url: str
    ledger: Ledger

    def open(self, page: str = "overview.py", /, *, who: str = "ada", **params: str) -> AppTest:
        """A page as that person sees it: ada is admin, fiona finance, max an account manager."""
        app = AppTest.from_file(str(SHELL), default_timeout=30)
        app.query_params["as"] = who
        app.run()
        app.query_params["as"] = who
        for name, value in params.items():
            app.query_params[name] = value
        app.switch_page(page)
        return app.run()


@pytest.fixture
def make_pages(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Pages]]:
    """The pages on the database of that address, with a development identity."""
    opened = []

    def make(url: str) -> Pages:
        monkeypatch.setenv("DATABASE_URL", url)
        monkeypatch.setenv("DEV_IDENTITY", "true")
        settings.cache_clear()
        st.cache_data.clear()
        st.cache_resource.clear()
        ledger = open_ledger(url)
        opened.append(ledger)
        return Pages(url, ledger)

    yield make
    for ledger in opened:
        ledger.database.dispose()
    settings.cache_clear()
    st.cache_data.clear()
    st.cache_resource.clear()


@pytest.fixture
def pages(sqlite_url: str, make_pages: Callable[[str], Pages]) -> Pages:
    """The pages of a company with two customers."""
    fill(sqlite_url)
    return make_pages(sqlite_url)
