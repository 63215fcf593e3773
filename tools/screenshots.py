"""Photograph every page in both themes into screenshots/, for a person to look at.

Without an address it makes a demo company in a database of its own, starts the product on it and stops it afterwards.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from playwright.sync_api import Browser

from ledger.models import account, transaction
from tests.kit.browser import Scheme, open_page, running_app, running_browser

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "screenshots"
PAGES = (
    "",
    "customers",
    "customer",
    "expiring",
    "alerts",
    "referrals",
    "usage",
    "forecasts",
    "grants",
    "top_ups",
    "adjustments",
    "audit",
)
TABS = ("Overview", "Batches", "Usage", "Plan", "History")
THEMES: tuple[Scheme, ...] = ("light", "dark")
# The picture on the README's first screen, as high as a laptop.
README_PICTURE = ROOT / "docs" / "images" / "overview.png"


def main() -> int:
    """Take the pictures; answers the exit code, a failure when a page shows an error."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", nargs="?", help="address of a running product; default: start one on demo data")
    parser.add_argument("--customer", help="account to show on the customer page; default: the busiest one")
    parser.add_argument("--readme", action="store_true", help="also renew the picture on the README's first screen")
    arguments = parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    with running_browser() as browser:
        if arguments.url is not None:
            return photograph(browser, arguments.url, customer=arguments.customer, readme=arguments.readme)
        with demo_product() as (url, busiest):
            customer = arguments.customer or busiest
            return photograph(browser, url, customer=customer, readme=arguments.readme)


def photograph(browser: Browser, url: str, *, customer: str | None, readme: bool) -> int:
    """Every page of the product at that address; answers how many of them show an error."""
    failed = 0
    for path in PAGES:
        if path == "customer":
            if customer is not None:
                views = [(f"customer_{tab.lower()}", f"customer?customer={customer}&tab={tab}") for tab in TABS]
            else:
                views = [("customer", "customer")]
        else:
            views = [(path or "overview", path)]
        for name, address in views:
            for scheme in THEMES:
                failed += _photograph_one(browser, f"{url.rstrip('/')}/{address}", name, scheme)
    if readme:
        README_PICTURE.parent.mkdir(parents=True, exist_ok=True)
        with open_page(browser, url, width=1280, height=900) as page:
            page.screenshot(path=README_PICTURE)
        print(f"{README_PICTURE.relative_to(ROOT)} renewed")
    return failed


def _photograph_one(browser: Browser, address: str, name: str, scheme: Scheme) -> int:
    target = FOLDER / f"{name}_{scheme}.png"
    with open_page(browser, address, scheme=scheme) as page:
        page.screenshot(path=target)
        errors = page.get_by_test_id("stException").count()
        said = [one for one in page.get_by_test_id("stAlertContentError").all_inner_texts() if one.strip()]
    remark = "" if not (errors or said) else f"  shows an error: {' / '.join(said) or 'see the log'}"
    print(f"{target.relative_to(ROOT)}{remark}", flush=True)
    return 1 if remark else 0


@contextmanager
def demo_product() -> Iterator[tuple[str, str]]:
    """The product on a fresh demo company, with the account that has most transactions."""
    with tempfile.TemporaryDirectory(prefix="credits-screenshots-") as folder:
        database_url = f"sqlite:///{folder}/demo.sqlite"
        environment = os.environ | {"DATABASE_URL": database_url}
        subprocess.run([sys.executable, "-m", "service.cli", "demo"], cwd=ROOT, env=environment, check=True)
        engine = sa.create_engine(database_url)
        with engine.connect() as connection:
            busiest = connection.execute(
                sa.select(account.c.external_id)
                .join(transaction, transaction.c.account_id == account.c.id)
                .group_by(account.c.external_id)
                .order_by(sa.func.count().desc(), account.c.external_id)
                .limit(1)
            ).scalar_one()
        engine.dispose()
        with running_app(database_url, log=FOLDER / "app.log") as app:
            yield app.url, busiest


if __name__ == "__main__":
    sys.exit(main())
