"""What a command refuses before any database is asked: each field up to its very limit, and by the name forms show."""

from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from ledger.commands import Command, Reason
from ledger.core.alerts import Addressee, AlertKind
from ledger.core.amounts import MAX_MICRO, MICRO, Money
from ledger.core.payments import Provider, Purpose, RechargeTerms
from ledger.core.policy import Scope
from ledger.core.records import AccountType, CreditType
from ledger.gateways.billing import SubscriptionFacts
from ledger.gateways.provider import PaymentFacts, Progress
from ledger.operations import HANDLERS
from ledger.operations.alerts import DropAlertRule, MarkAlerts, SetAlertRule, SnoozeAlerts
from ledger.operations.allocations import AllocatePlanCredits
from ledger.operations.api_keys import CreateApiKey, RevokeApiKey, RotateApiKey
from ledger.operations.approvals import AskApproval, DecideApproval
from ledger.operations.billed_plans import FollowSubscription, LinkPlanPrice
from ledger.operations.catalog import DefineBundle, DefinePackage, SetFeaturePrice
from ledger.operations.corrections import AdjustBalance, VoidBatch
from ledger.operations.deciding import DecidePayment
from ledger.operations.expiry import ExpireDue
from ledger.operations.extensions import ExtendExpiry
from ledger.operations.files import BookFile, FileRow, UndoFile
from ledger.operations.findings import AssignFinding, ExplainFinding, ReopenFinding
from ledger.operations.following import FollowPayment
from ledger.operations.gift_codes import DisableGiftCodes, IssueGiftCodes, RedeemGiftCode
from ledger.operations.give_back import GiveBack
from ledger.operations.grants import IssueGrant
from ledger.operations.holds import CaptureHold, ExtendHold, PlaceHold, ReleaseHold
from ledger.operations.leads import ConvertLead, OpenLead
from ledger.operations.mails import AllowAddress, SendMailAgain, SendTestMail
from ledger.operations.overdraft import ApproveOverdraft
from ledger.operations.payments import RecordTopUp
from ledger.operations.periods import ClosePeriod, ReopenPeriod
from ledger.operations.plans import CancelPlan, ChangePlan, DefinePlan, StartPlan
from ledger.operations.pools import OpenPool, PoolMember, SetPoolMembers
from ledger.operations.programmes import (
    CreateReferralCode,
    DefineReferralProgramme,
    DisableReferralCode,
    EndReferralProgramme,
)
from ledger.operations.provider_prices import NoteProviderPrices, ProviderPrice
from ledger.operations.purchases import AdoptPayment, NoteCheckout, StartPurchase
from ledger.operations.rebuilds import RebuildTotals
from ledger.operations.recharge import ResumeRecharge, SetRechargeRule
from ledger.operations.recharge_start import StartRecharge
from ledger.operations.referrals import InviteReferral, JoinReferral
from ledger.operations.refunds import RefundPurchase
from ledger.operations.reversals import ReverseTransaction
from ledger.operations.rewards import QualifyReferral, RefuseReferral, ReleaseReferral
from ledger.operations.sendings import RefundTo, RetryProviderRefund
from ledger.operations.setup import ChangeCustomer, OpenAccount
from ledger.operations.transfers import GiftCredits, TransferCredits
from ledger.operations.usage import RecordUsage, RecordUsageBulk, UsageEvent

AT = datetime(2026, 4, 1, tzinfo=UTC)
WHY = Reason("test", "a reason of enough characters")
PRICE = Money(100, "EUR")
PAID = PaymentFacts(Provider.STRIPE, Progress.PAID, AT, AT, PRICE)
SUBSCRIPTION = SubscriptionFacts("sub_1", "cus_1", "acme", "active", "price_1", AT, AT, AT)
TERMS = RechargeTerms("starter", MICRO, 7, 100, 200)
GRANT = IssueGrant("acme", CreditType.REFERRAL, MICRO, WHY)
EVENT = UsageEvent("e", "api", AT)
HASH = "0" * 64

