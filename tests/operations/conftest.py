"""After every test of an operation the books must add up, whatever the test did to them."""

from collections.abc import Iterator

import pytest

from ledger import Ledger
from tests.operations.books import audit


@pytest.fixture(autouse=True)
def books_add_up(request: pytest.FixtureRequest) -> Iterator[None]:
    ledger: Ledger | None = request.getfixturevalue("ledger") if "ledger" in request.fixturenames else None
    yield
    if ledger is not None:
        assert audit(ledger) == []
