"""What is named by a command and not there is refused by its own words, so that people know which of two it was."""

import sys
from datetime import UTC, date, datetime

import pytest

from ledger import SYSTEM, CreditType, Ledger, Money, NotFound, Reason
from ledger.commands import Command
from ledger.core.alerts import AlertKind
from ledger.core.amounts import MICRO
from ledger.core.payments import Provider, RechargeTerms, RefundTo
from ledger.operations.alerts import DropAlertRule, MarkAlerts, SetAlertRule, SnoozeAlerts
from ledger.operations.api_keys import RevokeApiKey, RotateApiKey
from ledger.operations.approvals import DecideApproval
from ledger.operations.billed_plans import LinkPlanPrice
from ledger.operations.corrections import AdjustBalance, VoidBatch
from ledger.operations.deciding import DecidePayment
from ledger.operations.extensions import ExtendExpiry
from ledger.operations.files import UndoFile
from ledger.operations.findings import AssignFinding, ExplainFinding, ReopenFinding
from ledger.operations.gift_codes import DisableGiftCodes
from ledger.operations.give_back import GiveBack
from ledger.operations.grants import IssueGrant
from ledger.operations.holds import CaptureHold, ExtendHold, ReleaseHold
from ledger.operations.mails import SendMailAgain
from ledger.operations.payments import RecordTopUp
from ledger.operations.plans import StartPlan
from ledger.operations.programmes import CreateReferralCode, DisableReferralCode, EndReferralProgramme
from ledger.operations.provider_prices import NoteProviderPrices, ProviderPrice
from ledger.operations.purchases import AdoptPayment, NoteCheckout, StartPurchase
from ledger.operations.recharge import ResumeRecharge, SetRechargeRule
from ledger.operations.referrals import InviteReferral, JoinReferral
from ledger.operations.refunds import RefundPurchase
from ledger.operations.reversals import ReverseTransaction
from ledger.operations.rewards import RefuseReferral, ReleaseReferral
from ledger.operations.sendings import RetryProviderRefund
from ledger.operations.transfers import GiftCredits, TransferCredits
from ledger.operations.usage import RecordUsage, UsageEvent
from tests.kit.factories import ADMIN, NOW
from tests.operations.books import row_counts

WHY = Reason("test", "a reason of enough characters")
PRICE = Money(100, "USD")
TERMS = RechargeTerms("moon", MICRO, None, 100, 200)
BATCH = "batch of acme,"
HOLD = "hold of acme,"

MISSING: list[tuple[Command, str, str]] = [
    (IssueGrant("nobody", CreditType.REFERRAL, MICRO, WHY), "account", "nobody"),
    (TransferCredits("acme", "nobody", MICRO, WHY), "account", "nobody"),
    (GiftCredits("nobody", "acme", MICRO, WHY, "thank you"), "account", "nobody"),
    (SetAlertRule(AlertKind.OVERDRAWN, account="nobody"), "account", "nobody"),
    (DropAlertRule(AlertKind.OVERDRAWN, "nobody"), "account", "nobody"),
    (MarkAlerts((7,), is_done=True), "alert", "7"),
    (SnoozeAlerts((7,), datetime(2027, 1, 1, tzinfo=UTC)), "alert", "7"),
    (RotateApiKey(7, "live_abcd1234", "0" * 64, WHY), "API key", "7"),
    (RevokeApiKey(7, WHY), "API key", "7"),
    (DecideApproval(7, approve=True, note="all right"), "request for approval", "7"),
    (LinkPlanPrice(Provider.STRIPE, "price_1", "moon"), "plan", "moon"),
    (StartPlan("acme", "moon", WHY), "plan in force", "moon"),
    (AdjustBalance("acme", -MICRO, WHY, batch_id=7), "batch with credits left in acme,", "7"),
    (VoidBatch("acme", 7, WHY), BATCH, "7"),
    (ExtendExpiry("acme", 7, WHY, date(2027, 1, 1)), BATCH, "7"),
    (RefundPurchase("acme", 7, MICRO, WHY), BATCH, "7"),
    (DecidePayment("pay_7", credit=True, reason=WHY), "payment", "pay_7"),
    (NoteCheckout("pay_7", "cs_7", "https://pay.example.com", None), "payment", "pay_7"),
    (UndoFile(7, WHY), "booked file with the transaction", "7"),
    (ExplainFinding(7, "a note of enough characters"), "finding", "7"),
    (ReopenFinding(7, "a note of enough characters"), "finding", "7"),
    (AssignFinding(7, "mara"), "finding", "7"),
    (DisableGiftCodes(7, WHY), "set of gift codes", "7"),
    (GiveBack("acme", "e", WHY), "usage event of acme,", "e"),
    (CaptureHold("acme", "job", "e"), HOLD, "job"),
    (ReleaseHold("acme", "job", WHY), HOLD, "job"),
    (ExtendHold("acme", "job", datetime(2027, 1, 1, tzinfo=UTC), WHY), HOLD, "job"),
    (RecordUsage("acme", UsageEvent("e", "moon", NOW)), "price in force for feature", "moon"),
    (SendMailAgain(7, "once more"), "mail", "7"),
    (RecordTopUp("acme", MICRO, PRICE, "transfer 7", WHY, package="moon"), "package", "moon"),
    (StartPurchase("acme", "moon", Provider.STRIPE), "package", "moon"),
    (AdoptPayment(Provider.STRIPE, "pi_7", "acme", PRICE, WHY, "moon"), "package", "moon"),
    (SetRechargeRule("acme", TERMS, Provider.STRIPE, WHY), "package", "moon"),
    (SetRechargeRule("acme", None, Provider.STRIPE, WHY), "rule of auto-recharge of", "acme"),
    (ResumeRecharge("acme", WHY), "rule of auto-recharge of", "acme"),
    (NoteProviderPrices(Provider.STRIPE, (ProviderPrice(7, "prod", "price"),)), "version of a package", "7"),
    (EndReferralProgramme("moon", WHY), "referral programme", "moon"),
    (CreateReferralCode("acme", "moon", "ACME-1"), "referral programme", "moon"),
    (DisableReferralCode("MOON", WHY), "referral code", "MOON"),
    (InviteReferral("MOON", "ann@example.com"), "referral code", "MOON"),
    (JoinReferral("MOON", "acme"), "referral code", "MOON"),
    (ReleaseReferral(7, WHY), "referral of", "7"),
    (RefuseReferral(7, WHY), "referral of", "7"),
    (RetryProviderRefund("ref_7", RefundTo.OUTSIDE, WHY), "refund at a provider", "ref_7"),
    (ReverseTransaction(sys.maxsize, WHY), "transaction", str(sys.maxsize)),
]


@pytest.mark.parametrize("untouched", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("command", "what", "name"), MISSING, ids=lambda value: getattr(value, "kind", None))
def test_what_is_not_there_is_named(untouched: Ledger, command: Command, what: str, name: str) -> None:
    before = row_counts(untouched)
    actor = SYSTEM if isinstance(command, NoteCheckout) else ADMIN
    with pytest.raises(NotFound) as refused:
        untouched.execute(command, actor=actor, key="k")
    assert (refused.value.what, refused.value.id) == (what, name)
    assert row_counts(untouched) == before
