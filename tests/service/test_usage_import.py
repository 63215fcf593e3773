"""Usage files: rows judged one by one, and an import that can be repeated at any point."""

import gzip
from pathlib import Path

import pytest

from ledger import MICRO, Ledger
from service.usage_file import FileFault, RowFault, UsageRow, read_usage
from service.usage_import import import_usage
from tests.kit.factories import ADMIN, grant, open_account, price_feature

HEADER = "customer_id,day,feature,units\n"


def write(tmp_path: Path, text: str, name: str = "usage.csv") -> Path:
    path = tmp_path / name
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def ready(ledger: Ledger) -> Ledger:
    price_feature(ledger, "linux")
    for name in ("acme", "zeta"):
        open_account(ledger, name)
        grant(ledger, name, 100)
    return ledger


@pytest.mark.parametrize("name", ["usage.csv", "usage.csv.gz"])
def test_good_rows_become_events_with_ids_of_their_own(tmp_path: Path, name: str) -> None:
    path = write(
        tmp_path, HEADER + "acme,2026-03-01,linux,3\nacme,2026-03-01,linux,3\nacme,2026-03-02,linux,0.25\n", name
    )
    rows = list(read_usage(path))
    assert all(isinstance(row, UsageRow) for row in rows)
    events = [row.event for row in rows if isinstance(row, UsageRow)]
    assert [event.event_id for event in events] == ["2026-03-01|linux", "2026-03-01|linux|2", "2026-03-02|linux"]
    assert [event.quantity_micro for event in events] == [3 * MICRO, 3 * MICRO, MICRO // 4]
    assert [row.line for row in rows] == [2, 3, 4]


@pytest.mark.parametrize(
    ("row", "column", "value"),
    [
        (",2026-03-01,linux,3", "customer_id", ""),
        ("acme,2026-03-01,,3", "feature", ""),
        ("acme,2026-03-01,linux,three", "units", "three"),
        ("acme,2026-03-01,linux,-1", "units", "-1"),
        ("acme,2026-03-01,linux,nan", "units", "nan"),
        ("acme,2026-02-30,linux,1", "day", "2026-02-30"),
        ("acme,2026-03-01T12:00:00,linux,1", "day", "2026-03-01T12:00:00"),
        ("acme,2026-03-01", "feature", ""),
    ],
    ids=["no account", "no feature", "word", "negative", "not a number", "no such day", "no offset", "short row"],
)
def test_a_wrong_row_names_line_column_value_and_mend(tmp_path: Path, row: str, column: str, value: str) -> None:
    fault = next(read_usage(write(tmp_path, HEADER + row + "\n")))
    assert isinstance(fault, RowFault)
    assert (fault.line, fault.column, fault.value) == (2, column, value)
    assert len(fault.mend) > 10


def test_a_file_without_a_column_says_which_names_it_may_have(tmp_path: Path) -> None:
    with pytest.raises(FileFault, match="account or customer_id or customer"):
        list(read_usage(write(tmp_path, "who,day,feature,units\n")))


def test_a_file_that_is_no_text_is_refused_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "usage.csv"
    path.write_bytes(b"\xff\xfe\x00customer")
    with pytest.raises(FileFault, match="UTF-8"):
        list(read_usage(path))


def test_the_same_file_twice_books_nothing_twice(ready: Ledger, tmp_path: Path) -> None:
    path = write(tmp_path, HEADER + "acme,2026-03-01,linux,3\nzeta,2026-03-01,linux,4\nacme,2026-03-02,linux,5\n")
    first = import_usage(ready, path, actor=ADMIN)
    second = import_usage(ready, path, actor=ADMIN)
    assert (first.recorded, first.replayed) == (3, 0)
    assert (second.recorded, second.replayed) == (0, 3)
    assert first.rows == second.rows == 3


def test_rows_refused_for_lack_of_credits_are_recorded_when_the_file_comes_again(ready: Ledger, tmp_path: Path) -> None:
    path = write(tmp_path, HEADER + "acme,2026-03-01,linux,90\nacme,2026-03-02,linux,20\n")
    first = import_usage(ready, path, actor=ADMIN)
    assert (first.recorded, len(first.refused)) == (1, 1)
    assert "10 short" in first.refused[0][1]
    grant(ready, "acme", 50)
    second = import_usage(ready, path, actor=ADMIN)
    assert (second.recorded, second.replayed, second.refused) == (1, 1, [])


def test_an_unknown_customer_refuses_its_own_rows_only(ready: Ledger, tmp_path: Path) -> None:
    path = write(tmp_path, HEADER + "nobody,2026-03-01,linux,3\nacme,2026-03-01,linux,3\nacme,2026-03-01,sundial,3\n")
    report = import_usage(ready, path, actor=ADMIN)
    assert report.recorded == 1
    assert {row.line: reason for row, reason in report.refused} == {
        2: "There is no account 'nobody'.",
        4: "There is no price in force for feature 'sundial'.",
    }


def test_a_corrected_quantity_under_the_same_id_is_refused_with_the_reason(ready: Ledger, tmp_path: Path) -> None:
    import_usage(ready, write(tmp_path, HEADER + "acme,2026-03-01,linux,3\n"), actor=ADMIN)
    report = import_usage(ready, write(tmp_path, HEADER + "acme,2026-03-01,linux,4\n"), actor=ADMIN)
    assert report.recorded == 0
    assert "recorded before with other content" in report.refused[0][1]
