"""The command line end to end: what it prints, what it refuses, and with which exit code."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ledger import errors
from ledger.settings import settings
from service.cli import main
from service.cli_kit import EXIT_CODES


@pytest.fixture
def cli(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator["Cli"]:
    monkeypatch.setenv("DATABASE_URL", database_url)
    settings.cache_clear()
    yield Cli()
    settings.cache_clear()


class Cli:
    def __call__(self, *words: str, code: int = 0) -> Result:
        result = CliRunner().invoke(main, list(words))
        assert result.exit_code == code, result.output
        return result

    def funded(self) -> None:
        """A customer with a hundred credits and a feature with a price."""
        self("account", "open", "acme", "Acme <Corp>", "--zone", "Europe/Berlin", "--key", "open")
        self("price", "linux", "1", "--from", "2020-01-01T00:00:00Z", "--key", "price")
        self("grant", "acme", "100", "--reason", "goodwill", "--note", "for the tests", "--key", "grant")


def test_every_class_of_error_has_an_exit_code() -> None:
    def classes(base: type[errors.LedgerError]) -> Iterator[type[errors.LedgerError]]:
        yield base
        for child in base.__subclasses__():
            yield from classes(child)

    assert {one.code for one in classes(errors.LedgerError)} == set(EXIT_CODES)
    assert 0 not in EXIT_CODES.values()


def test_a_customer_is_opened_funded_charged_and_shown(cli: Cli) -> None:
    cli.funded()
    charge = ("usage", "record", "acme", "linux", "2.5", "--event", "e1", "--at", "2026-03-01T12:00:00Z")
    assert "available 100 -> 97.5" in cli(*charge).output
    assert "replayed" in cli(*charge).output
    assert "available: 97.5" in cli("balance", "acme").output
    assert "promotional" in cli("batches", "acme").output
    assert "goodwill" in cli("history", "acme").output
    assert "97.5" in cli("account", "list").output


def test_an_event_without_a_time_is_replayed_and_one_with_other_content_refused(cli: Cli) -> None:
    cli.funded()
    assert "available 100 -> 99" in cli("usage", "record", "acme", "linux", "--event", "e1").output
    assert "replayed" in cli("usage", "record", "acme", "linux", "--event", "e1").output
    cli("usage", "record", "acme", "linux", "2", "--event", "e1", code=EXIT_CODES["key_reused"])
    assert "available: 99" in cli("balance", "acme").output


def test_a_customer_is_changed_where_something_is_said(cli: Cli) -> None:
    cli.funded()
    cli("account", "change", "acme", "--name", "Acme SE", "--tier", "pro")
    listed = cli("account", "list").output
    assert "Acme SE" in listed
    assert "pro" in listed
    assert "say what to change" in cli("account", "change", "acme", code=2).output
    cli("account", "change", "nobody", "--name", "Nobody", code=EXIT_CODES["not_found"])


def test_a_grant_begins_later_burns_first_and_tells_of_a_feature_without_a_price(cli: Cli) -> None:
    cli.funded()
    why = ("--reason", "goodwill", "--note", "for the tests")
    assert "100 -> 100" in cli("grant", "acme", "5", "--from", "2090-01-01T00:00:00Z", *why).output
    said = cli("grant", "acme", "7", "--priority", "-1", "--only-for", "linx", "--only-for", "linux", *why).output
    assert "Only holds can use credits for linx:" in said
    assert cli("batches", "acme").output.splitlines()[1].split()[:2] == ["1", "3"]


def test_the_same_key_is_answered_as_replayed(cli: Cli) -> None:
    cli.funded()
    words = ("top-up", "acme", "1000", "--cents", "1000", "--reference", "INV-1", "--key", "t1")
    assert "booked as transaction" in cli(*words).output
    assert "replayed" in cli(*words).output
    assert "available: 1100" in cli("balance", "acme").output


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("balance", "nobody"), 4, "nobody"),
        (("usage", "record", "acme", "linux", "1000"), 6, "900 short"),
        (("usage", "record", "acme", "sundial", "1"), 4, "sundial"),
        (("grant", "acme", "5", "--reason", "x", "--note", "short"), 2, "at least 10 characters"),
        (("grant", "acme", "five", "--reason", "x", "--note", "long enough"), 2, "not a number"),
        (("grant", "acme", "5", "--reason", "x", "--note", "long enough", "--expires", "soon"), 2, "not a day"),
        (("usage", "record", "acme", "linux", "1", "--at", "2026-01-01T00:00:00"), 2, "no offset"),
    ],
    ids=["unknown customer", "too little", "no price", "no reason", "amount", "day", "instant"],
)
def test_a_refusal_says_why_and_exits_with_the_code_of_its_class(
    cli: Cli, words: tuple[str, ...], code: int, says: str
) -> None:
    cli.funded()
    assert says in cli(*words, code=code).output
    assert "100" in cli("balance", "acme").output


def test_importing_tells_what_became_of_the_rows(cli: Cli, tmp_path: Path) -> None:
    cli.funded()
    path = tmp_path / "usage.csv.gz"
    path.write_bytes(gzip.compress(b"account,occurred_at,feature,quantity\nacme,2026-03-01,linux,3\nacme,x,linux,3\n"))
    wrong = tmp_path / "wrong.csv"
    result = cli("usage", "import", str(path), "--wrong-rows", str(wrong), code=1)
    assert "1 recorded" in result.output
    assert "line 3, column occurred_at: 'x'" in result.output
    assert wrong.read_text().splitlines()[0] == "line,column,value,problem"
    assert wrong.read_text().count("\n") == 2


def test_the_doctor_finds_nothing_in_a_healthy_database(cli: Cli) -> None:
    cli.funded()
    output = cli("doctor").output
    assert "invariants over 1 accounts" in output
    assert "WRONG" not in output


def test_the_doctor_says_what_to_do_about_a_database_that_was_never_migrated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/empty.sqlite")
    settings.cache_clear()
    result = CliRunner().invoke(main, ["doctor"])
    settings.cache_clear()
    assert result.exit_code == 1
    assert "service.cli migrate" in result.output


def test_a_gzip_file_that_is_cut_off_is_said_and_books_nothing(cli: Cli, tmp_path: Path) -> None:
    cli.funded()
    path = tmp_path / "usage.csv.gz"
    whole = gzip.compress(b"account,occurred_at,feature,quantity\nacme,2026-03-01,linux,3\n")
    for content in (whole[:-6], b"plain text"):
        path.write_bytes(content)
        assert "cut off or not a gzip file" in cli("usage", "import", str(path), code=1).output
    assert "available: 100" in cli("balance", "acme").output


def test_nothing_is_proven_of_nobody(cli: Cli) -> None:
    for verb in ("reconcile", "rebuild"):
        assert "no account 'nobody'" in cli(verb, "--account", "nobody", code=EXIT_CODES["not_found"]).output


def test_the_seal_is_verified_against_the_newest_of_the_kept_heads(cli: Cli, tmp_path: Path) -> None:
    cli.funded()
    kept = tmp_path / "heads.jsonl"
    for _ in range(2):
        cli("seal", "run")
        with kept.open("a", encoding="utf-8") as file:
            file.write(cli("seal", "head").output)
        cli("usage", "record", "acme", "linux")
    assert "are what was sealed" in cli("seal", "verify", "--head", str(kept)).output
    kept.write_text("acme,linux\n", encoding="utf-8")
    assert "is not what `seal head` prints" in cli("seal", "verify", "--head", str(kept), code=1).output


@pytest.mark.parametrize("verb", ["migrate", "doctor", "demo"])
@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("COMPANY_ZONE", "Mars/Olympus", "use one like Europe/Berlin"),
        ("CURRENCY", "dollars", "is not a currency code"),
        ("APPROVAL_LIMIT_CREDITS", "many", "valid integer"),
        ("DATABASE_URL", "somewhere", "use sqlite:///file or postgresql://"),
        ("DATABASE_URL", "mysql://host/name", "use sqlite or postgresql"),
    ],
)
def test_a_wrong_setting_is_named_and_sets_nothing_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str, name: str, value: str, says: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/new.sqlite")
    monkeypatch.setenv(name, value)
    settings.cache_clear()
    result = CliRunner().invoke(main, [verb])
    settings.cache_clear()
    assert result.exit_code in (1, 2)
    assert name in result.output
    assert says in result.output
    assert list(tmp_path.iterdir()) == []


def test_real_usage_is_imported_with_purchases_of_any_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "customers.csv").write_text("customer_id,group,first_day\nbig,x,2024-01-05\n", encoding="utf-8")
    rows = "customer_id,day,feature,units\nbig,2024-01-06,windows,90000\nbig,2024-02-07,linux,7\n"
    (folder / "usage.csv.gz").write_bytes(gzip.compress(rows.encode()))
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/real.sqlite")
    settings.cache_clear()
    result = CliRunner().invoke(main, ["import-real", str(folder)])
    settings.cache_clear()
    assert "1 customers, 2 rows of usage" in result.output
    assert ", 0 disagreements" in result.output
    assert result.exit_code == 0


def test_expiring_says_how_much_went(cli: Cli) -> None:
    cli.funded()
    assert "0 credits of 0 accounts expired" in cli("expire").output