GOOD: Sequence[Command] = (
    SetAlertRule(AlertKind.OWN_LINE, threshold_micro=MICRO, runway_days=7, account="acme"),
    DropAlertRule(AlertKind.OWN_LINE, "acme"),
    MarkAlerts((1,), is_done=True),
    SnoozeAlerts((1,), AT),
    AllocatePlanCredits("acme"),
    CreateApiKey("shop", "live_abcd1234", HASH, (Scope.USAGE_WRITE,), WHY, 60, AT),
    RotateApiKey(1, "live_abcd1234", HASH, WHY),
    RevokeApiKey(1, WHY),
    AskApproval(GRANT),
    DecideApproval(1, approve=True, note="all right"),
    LinkPlanPrice(Provider.STRIPE, "price_1", "pro"),
    FollowSubscription("acme", Provider.STRIPE, SUBSCRIPTION),
    SetFeaturePrice("api", MICRO, "API", "call", AT, AT, {"high": 2 * MICRO}, WHY),
    DefinePackage("starter", "Starter", MICRO, PRICE, "standard", 1, AT, AT, WHY),
    DefineBundle("spring", "Spring", ("api",), 100_000, AT, AT, WHY),
    AdjustBalance("acme", MICRO, WHY, effective_at=AT),
    VoidBatch("acme", 1, WHY),
    DecidePayment("pay_1", credit=True, reason=WHY),
    ExpireDue("acme"),
    ExtendExpiry("acme", 1, WHY, date(2026, 5, 1)),
    BookFile("april", (FileRow(2, "a", GRANT),), WHY),
    UndoFile(1, WHY),
    ExplainFinding(1, "a note of enough characters"),
    ReopenFinding(1, "a note of enough characters"),
    AssignFinding(1, "mara"),
    FollowPayment("pay_1", PAID),
    IssueGiftCodes("fair", CreditType.REFERRAL, MICRO, (HASH,), ("AB12",), WHY, AT, 30),
    RedeemGiftCode("acme", "ABCD"),
    DisableGiftCodes(1, WHY),
    GiveBack("acme", "e", WHY, MICRO),
    GRANT,
    PlaceHold("acme", "job", "api", MICRO, AT, "ann"),
    CaptureHold("acme", "job", "e", MICRO, AT),
    ReleaseHold("acme", "job", WHY),
    ExtendHold("acme", "job", AT, WHY),
    OpenLead("lead", "Lead"),
    ConvertLead("lead", name="Acme"),
    SendMailAgain(1, "once more", "ann@example.com"),
    SendTestMail("ann@example.com"),
    AllowAddress("ann@example.com", "works again"),
    ApproveOverdraft("acme", MICRO, AT, WHY),
    RecordTopUp("acme", MICRO, PRICE, "transfer 1", WHY, effective_at=AT, package="starter"),
    ClosePeriod(date(2026, 3, 31), WHY),
    ReopenPeriod(None, WHY),
    DefinePlan("gold", "Gold", MICRO, PRICE, effective_at=AT),
    StartPlan("acme", "pro", WHY, 1),
    ChangePlan("acme", "pro", WHY),
    CancelPlan("acme", WHY),
    OpenPool("team", "Team"),
    SetPoolMembers("team", (PoolMember("ann", "Ann"),)),
    DefineReferralProgramme("friends", "Friends", MICRO, MICRO, 5, 6, AT, AT),
    EndReferralProgramme("friends", WHY),
    CreateReferralCode("acme", "friends", "ACME-1"),
    DisableReferralCode("ACME-1", WHY),
    NoteProviderPrices(Provider.STRIPE, (ProviderPrice(1, "prod_1", "price_1"),)),
    StartPurchase("acme", "starter", Provider.STRIPE),
    NoteCheckout("pay_1", "cs_1", "https://pay.example.com", AT),
    AdoptPayment(Provider.STRIPE, "pi_1", "acme", PRICE, WHY, "starter"),
    RebuildTotals("acme", WHY),
    SetRechargeRule("acme", TERMS, Provider.STRIPE, WHY),
    ResumeRecharge("acme", WHY),
    StartRecharge("acme"),
    InviteReferral("ACME-1", "ann@example.com"),
    JoinReferral("ACME-1", "bolt"),
    RefundPurchase("acme", 1, MICRO, WHY),
    ReverseTransaction(1, WHY),
    QualifyReferral("acme"),
    ReleaseReferral(1, WHY),
    RefuseReferral(1, WHY),
    RetryProviderRefund("ref_1", RefundTo.OUTSIDE, WHY),
    OpenAccount("acme", "Acme", "ann@example.com", stripe_id="cus_1"),
    ChangeCustomer("acme", "Acme", "ann@example.com"),
    TransferCredits("acme", "bolt", MICRO, WHY),
    GiftCredits("acme", "bolt", MICRO, WHY, "thank you"),
    RecordUsage("acme", EVENT),
    RecordUsageBulk("acme", (EVENT,)),
)
KINDS: dict[str, Any] = {type(command).__name__: command for command in GOOD} | {
    "PoolMember": PoolMember("ann", "Ann"),
    "UsageEvent": EVENT,
    "ProviderPrice": ProviderPrice(1, "prod_1", "price_1"),
    "RechargeTerms": TERMS,
    "SubscriptionFacts": SUBSCRIPTION,
    "PaymentFacts": PAID,
}
# Values inside a command, and the command that judges them.
INSIDE = {
    "ProviderPrice": lambda value: NoteProviderPrices(Provider.STRIPE, (value,)),
    "RechargeTerms": lambda value: SetRechargeRule("acme", value, Provider.STRIPE, WHY),
    "SubscriptionFacts": lambda value: FollowSubscription("acme", Provider.STRIPE, value),
    "PaymentFacts": lambda value: FollowPayment("pay_1", value),
}


