"""Every refusal of the ledger has a status and a title in the API."""

from ledger import errors
from service.api.errors import HTTP_PROBLEMS, LEDGER_PROBLEMS


def classes(base: type[errors.LedgerError]) -> set[type[errors.LedgerError]]:
    return {base}.union(*(classes(one) for one in base.__subclasses__()))


def test_every_error_class_has_a_status_and_a_title() -> None:
    assert {one.code for one in classes(errors.LedgerError)} == set(LEDGER_PROBLEMS)
    assert not set(LEDGER_PROBLEMS) & set(HTTP_PROBLEMS)
    assert all(400 <= status < 600 and title for status, title in (LEDGER_PROBLEMS | HTTP_PROBLEMS).values())
