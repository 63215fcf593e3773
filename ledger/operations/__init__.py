"""Every command with the handler that carries it out. Handlers load, plan and queue; they never commit."""

from collections.abc import Callable
from typing import Any

from ledger.commands import Command, Outcome
from ledger.context import Context
from ledger.operations import (
    approvals,
    catalog,
    corrections,
    expiry,
    give_back,
    grants,
    holds,
    overdraft,
    payments,
    refunds,
    setup,
    usage,
)

HANDLERS: dict[type[Command], Callable[[Context, Any], Outcome]] = {
    setup.OpenAccount: setup.open_account,
    setup.ChangeCustomer: setup.change_customer,
    catalog.SetFeaturePrice: catalog.set_feature_price,
    catalog.DefinePackage: catalog.define_package,
    catalog.DefineBundle: catalog.define_bundle,
    grants.IssueGrant: grants.issue_grant,
    payments.RecordTopUp: payments.record_top_up,
    corrections.AdjustBalance: corrections.adjust_balance,
    usage.RecordUsage: usage.record_usage,
    usage.RecordUsageBulk: usage.record_usage_bulk,
    holds.PlaceHold: holds.place_hold,
    holds.CaptureHold: holds.capture_hold,
    holds.ReleaseHold: holds.release_hold,
    holds.ExtendHold: holds.extend_hold,
    give_back.GiveBack: give_back.give_back,
    expiry.ExpireDue: expiry.expire_due,
    refunds.RefundPurchase: refunds.refund_purchase,
    overdraft.ApproveOverdraft: overdraft.approve_overdraft,
    approvals.AskApproval: approvals.ask_approval,
    approvals.DecideApproval: approvals.decide_approval,
}
