"""The ledger of prepaid credits: the public names, nothing else."""

from ledger.commands import Command, Reason
from ledger.core.alerts import Addressee, AlertKind
from ledger.core.amounts import MICRO, Money, credits_to_micro, micro_to_text
from ledger.core.payments import PaymentState, Provider, Purpose, RechargeTerms, RefundTo
from ledger.core.plans import LEAD_CREDITS_MICRO, AllocationKind
from ledger.core.policy import SYSTEM, Actor, Permission, Role, Scope
from ledger.core.records import AccountType, Batch, Bucket, CreditType, Take
from ledger.core.referrals import ReferralState
from ledger.errors import (
    AlreadyReversed,
    ApprovalDecided,
    ApprovalRequired,
    BatchClosed,
    Conflict,
    EventReused,
    Fault,
    GatewayError,
    HoldAlreadyResolved,
    HoldReused,
    InsufficientCredits,
    InvalidCommand,
    KeyReused,
    LedgerCorrupt,
    LedgerError,
    LimitReached,
    MailUnavailable,
    NotAllowedNow,
    NotFound,
    NotPermitted,
    NotSetUp,
    PeriodClosed,
    ProviderNotSetUp,
    ProviderRefused,
    ProviderUnavailable,
    ReferenceUsed,
    ScopeMissing,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
)
from ledger.estimates import Estimate, estimate_cost
from ledger.facade import Ledger, open_ledger
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
from ledger.operations.sendings import RetryProviderRefund
from ledger.operations.setup import ChangeCustomer, OpenAccount
from ledger.operations.transfers import GiftCredits, TransferCredits
from ledger.operations.usage import RecordUsage, RecordUsageBulk, UsageEvent
from ledger.receipt import NewBatch, Overdraft, Receipt, Refusal

__all__ = [
    "LEAD_CREDITS_MICRO",
    "MICRO",
    "SYSTEM",
    "AccountType",
    "Actor",
    "Addressee",
    "AdjustBalance",
    "AdoptPayment",
    "AlertKind",
    "AllocatePlanCredits",
    "AllocationKind",
    "AllowAddress",
    "AlreadyReversed",
    "ApprovalDecided",
    "ApprovalRequired",
    "ApproveOverdraft",
    "AskApproval",
    "AssignFinding",
    "Batch",
    "BatchClosed",
    "BookFile",
    "Bucket",
    "CancelPlan",
    "CaptureHold",
    "ChangeCustomer",
    "ChangePlan",
    "ClosePeriod",
    "Command",
    "Conflict",
    "ConvertLead",
    "CreateApiKey",
    "CreateReferralCode",
    "CreditType",
    "DecideApproval",
    "DecidePayment",
    "DefineBundle",
    "DefinePackage",
    "DefinePlan",
    "DefineReferralProgramme",
    "DisableGiftCodes",
    "DisableReferralCode",
    "DropAlertRule",
    "EndReferralProgramme",
    "Estimate",
    "EventReused",
    "ExpireDue",
    "ExplainFinding",
    "ExtendExpiry",
    "ExtendHold",
    "Fault",
    "FileRow",
    "FollowPayment",
    "FollowSubscription",
    "GatewayError",
    "GiftCredits",
    "GiveBack",
    "HoldAlreadyResolved",
    "HoldReused",
    "InsufficientCredits",
    "InvalidCommand",
    "InviteReferral",
    "IssueGiftCodes",
    "IssueGrant",
    "JoinReferral",
    "KeyReused",
    "Ledger",
    "LedgerCorrupt",
    "LedgerError",
    "LimitReached",
    "LinkPlanPrice",
    "MailUnavailable",
    "MarkAlerts",
    "Money",
    "NewBatch",
    "NotAllowedNow",
    "NotFound",
    "NotPermitted",
    "NotSetUp",
    "NoteCheckout",
    "NoteProviderPrices",
    "OpenAccount",
    "OpenLead",
    "OpenPool",
    "Overdraft",
    "PaymentState",
    "PeriodClosed",
    "Permission",
    "PlaceHold",
    "PoolMember",
    "Provider",
    "ProviderNotSetUp",
    "ProviderPrice",
    "ProviderRefused",
    "ProviderUnavailable",
    "Purpose",
    "QualifyReferral",
    "Reason",
    "RebuildTotals",
    "Receipt",
    "RechargeTerms",
    "RecordTopUp",
    "RecordUsage",
    "RecordUsageBulk",
    "RedeemGiftCode",
    "ReferenceUsed",
    "ReferralState",
    "RefundPurchase",
    "RefundTo",
    "Refusal",
    "RefuseReferral",
    "ReleaseHold",
    "ReleaseReferral",
    "ReopenFinding",
    "ReopenPeriod",
    "ResumeRecharge",
    "RetryProviderRefund",
    "ReverseTransaction",
    "RevokeApiKey",
    "Role",
    "RotateApiKey",
    "Scope",
    "ScopeMissing",
    "SendMailAgain",
    "SendTestMail",
    "SetAlertRule",
    "SetFeaturePrice",
    "SetPoolMembers",
    "SetRechargeRule",
    "SnoozeAlerts",
    "StartPlan",
    "StartPurchase",
    "StartRecharge",
    "Take",
    "TooManyRequests",
    "TransferCredits",
    "Unauthenticated",
    "Unavailable",
    "UndoFile",
    "UsageEvent",
    "VoidBatch",
    "credits_to_micro",
    "estimate_cost",
    "micro_to_text",
    "open_ledger",
]
