"""Frames and figures of debt, refunds and requests, on both databases."""

from dataclasses import replace
from datetime import timedelta

import pytest

from analytics import burn, frames, kpis
from analytics.charts import TYPE_LABELS, Theme, daily_burn_by_type
from analytics.periods import Period
from ledger import MICRO, AskApproval, CreditType, IssueGrant, Ledger, Money
from ledger.clock import FixedClock
from ledger.errors import NotFound
from tests.kit.factories import (
    ADMIN,
    BEA,
    NOW,
    REASON,
    allow_overdraft,
    decide,
    fresh_key,
    grant,
    open_account,
    price_feature,
    refund,
    top_up,
    use,
)

DAY = NOW.date()
TODAY = Period(DAY, DAY + timedelta(days=1))


@pytest.fixture
def acme(ledger: Ledger) -> Ledger:
    open_account(ledger)
    price_feature(ledger)
    return ledger


@pytest.fixture
def owing(acme: Ledger) -> Ledger:
    """Acme used 10 it had and 15 on debt."""
    grant(acme, credits=10)
    allow_overdraft(acme, credits=50, until=NOW + timedelta(days=9))
    use(acme, quantity=25)
    return acme


def load(ledger: Ledger, loader, **wanted):
    with ledger.database.reading() as connection:
        return loader(connection, **wanted)


def test_a_customer_that_owes(owing: Ledger) -> None:
    row = load(owing, frames.load_customers, at=NOW, zone=owing.company_zone).iloc[0]
    assert (row["owed_micro"], row["overdraft_limit_micro"]) == (15 * MICRO, 50 * MICRO)
    assert row["overdraft_until"] == NOW + timedelta(days=9)
    assert (row["available_micro"], row["used_28d_micro"]) == (0, 0)


def test_who_allowed_the_debt(owing: Ledger) -> None:
    found = load(owing, frames.load_overdraft, account="acme")
    assert (found.owed_micro, found.limit_micro) == (15 * MICRO, 50 * MICRO)
    assert (found.requester, found.approver) == (ADMIN.id, BEA.id)
    assert found.is_open(NOW) and not found.is_open(NOW + timedelta(days=9))
    with pytest.raises(NotFound):
        load(owing, frames.load_overdraft, account="nobody")


def test_an_account_without_overdraft_has_none(acme: Ledger) -> None:
    found = load(acme, frames.load_overdraft, account="acme")
    assert (found.limit_micro, found.until, found.approver, found.is_open(NOW)) == (0, None, None, False)


def test_use_on_debt_stands_behind_the_five_types(owing: Ledger) -> None:
    usage = load(owing, frames.load_daily_usage, since=TODAY.since, until=TODAY.until)
    types = [kind.value for kind in CreditType]
    by_type = burn.by_type(usage, TODAY)
    assert by_type["credit_type"].tolist() == [*types, "owed"]
    assert by_type["used_micro"].sum() == 25 * MICRO
    daily = burn.daily_by_type(usage, TODAY)
    assert daily["used_micro"].sum() == burn.daily(usage, TODAY)["used_micro"].sum() == 25 * MICRO
    chart = daily_burn_by_type(daily, zone="Europe/Berlin", theme=Theme.LIGHT)
    assert [trace.name for trace in chart.figure.data][-1] == TYPE_LABELS["owed"] == "On debt"


def test_without_debt_the_five_types_are_all(acme: Ledger) -> None:
    grant(acme)
    use(acme, quantity=5)
    usage = load(acme, frames.load_daily_usage, since=TODAY.since, until=TODAY.until)
    assert burn.by_type(usage, TODAY)["credit_type"].tolist() == [kind.value for kind in CreditType]


def test_lines_of_use_on_debt_have_no_batch(owing: Ledger) -> None:
    history = load(owing, frames.load_history, account="acme", kinds=("usage",))
    # What was used counts whole, with what was owed.
    assert history["amount_micro"].tolist() == [-25 * MICRO]
    lines = load(owing, frames.load_entries, transaction_id=int(history["transaction_id"][0]))
    assert lines["credit_type"].tolist() == ["promotional", "owed"]
    assert lines["batch_id"].isna().tolist() == [False, True]


