"""The CSV contract and what files are called."""

from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from pages.ui import parts

BERLIN = ZoneInfo("Europe/Berlin")


def lines(frame: pd.DataFrame) -> list[str]:
    content = parts.to_csv(frame, zone=BERLIN)
    assert content.startswith(b"\xef\xbb\xbf")
    assert content.endswith(b"\r\n")
    return content.decode("utf-8-sig").split("\r\n")[:-1]


def test_a_file_has_instants_with_offset_and_plain_numbers() -> None:
    frame = pd.DataFrame(
        {
            "booked_at": [datetime(2026, 6, 1, 22, 30, tzinfo=UTC)],
            "day": [date(2026, 6, 2)],
            "credits": [Decimal("-1200.5")],
            "customer": ['Müller, "Söhne"'],
            "missing": [None],
        }
    )
    assert lines(frame) == [
        "booked_at,day,credits,customer,missing",
        '2026-06-02T00:30:00+02:00,2026-06-02,-1200.5,"Müller, ""Söhne""",',
    ]


@pytest.mark.parametrize("typed", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"])
def test_typed_text_is_no_formula(typed: str) -> None:
    frame = pd.DataFrame({"note": [typed]})
    assert parts.to_csv(frame, zone=BERLIN).decode("utf-8-sig").split("\n", 1)[1].lstrip('"').startswith("'")


def test_credits_for_a_table_are_rounded_half_up_to_two_decimals() -> None:
    shown = parts.whole_credits(pd.Series([1_234_567, 5_000, -5_000, 0], dtype="int64"))
    assert shown.tolist() == [1.23, 0.01, -0.01, 0.0]