def refused(kind: str, **changes: object) -> list[str]:
    """The fields at fault when a good command of that kind is changed."""
    changed = replace(KINDS[kind], **changes)
    faults = INSIDE.get(kind, lambda value: value)(changed).faults()
    assert all(" " in fault.message for fault in faults), "a fault is told in a sentence"
    return [fault.field for fault in faults]


def test_good_commands_of_every_kind_have_no_fault() -> None:
    assert {type(command) for command in GOOD} == set(HANDLERS)
    assert {name: refused(name) for name in KINDS if refused(name)} == {}


# Texts that must be given, by how long they may be.
TEXTS = {
    40: """
        LinkPlanPrice.plan SetFeaturePrice.unit DefinePlan.code StartPlan.plan ChangePlan.plan
        DefineReferralProgramme.code
    """,
    60: "RetryProviderRefund.refund",
    100: "RedeemGiftCode.code",
    120: """
        CreateApiKey.name
        OpenAccount.account OpenLead.account OpenPool.account SetFeaturePrice.feature DefinePackage.code
        DefinePackage.label DefinePackage.price_list DefineBundle.code DefineBundle.label IssueGiftCodes.label
        IssueGrant.source PlaceHold.feature RecordTopUp.reference RecordTopUp.source DefinePlan.label
        DefineReferralProgramme.label StartPurchase.package RechargeTerms.package UsageEvent.feature
    """,
    200: """
        LinkPlanPrice.price_ref SubscriptionFacts.ref BookFile.name GiveBack.event_id PlaceHold.reference
        CaptureHold.reference ReleaseHold.reference ExtendHold.reference CaptureHold.event_id PoolMember.member
        ProviderPrice.product_ref ProviderPrice.price_ref UsageEvent.event_id
    """,
    255: "NoteCheckout.checkout_ref AdoptPayment.payment_ref",
    500: """
        AllocatePlanCredits.account AdjustBalance.account VoidBatch.account ExpireDue.account
        ExtendExpiry.account FollowSubscription.account DropAlertRule.account SetAlertRule.account
        RedeemGiftCode.account GiveBack.account IssueGrant.account PlaceHold.account CaptureHold.account
        ReleaseHold.account ExtendHold.account ConvertLead.account ApproveOverdraft.account RecordTopUp.account
        StartPlan.account ChangePlan.account CancelPlan.account CreateReferralCode.account StartPurchase.account
        AdoptPayment.account RebuildTotals.account SetRechargeRule.account ResumeRecharge.account
        StartRecharge.account JoinReferral.account RefundPurchase.account QualifyReferral.account
        ChangeCustomer.account TransferCredits.account GiftCredits.account RecordUsage.account
        RecordUsageBulk.account OpenAccount.name OpenLead.name OpenPool.name ChangeCustomer.name
        ConvertLead.name DecideApproval.note DecidePayment.payment FollowPayment.payment SetPoolMembers.pool
        EndReferralProgramme.programme CreateReferralCode.programme DisableReferralCode.code
        NoteCheckout.payment InviteReferral.code JoinReferral.code TransferCredits.to GiftCredits.to
        GiftCredits.message
    """,
    4000: "NoteCheckout.url",
}
# Texts that may be left empty.
FREE_TEXTS = {
    120: "IssueGrant.campaign RecordTopUp.package RecordTopUp.campaign UsageEvent.complexity",
    200: "PlaceHold.member AssignFinding.owner PoolMember.label UsageEvent.member",
    500: """
        SetFeaturePrice.label SendMailAgain.note AllowAddress.note OpenPool.owner OpenPool.organisation
        OpenLead.owner OpenAccount.tier OpenAccount.owner OpenAccount.stripe_id OpenAccount.organisation
        ChangeCustomer.tier ChangeCustomer.owner ChangeCustomer.stripe_id ChangeCustomer.organisation
        ConvertLead.tier
    """,
}


