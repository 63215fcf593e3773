"""Leads: an account with free credits in one transaction, and the same account as a customer."""

from collections.abc import Callable
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ledger import (
    LEAD_CREDITS_MICRO,
    MICRO,
    AccountType,
    Actor,
    AskApproval,
    Command,
    ConvertLead,
    InvalidCommand,
    Ledger,
    NotAllowedNow,
    NotFound,
    NotPermitted,
    OpenLead,
)
from ledger.core.lifecycle import last_day
from tests.kit.factories import ADMIN, fresh_key, open_account, price_feature, run, use
from tests.operations.books import all_rows, row_counts


def test_a_lead_is_opened_with_its_free_credits_in_one_transaction(ledger: Ledger) -> None:
    receipt = run(ledger, OpenLead("lea", "Lea", email="lea@x.example", zone="Asia/Tokyo", owner="mara@example.com"))
    rows = all_rows(ledger)
    (account,), (customer,), (batch,), (transaction,) = (
        rows[name] for name in ("account", "customer", "batch", "transaction")
    )
    assert receipt.available_after_micro == LEAD_CREDITS_MICRO == account["available_micro"] == 20 * MICRO
    assert (customer["account_type"], customer["email"]) == ("lead", "lea@x.example")
    assert (batch["credit_type"], batch["source"]) == ("promotional", "lead")
    assert transaction["account_id"] == account["id"]
    (new,) = receipt.new_batches
    assert new.expires_at is not None
    assert last_day(new.expires_at, ZoneInfo("Asia/Tokyo")) == date(2026, 6, 8)


def test_a_converted_lead_keeps_its_account_its_credits_and_its_history(ledger: Ledger) -> None:
    price_feature(ledger)
    run(ledger, OpenLead("lea", "Lea", email="lea@x.example"))
    use(ledger, "lea", 5)
    before = all_rows(ledger)
    receipt = run(ledger, ConvertLead("lea", AccountType.HYBRID, name="Lea GmbH", tier="pro"))
    assert receipt.kind == "convert_lead"
    assert receipt.available_after_micro == 15 * MICRO
    after = all_rows(ledger)
    for table in ("batch", "entry", "usage_event", "usage_daily"):
        assert after[table] == before[table]
    (customer,) = after["customer"]
    assert (customer["account_type"], customer["name"], customer["tier"]) == ("hybrid", "Lea GmbH", "pro")
    assert customer["email"] == "lea@x.example"
    with pytest.raises(NotAllowedNow, match="is no lead"):
        run(ledger, ConvertLead("lea"))


@pytest.mark.parametrize(
    ("command", "error"),
    [
        pytest.param(OpenLead("acme", "Acme"), InvalidCommand, id="exists"),
        pytest.param(OpenLead("lea", ""), InvalidCommand, id="no-name"),
        pytest.param(OpenLead("lea", "Lea", zone="Mars"), InvalidCommand, id="no-zone"),
        pytest.param(ConvertLead("acme"), NotAllowedNow, id="no-lead"),
        pytest.param(ConvertLead("nobody"), NotFound, id="nobody"),
        pytest.param(ConvertLead("acme", AccountType.LEAD), InvalidCommand, id="to-a-lead"),
    ],
)
def test_a_refusal_writes_nothing(untouched: Ledger, command: Command, error: type[Exception]) -> None:
    before = row_counts(untouched)
    attempts: list[Callable[[], Any]] = [
        lambda: run(untouched, command),
        lambda: untouched.preview(command, actor=ADMIN),
    ]
    for attempt in attempts:
        with pytest.raises(error):
            attempt()
    assert row_counts(untouched) == before


@pytest.mark.parametrize("command", [OpenLead("lea", "Lea"), ConvertLead("acme")])
def test_readers_may_not_open_leads(untouched: Ledger, finance: Actor, manager: Actor, command: Command) -> None:
    before = row_counts(untouched)
    for actor in (finance, manager):
        with pytest.raises(NotPermitted, match="open or change customers"):
            untouched.execute(command, actor=actor, key="k")
    assert row_counts(untouched) == before


def test_a_preview_opens_nothing_and_the_same_key_opens_one(ledger: Ledger) -> None:
    command = OpenLead("lea", "Lea")
    assert ledger.preview(command, actor=ADMIN).available_after_micro == 20 * MICRO
    assert all_rows(ledger)["account"] == []
    done = ledger.execute(command, actor=ADMIN, key="k")
    assert ledger.execute(command, actor=ADMIN, key="k") == done.as_replayed()
    assert len(all_rows(ledger)["account"]) == 1


def test_asking_for_a_lead_opens_none(ledger: Ledger) -> None:
    open_account(ledger)
    ledger.execute(AskApproval(OpenLead("lea", "Lea")), actor=ADMIN, key=fresh_key("ask"))
    assert [row["external_id"] for row in all_rows(ledger)["account"]] == ["acme"]
