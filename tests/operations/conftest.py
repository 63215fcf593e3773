"""After every test of an operation the books must add up, whatever the test did to them."""

import shutil
from collections.abc import Iterator

import pytest

from ledger import Ledger, OpenAccount, open_ledger
from ledger.clock import FixedClock
from ledger.rebuild import differences
from ledger.reconcile import reconcile
from tests.conftest import TEMPLATE
from tests.kit.factories import ADMIN, NOW, open_account, price_feature
from tests.kit.postgres import fresh_name
from tests.operations.books import audit


@pytest.fixture(autouse=True)
def books_add_up(request: pytest.FixtureRequest) -> Iterator[None]:
    ledger: Ledger | None = request.getfixturevalue("ledger") if "ledger" in request.fixturenames else None
    yield
    if ledger is not None:
        assert audit(ledger) == []
        # The product's own proof must not cry wolf either.
        with ledger.database.reader.connect() as connection:
            assert reconcile(connection).findings == ()
            is_sqlite = ledger.database.is_sqlite
            assert list(differences(connection.execute, is_sqlite=is_sqlite, zone=ledger.company_zone)) == []


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def untouched(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """Acme, core and a price, shared by tests of refusals: whoever uses it proves that nothing was written."""
    name = fresh_name()
    if request.param == "sqlite":
        path = tmp_path_factory.mktemp("untouched") / "credits.sqlite"
        shutil.copyfile(request.getfixturevalue("sqlite_template"), path)
        url = f"sqlite:///{path}"
    else:
        url = request.getfixturevalue("postgres_template").create(name, template=TEMPLATE)
    ledger = open_ledger(url, clock=FixedClock(NOW))
    open_account(ledger)
    ledger.execute(OpenAccount("core", "Core", stripe_id="cus_1"), actor=ADMIN, key="core")
    price_feature(ledger, effective_at=NOW)
    yield ledger
    ledger.database.dispose()
    if request.param == "postgresql":
        request.getfixturevalue("postgres_template").drop(name)