def cases(texts: dict[int, str]) -> list[tuple[str, int]]:
    return [(where, longest) for longest, fields in texts.items() for where in fields.split()]


@pytest.mark.parametrize(("where", "longest"), cases(TEXTS))
def test_a_text_is_given_and_no_longer_than_it_may_be(where: str, longest: int) -> None:
    kind, name = where.split(".")
    assert name in refused(kind, **{name: " "})
    assert refused(kind, **{name: "x" * longest}) == []
    assert refused(kind, **{name: "x" * (longest + 1)}) == [name]


@pytest.mark.parametrize(("where", "longest"), cases(FREE_TEXTS))
def test_a_text_that_may_be_empty_is_no_longer_than_it_may_be(where: str, longest: int) -> None:
    kind, name = where.split(".")
    assert refused(kind, **{name: ""}) == []
    assert refused(kind, **{name: "x" * longest}) == []
    assert refused(kind, **{name: "x" * (longest + 1)}) == [name]


def cents(amount: int) -> Money:
    return Money(amount, "EUR")


AMOUNTS = (
    "AdjustBalance GiveBack IssueGrant PlaceHold CaptureHold RecordTopUp RefundPurchase TransferCredits GiftCredits "
    "IssueGiftCodes"
)
NUMBERS = [
    *((f"{kind}.amount_micro", "amount", 1, MAX_MICRO) for kind in AMOUNTS.split()),
    ("SetAlertRule.threshold_micro", "threshold", 1, MAX_MICRO),
    ("SetAlertRule.runway_days", "runway_days", 1, 90),
    ("CreateApiKey.per_minute", "per_minute", 1, 1_000_000),
    ("RotateApiKey.grace_hours", "grace_hours", 0, 720),
    ("SetFeaturePrice.price_micro", "price", 1, MAX_MICRO),
    ("DefinePackage.credits_micro", "credits", 1, MAX_MICRO),
    ("DefinePackage.per_customer_limit", "per_customer_limit", 1, 1_000_000),
    ("DefineBundle.discount_ppm", "discount", 1, 999_999),
    ("IssueGiftCodes.per_customer_limit", "per_customer_limit", 1, 10_000),
    ("IssueGiftCodes.expires_days", "expires_days", 0, 3_650),
    ("IssueGrant.priority", "priority", -100, 100),
    ("RecordTopUp.priority", "priority", -100, 100),
    ("CaptureHold.quantity_micro", "quantity", 1, MAX_MICRO),
    ("UsageEvent.quantity_micro", "quantity", 1, MAX_MICRO),
    ("DefinePlan.credits_micro", "credits", 1, MAX_MICRO),
    ("DefinePlan.months", "months", 1, 12),
    ("DefinePlan.rollover_cap_micro", "rollover_cap", 0, MAX_MICRO),
    ("DefinePlan.rollover_share_ppm", "rollover_share", 0, 1_000_000),
    ("DefinePlan.rollover_periods", "rollover_periods", 1, 24),
    ("StartPlan.anchor_day", "anchor_day", 1, 31),
    *((f"PoolMember.{one}_limit_micro", f"{one}_limit", 0, MAX_MICRO) for one in ("hour", "day", "month")),
    ("DefineReferralProgramme.referrer_micro", "referrer", 0, MAX_MICRO),
    ("DefineReferralProgramme.referee_micro", "referee", 0, MAX_MICRO),
    ("DefineReferralProgramme.expires_months", "expires_months", 1, 60),
    ("StartPurchase.quantity", "quantity", 1, 100),
    ("AdoptPayment.quantity", "quantity", 1, 100),
    ("RechargeTerms.threshold_micro", "threshold", 1, MAX_MICRO),
    ("RechargeTerms.runway_days", "runway_days", 1, 90),
    ("RechargeTerms.day_cap_cents", "day_cap", 1, 200),
    ("RechargeTerms.month_cap_cents", "month_cap", 100, MAX_MICRO),
    ("RechargeTerms.stop_after", "stop_after", 1, 10),
    ("ReverseTransaction.transaction_id", "transaction_id", 1, 2**63 - 1),
]


