"""The balance report and estimates over HTTP; the command line prints the same report."""

import json

import pytest
from click.testing import CliRunner

from ledger import Ledger
from ledger.core.policy import Scope
from ledger.settings import settings
from service.cli import main
from service.report_body import ReportBody
from tests.kit import factories
from tests.kit.calling import Caller


@pytest.fixture
def shop(ledger: Ledger) -> Ledger:
    factories.open_account(ledger, name="Acme | *Robotics*")
    factories.price_feature(ledger, "image", 5)
    factories.top_up(ledger, credits=100)
    factories.use(ledger, "acme", 2, feature="image")
    return ledger


def test_the_report_is_complete_typed_and_says_why_something_is_missing(shop: Ledger) -> None:
    caller = Caller(shop, Scope.REPORTS_READ)
    answer = caller.get("/customers/acme/report")
    assert answer.status_code == 200, answer.text
    found = ReportBody.model_validate_json(answer.content, strict=False)
    assert found.summary.available.model_dump() == {"credits": "90", "paid": [{"cents": 90, "currency": "EUR"}]}
    assert found.usage.used == "10" and found.usage.used_change.share is None
    assert found.usage.used_change.share_reason == "nothing was used before"
    assert (found.advice, found.advice_reason) == (None, "no package is for sale")
    assert found.forecast.method == "none" and found.forecast.method_reason
    assert [one.status for one in found.forecast.points] == ["covered"] * 4
    assert found.recent[0].amount == "-10"
    assert found.links[0].url.startswith(settings().public_url)
    text = caller.get("/customers/acme/report.md")
    assert text.headers["content-type"] == "text/markdown; charset=utf-8"
    assert "**Customer**: Acme \\| \\*Robotics\\*" in text.text
    assert caller.get("/customers/nobody/report").status_code == 404
    assert caller.get("/customers/a%00/report").status_code == 404


def test_a_key_that_reads_balances_reads_no_reports(shop: Ledger) -> None:
    assert Caller(shop, Scope.BALANCE_READ).get("/customers/acme/report").json()["code"] == "scope_missing"


def test_an_estimate_books_nothing(shop: Ledger) -> None:
    caller = Caller(shop, Scope.BALANCE_READ)
    found = caller.get("/estimate", feature="image", quantity="2.5", account="acme").json()
    assert (found["cost"], found["available"], found["short"], found["is_affordable"]) == ("12.5", "90", "0", True)
    assert [take["amount"] for take in found["takes"]] == ["12.5"]
    much = caller.get("/estimate", feature="image", quantity="20", account="acme").json()
    assert (much["short"], much["is_affordable"]) == ("10", False)
    nobody = caller.get("/estimate", feature="image").json()
    assert (nobody["cost"], nobody["account"], nobody["takes"]) == ("5", None, None)
    assert caller.get("/estimate", feature="video").status_code == 404
    assert caller.get("/estimate", feature="image", account="nobody").status_code == 404
    for wrong in ({"quantity": "ten"}, {"quantity": "0"}, {"at": "2026-03-10"}, {"complexity": "high"}):
        assert caller.get("/estimate", **{"feature": "image", **wrong}).status_code == 422, wrong


def test_the_command_line_prints_the_same_report(shop: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    # Making its key is a transaction, too.
    caller = Caller(shop, Scope.REPORTS_READ)
    monkeypatch.setenv("DATABASE_URL", shop.database.url.render_as_string(hide_password=False))
    monkeypatch.setenv("SANDBOX_CLOCK", shop.clock.now().isoformat())
    settings.cache_clear()
    try:
        as_json = CliRunner().invoke(main, ["report", "acme", "--json"])
        as_text = CliRunner().invoke(main, ["report", "acme"])
        unknown = CliRunner().invoke(main, ["report", "nobody"])
    finally:
        settings.cache_clear()
    assert json.loads(as_json.stdout) == caller.get("/customers/acme/report").json()
    assert as_text.stdout == caller.get("/customers/acme/report.md").text
    assert (unknown.exit_code, "not_found" in unknown.stderr) == (4, True)