def test_a_grant_that_repays_is_shown_whole_and_a_repayment_as_taken(owing: Ledger, clock: FixedClock) -> None:
    grant(owing, credits=5)
    grant(owing, credits=100, effective_at=NOW + timedelta(days=1))
    clock.advance(timedelta(days=1))
    use(owing)
    history = load(owing, frames.load_history, account="acme")
    shown = list(zip(history["kind"], history["amount_micro"] // MICRO, strict=True))[:4]
    assert shown == [("usage", -1), ("repay_debt", -10), ("grant", 100), ("grant", 5)]
    assert history["words"].tolist()[1] == "Debt repaid"


def test_utilization_counts_purchased_credits_that_repaid(owing: Ledger) -> None:
    top_up(owing, credits=20)
    customers = load(owing, frames.load_customers, at=NOW, zone=owing.company_zone)
    cards = load(
        owing,
        kpis.load_scorecards,
        periods=[TODAY],
        at=NOW,
        zone=owing.company_zone,
        currency="EUR",
        customers=customers,
    )
    figure = cards[0].score(kpis.Kpi.UTILIZATION).figure
    assert (figure.numerator, figure.denominator) == (15 * MICRO, 20 * MICRO)


def test_what_can_be_refunded_and_why_not(acme: Ledger, clock: FixedClock) -> None:
    top_up(acme, credits=100, price=Money(1000, "EUR"), reference="INV-1")
    use(acme, quantity=20)
    grant(acme)
    made = 1
    refund(acme, batch_id=made, credits=30)
    found = load(acme, frames.load_refundable, account="acme", at=NOW, policy="unused_share")
    row = found.iloc[0]
    assert len(found) == 1
    assert (row["granted_micro"], row["gone_micro"], row["refunded_micro"]) == (100 * MICRO, 20 * MICRO, 30 * MICRO)
    assert (row["free_micro"], row["refund_cents"], row["refunded_cents"]) == (50 * MICRO, 500, 300)
    assert (row["payer"], row["reference"], row["problem"]) == ("acme", "INV-1", "")
    later = clock.now() + timedelta(days=400)
    ended = load(acme, frames.load_refundable, account="acme", at=later, policy="unused_share").iloc[0]
    assert (ended["free_micro"], ended["problem"]) == (0, "it has expired")


def test_refunds_and_the_payments_they_belong_to(acme: Ledger) -> None:
    top_up(acme, credits=100, price=Money(1000, "EUR"), reference="INV-1")
    refund(acme, batch_id=1, credits=30)
    refund(acme, batch_id=1, credits=20)
    refunds = load(acme, frames.load_refunds, account="acme")
    assert refunds["cents"].tolist() == [200, 300]
    assert refunds["payer"].tolist() == ["acme", "acme"]
    assert load(acme, frames.load_refunds, since=NOW + timedelta(days=1)).empty
    payment = load(acme, frames.load_top_ups).iloc[0]
    assert (payment["refunded_micro"], payment["refunded_cents"]) == (50 * MICRO, 500)


def test_requests_in_their_order(acme: Ledger, clock: FixedClock) -> None:
    grant(acme, credits=10)
    asked = []
    for number in range(3):
        command = replace(
            IssueGrant("acme", CreditType.COMPENSATION, 200_000 * MICRO, REASON), campaign=f"campaign {number}"
        )
        receipt = acme.execute(AskApproval(command), actor=ADMIN, key=fresh_key("ask"))
        assert receipt.approval_id is not None
        asked.append(receipt.approval_id)
        clock.advance(timedelta(minutes=1))
    decide(acme, asked[1], approve=False)
    waiting = load(acme, frames.load_approvals, is_waiting=True)
    assert waiting["approval_id"].tolist() == [asked[0], asked[2]]
    assert waiting["available_then_micro"].tolist() == [10 * MICRO, 10 * MICRO]
    assert waiting["note"].tolist() == [REASON.note] * 2
    assert load(acme, frames.load_approvals, is_waiting=True, requester=BEA.id).empty
    assert load(acme, frames.load_approvals, is_waiting=True, not_requester=ADMIN.id).empty
    decided = load(acme, frames.load_approvals, is_waiting=False)
    assert decided[["approval_id", "state", "decided_by"]].values.tolist() == [[asked[1], "refused", BEA.id]]
    assert load(acme, frames.count_approvals_waiting, not_requester=BEA.id) == 2
    assert load(acme, frames.count_approvals_waiting, not_requester=ADMIN.id) == 0
    assert load(acme, frames.load_approval, approval_id=asked[1]).decision_note == "decided in a test"
    with pytest.raises(NotFound):
        load(acme, frames.load_approval, approval_id=10**18)