@pytest.mark.parametrize(("where", "field", "least", "most"), NUMBERS, ids=[row[0] for row in NUMBERS])
def test_a_number_lies_within_its_range(where: str, field: str, least: int, most: int) -> None:
    kind, name = where.split(".")
    assert refused(kind, **{name: least}) == refused(kind, **{name: most}) == []
    assert field in refused(kind, **{name: least - 1})
    assert refused(kind, **{name: most + 1})[:1] in ([field], ["month_cap"])


INSTANTS = [
    (kind, field.name)
    for kind, good in KINDS.items()
    for field in fields(good)
    if isinstance(getattr(good, field.name), datetime) and (kind, field.name) != ("PaymentFacts", "created_at")
    if not isinstance(good, SubscriptionFacts)
]


@pytest.mark.parametrize(("kind", "name"), INSTANTS)
def test_an_instant_has_a_zone_and_a_year_of_calendars(kind: str, name: str) -> None:
    assert refused(kind, **{name: AT.replace(tzinfo=None)}) == [name]
    assert refused(kind, **{name: AT.replace(year=1969)}) == [name]
    assert refused(kind, **{name: AT.replace(year=2999)}) == []


REASONED = [kind for kind, good in KINDS.items() if getattr(good, "reason", None) is not None]


@pytest.mark.parametrize("kind", REASONED)
def test_a_reason_has_a_code_and_a_note(kind: str) -> None:
    assert refused(kind, reason=Reason(" ", "too short")) == ["reason", "note"]


