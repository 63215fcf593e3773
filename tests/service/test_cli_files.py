"""Files of grants and adjustments on the command line."""

from pathlib import Path

import pytest

from tests.service.test_cli import Cli, cli

__all__ = ["cli"]

HEADER = "customer,kind,type,credits,note\n"
GOOD = "acme,grant,promotional,40,for the spring\n"
WRONG = "acmee,grant,promotional,5,for the spring\n"
TOO_MUCH = "acme,adjust,,-500,taken by mistake\n"
NOTE = ("--note", "campaign of spring")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spring.csv"


def test_a_file_is_previewed_booked_once_and_undone(cli: Cli, path: Path) -> None:
    cli.funded()
    path.write_text(HEADER + GOOD + "acme,adjust,,-10,taken by mistake\n", encoding="utf-8")
    shown = cli("file", "book", str(path), *NOTE, "--preview").output
    assert "promotional: 40 credits" in shown
    assert "compensation: -10 credits" in shown
    assert "2 rows would be booked" in shown
    assert "available: 100" in cli("balance", "acme").output
    booked = cli("file", "book", str(path), *NOTE).output
    assert "2 rows booked" in booked
    assert "0 rows booked, 2 were booked before" in cli("file", "book", str(path), *NOTE).output
    assert "available: 130" in cli("balance", "acme").output
    number = booked.split("Transaction ")[1].strip(" .\n")
    assert "2 rows reversed" in cli("file", "undo", number, *NOTE).output
    assert "available: 100" in cli("balance", "acme").output


def test_wrong_and_refused_rows_come_back_and_keep_the_others_out_unless_asked(cli: Cli, path: Path) -> None:
    cli.funded()
    path.write_text(HEADER + GOOD + WRONG + TOO_MUCH, encoding="utf-8")
    wrong = path.with_name("wrong.csv")
    said = cli("file", "book", str(path), *NOTE, "--wrong", str(wrong), code=1).output
    assert "2 rows cannot be booked; nothing was booked" in said
    assert "line 4: acme has 140 credits available" in said
    back = wrong.read_text(encoding="utf-8-sig").splitlines()
    assert back[0].endswith(",problem")
    assert "nearest: acme" in back[1]
    assert "360 short" in back[2]
    assert "available: 100" in cli("balance", "acme").output
    assert "1 rows booked" in cli("file", "book", str(path), *NOTE, "--good-rows-only").output
    assert "available: 140" in cli("balance", "acme").output


def test_a_file_without_a_good_row_or_header_says_so(cli: Cli, path: Path) -> None:
    cli.funded()
    path.write_text(HEADER + WRONG, encoding="utf-8")
    assert "no row to book" in cli("file", "book", str(path), *NOTE, "--good-rows-only", code=1).output
    path.write_text("customer\nacme\n", encoding="utf-8")
    assert "column credits is missing" in cli("file", "book", str(path), *NOTE, code=1).output