BARE = {"alert": AlertKind.EXPIRING, "threshold_micro": None, "runway_days": None}
ODD: list[tuple[str, dict[str, Any], list[str]]] = [
    ("SetAlertRule", {"tells": (Addressee.OWNER, Addressee.OWNER)}, ["tells"]),
    ("SetAlertRule", {"levels": (20,)}, ["levels"]),
    ("SetAlertRule", {"alert": AlertKind.EXPIRING, "levels": (7,)}, ["threshold"]),
    ("SetAlertRule", BARE | {"levels": (365, 30, 14, 3, 0)}, []),
    ("SetAlertRule", BARE | {"levels": (365, 30, 14, 3, 1, 0)}, ["levels"]),
    ("SetAlertRule", BARE | {"levels": (366,)}, ["levels"]),
    ("SetAlertRule", BARE | {"levels": (3, 3)}, ["levels"]),
    ("SetAlertRule", BARE | {"levels": ()}, ["levels"]),
    ("SetAlertRule", BARE | {"levels": (3,), "runway_days": 7}, ["threshold"]),
    ("SetAlertRule", {"account": None}, []),
    ("MarkAlerts", {"alerts": ()}, ["alerts"]),
    ("MarkAlerts", {"alerts": (1, 1)}, ["alerts"]),
    ("MarkAlerts", {"alerts": tuple(range(200))}, []),
    ("SnoozeAlerts", {"alerts": tuple(range(201))}, ["alerts"]),
    ("CreateApiKey", {"scopes": ()}, ["scopes"]),
    ("CreateApiKey", {"prefix": "live"}, ["secret_hash"]),
    ("RotateApiKey", {"secret_hash": HASH + "0"}, ["secret_hash"]),
    ("AskApproval", {"command": AskApproval(GRANT)}, ["command"]),
    ("AskApproval", {"command": DecideApproval(1, approve=True, note="yes")}, ["command"]),
    ("AskApproval", {"command": RedeemGiftCode("acme", "ABCD")}, ["command"]),
    ("AskApproval", {"command": replace(GRANT, amount_micro=0)}, ["amount"]),
    ("SetFeaturePrice", {"factors": {"": MICRO}}, ["factors"]),
    ("SetFeaturePrice", {"factors": {"x" * 121: MICRO}}, ["factors"]),
    ("SetFeaturePrice", {"factors": {"x" * 120: 1000 * MICRO, "low": 1}}, []),
    ("SetFeaturePrice", {"factors": {"high": 1000 * MICRO + 1}}, ["factors"]),
    ("SetFeaturePrice", {"factors": {"low": 0}}, ["factors"]),
    *((kind, {"price": cents(0)}, ["price"]) for kind in ("DefinePackage", "RecordTopUp", "AdoptPayment")),
    *((kind, {"price": cents(MAX_MICRO)}, []) for kind in ("DefinePackage", "AdoptPayment", "DefinePlan")),
    *((kind, {"price": cents(MAX_MICRO + 1)}, ["price"]) for kind in ("DefinePackage", "AdoptPayment", "DefinePlan")),
    ("DefinePlan", {"price": cents(0)}, []),
    ("DefinePlan", {"price": cents(-1)}, ["price"]),
    *((kind, {"code": " x"}, ["code"]) for kind in ("DefinePlan", "DefineReferralProgramme")),
    ("DefineBundle", {"features": ()}, ["features"]),
    ("DefineBundle", {"features": ("api", "api")}, ["features"]),
    ("AdjustBalance", {"batch_id": 1}, ["batch_id"]),
    ("AdjustBalance", {"credit_type": CreditType.PURCHASED}, ["credit_type"]),
    ("AdjustBalance", {"amount_micro": -MICRO, "expires_on": date(2027, 1, 1), "effective_at": None}, ["expires_on"]),
    ("AdjustBalance", {"amount_micro": -MICRO}, ["effective_at"]),
    ("AdjustBalance", {"amount_micro": -MAX_MICRO, "effective_at": None, "batch_id": 1}, []),
    ("AdjustBalance", {"amount_micro": -MICRO, "effective_at": None, "credit_type": CreditType.PURCHASED}, []),
    ("ExtendExpiry", {"never_expires": True}, ["expires_on"]),
    ("ExtendExpiry", {"expires_on": None}, ["expires_on"]),
    ("ExtendExpiry", {"expires_on": None, "never_expires": True}, []),
    ("ExtendExpiry", {"expires_on": date(3000, 1, 1)}, ["expires_on"]),
    ("BookFile", {"rows": ()}, ["rows"]),
    ("BookFile", {"rows": (FileRow(2, "a", GRANT), FileRow(3, "a", GRANT))}, ["rows"]),
    ("BookFile", {"rows": (FileRow(2, " ", GRANT),)}, ["key"]),
    ("BookFile", {"rows": (FileRow(2, "x" * 120, GRANT),)}, []),
    ("BookFile", {"rows": (FileRow(2, "x" * 121, GRANT),)}, ["key"]),
    ("BookFile", {"rows": tuple(FileRow(n, str(n), GRANT) for n in range(5_001))}, ["rows"]),
    *((kind, {"note": " too short "}, ["note"]) for kind in ("ExplainFinding", "ReopenFinding")),
    *((kind, {"note": "ten chars."}, []) for kind in ("ExplainFinding", "ReopenFinding")),
    ("IssueGiftCodes", {"credit_type": CreditType.PURCHASED}, ["credit_type"]),
    ("IssueGiftCodes", {"hashes": (), "hints": ()}, ["hashes"]),
    ("IssueGiftCodes", {"hashes": (HASH, HASH), "hints": ("A", "B")}, ["hashes"]),
    ("IssueGiftCodes", {"hashes": ("x" * 64,)}, ["hashes"]),
    ("IssueGiftCodes", {"hints": ()}, ["hints"]),
    ("IssueGiftCodes", {"hints": ("ABCDE",)}, ["hints"]),
    ("IssueGiftCodes", {"hints": (" ",)}, ["hints"]),
    ("IssueGiftCodes", {"credit_type": CreditType.PROMOTIONAL, "expires_days": 29}, ["expires_days"]),
    ("IssueGiftCodes", {"credit_type": CreditType.PROMOTIONAL, "expires_days": 91}, ["expires_days"]),
    ("RedeemGiftCode", {"code": "--"}, ["code"]),
    ("GiveBack", {"amount_micro": None}, []),
    ("IssueGrant", {"credit_type": CreditType.PURCHASED}, ["credit_type"]),
    ("IssueGrant", {"expires_on": date(2027, 1, 1), "never_expires": True}, ["expires_on"]),
    ("IssueGrant", {"features": ("x" * 121,)}, ["features"]),
    ("PlaceHold", {"reference": "dispute:1"}, ["reference"]),
    ("CaptureHold", {"amount_micro": None}, []),
    ("ConvertLead", {"email": "nobody"}, ["email"]),
    ("ConvertLead", {"account_type": AccountType.LEAD}, ["account_type"]),
    ("SendMailAgain", {"to_address": "nobody"}, ["to"]),
    ("SendMailAgain", {"to_address": ""}, []),
    ("SendTestMail", {"to_address": " "}, ["to"]),
    ("AllowAddress", {"address": "Ann <ann@example.com>"}, ["to"]),
    ("ApproveOverdraft", {"limit_micro": 0}, ["until"]),
    ("ApproveOverdraft", {"limit_micro": 1}, []),
    ("ApproveOverdraft", {"limit_micro": MAX_MICRO}, []),
    ("ApproveOverdraft", {"limit_micro": MAX_MICRO + 1}, ["limit"]),
    ("ApproveOverdraft", {"limit_micro": -1, "until": None}, ["limit"]),
    ("ApproveOverdraft", {"limit_micro": 0, "until": None}, []),
    ("SetPoolMembers", {"members": ()}, ["members"]),
    ("SetPoolMembers", {"members": (PoolMember("ann"), PoolMember("ann"))}, ["members"]),
    ("SetPoolMembers", {"members": tuple(PoolMember(str(n)) for n in range(1_001))}, ["members"]),
    ("SetPoolMembers", {"members": (PoolMember("ann", hour_limit_micro=-1),)}, ["hour_limit"]),
    ("PoolMember", {"member": "ann "}, ["member"]),
    ("DefineReferralProgramme", {"referrer_micro": 0, "referee_micro": 0}, ["referee"]),
    ("DefineReferralProgramme", {"cap": 0}, ["cap"]),
    ("DefineReferralProgramme", {"cap": 1}, []),
    ("CreateReferralCode", {"code": "abc"}, ["code"]),
    ("CreateReferralCode", {"code": ""}, []),
    ("NoteProviderPrices", {"prices": ()}, ["prices"]),
    ("NoteProviderPrices", {"prices": (), "archived": ("old",)}, []),
    ("NoteProviderPrices", {"prices": (ProviderPrice(1, "a", "b"), ProviderPrice(1, "a", "c"))}, ["prices"]),
    ("StartPurchase", {"purpose": Purpose.RECHARGE}, ["purpose"]),
    ("AdoptPayment", {"package": ""}, ["package"]),
    ("AdoptPayment", {"credits_micro": MICRO}, ["package"]),
    ("AdoptPayment", {"package": "", "credits_micro": MICRO}, []),
    ("AdoptPayment", {"package": "", "credits_micro": 0}, ["amount"]),
    ("AdoptPayment", {"package": "x" * 121}, ["package"]),
    ("NoteCheckout", {"ends_at": None}, []),
    ("SetRechargeRule", {"terms": None}, []),
    ("RechargeTerms", {"threshold_micro": None, "runway_days": None}, ["threshold"]),
    ("RechargeTerms", {"day_cap_cents": 200, "month_cap_cents": 200}, []),
    ("RechargeTerms", {"cool_down": timedelta(minutes=1)}, []),
    ("RechargeTerms", {"cool_down": timedelta(days=30)}, []),
    ("RechargeTerms", {"cool_down": timedelta(days=30, minutes=1)}, ["cool_down"]),
    ("RechargeTerms", {"cool_down": timedelta(0)}, ["cool_down"]),
    ("RechargeTerms", {"cool_down": timedelta(seconds=90)}, ["cool_down"]),
    ("InviteReferral", {"email": "nobody"}, ["email"]),
    ("RefundPurchase", {"amount_micro": None}, []),
    ("OpenAccount", {"account": " acme"}, ["account"]),
    ("OpenAccount", {"zone": "Europe/Atlantis"}, ["zone"]),
    ("OpenLead", {"zone": "Europe/Atlantis"}, ["zone"]),
    ("OpenPool", {"zone": "Europe/Atlantis"}, ["zone"]),
    ("OpenAccount", {"email": "nobody"}, ["email"]),
    ("ChangeCustomer", {"name": None}, []),
    *((kind, {"details": {"n": 2**64}}, ["details"]) for kind in KINDS if hasattr(KINDS[kind], "details")),
    *((kind, {"to": "acme"}, ["to"]) for kind in ("TransferCredits", "GiftCredits")),
    ("RecordUsageBulk", {"events": ()}, ["events"]),
    ("RecordUsageBulk", {"events": (EVENT,) * 10_001}, ["events"]),
]


@pytest.mark.parametrize(("kind", "changes", "at_fault"), ODD, ids=[f"{row[0]}-{n}" for n, row in enumerate(ODD)])
def test_a_refusal_names_the_field(kind: str, changes: dict[str, Any], at_fault: list[str]) -> None:
    assert is_dataclass(KINDS[kind])
    assert refused(kind, **changes) == at_fault
