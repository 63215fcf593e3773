"""Who may do what. The only list: pages hide by it, the facade refuses by it, the API scopes by it."""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    FINANCE = "finance"
    ACCOUNT_MANAGER = "account_manager"
    ADMIN = "admin"
    SYSTEM = "system"
    # A holder of an API key: may what the scopes of the key say, whatever its role.
    SERVICE = "service"


class Permission(StrEnum):
    VIEW_PORTFOLIO = "view_portfolio"
    VIEW_CUSTOMER = "view_customer"
    VIEW_LEDGER = "view_ledger"
    EXPORT = "export"
    ISSUE_GRANT = "issue_grant"
    RECORD_TOP_UP = "record_top_up"
    ADJUST_BALANCE = "adjust_balance"
    MANAGE_CUSTOMERS = "manage_customers"
    MANAGE_CATALOG = "manage_catalog"
    RECORD_USAGE = "record_usage"
    RUN_JOBS = "run_jobs"
    MANAGE_HOLDS = "manage_holds"
    TRANSFER = "transfer"
    REFUND = "refund"
    EXTEND_EXPIRY = "extend_expiry"
    ALLOW_OVERDRAFT = "allow_overdraft"
    ISSUE_CODES = "issue_codes"
    MANAGE_POOLS = "manage_pools"
    MANAGE_REFERRALS = "manage_referrals"
    MANAGE_PLANS = "manage_plans"
    ASK_APPROVAL = "ask_approval"
    DECIDE_APPROVAL = "decide_approval"
    CLOSE_PERIOD = "close_period"
    REOPEN_PERIOD = "reopen_period"
    MANAGE_KEYS = "manage_keys"
    MANAGE_ALERTS = "manage_alerts"
    HANDLE_ALERTS = "handle_alerts"
    MANAGE_MAIL = "manage_mail"
    SELL = "sell"
    MANAGE_RECHARGE = "manage_recharge"
    MANAGE_PAYMENTS = "manage_payments"
    RECONCILE = "reconcile"
    FOLLOW_PROVIDER = "follow_provider"


_READ = frozenset({Permission.VIEW_PORTFOLIO, Permission.VIEW_CUSTOMER, Permission.VIEW_LEDGER, Permission.EXPORT})

GRANTED: dict[Role, frozenset[Permission]] = {
    Role.FINANCE: _READ | {Permission.CLOSE_PERIOD, Permission.HANDLE_ALERTS, Permission.RECONCILE},
    Role.ACCOUNT_MANAGER: _READ | {Permission.ASK_APPROVAL, Permission.HANDLE_ALERTS, Permission.SELL},
    # What a provider says is followed by the product alone: nobody types that something was paid.
    Role.ADMIN: frozenset(Permission) - {Permission.CLOSE_PERIOD, Permission.FOLLOW_PROVIDER},
    Role.SYSTEM: frozenset(Permission),
    Role.SERVICE: frozenset(),
}
# What a role may ask a second person to let happen, beyond what it may do by itself.
ASKABLE: dict[Role, frozenset[Permission]] = {
    Role.FINANCE: frozenset(),
    Role.ACCOUNT_MANAGER: frozenset(
        {
            Permission.ISSUE_GRANT,
            Permission.ISSUE_CODES,
            Permission.TRANSFER,
            Permission.EXTEND_EXPIRY,
            Permission.REFUND,
        }
    ),
    Role.ADMIN: GRANTED[Role.ADMIN],
    Role.SYSTEM: GRANTED[Role.SYSTEM],
    Role.SERVICE: frozenset(),
}


class Scope(StrEnum):
    """What an API key may be used for."""

    USAGE_WRITE = "usage:write"
    BALANCE_READ = "balance:read"
    GRANTS_WRITE = "grants:write"
    CORRECTIONS_WRITE = "corrections:write"
    CUSTOMERS_WRITE = "customers:write"
    PURCHASES_WRITE = "purchases:write"
    REPORTS_READ = "reports:read"
    ADMIN = "admin"


SCOPES: dict[Scope, frozenset[Permission]] = {
    Scope.USAGE_WRITE: frozenset({Permission.RECORD_USAGE, Permission.MANAGE_HOLDS}),
    Scope.BALANCE_READ: frozenset({Permission.VIEW_CUSTOMER}),
    # Who may move credits may ask a second person to let it move more.
    Scope.GRANTS_WRITE: frozenset({Permission.ISSUE_GRANT, Permission.RECORD_TOP_UP, Permission.ASK_APPROVAL}),
    Scope.CORRECTIONS_WRITE: frozenset(
        {
            Permission.ADJUST_BALANCE,
            Permission.TRANSFER,
            Permission.REFUND,
            Permission.EXTEND_EXPIRY,
            Permission.ASK_APPROVAL,
        }
    ),
    Scope.CUSTOMERS_WRITE: frozenset({Permission.MANAGE_CUSTOMERS, Permission.MANAGE_PLANS}),
    Scope.PURCHASES_WRITE: frozenset({Permission.SELL, Permission.MANAGE_RECHARGE}),
    Scope.REPORTS_READ: _READ,
    # A program is nobody's second person, and makes no keys for others.
    Scope.ADMIN: GRANTED[Role.ADMIN] - {Permission.DECIDE_APPROVAL, Permission.MANAGE_KEYS},
}

# How a person would name the act, for sentences such as "You may not issue credits".
ACT_WORDS: dict[Permission, str] = {
    Permission.VIEW_PORTFOLIO: "look at the portfolio",
    Permission.VIEW_CUSTOMER: "look at customers",
    Permission.VIEW_LEDGER: "look at the ledger",
    Permission.EXPORT: "export data",
    Permission.ISSUE_GRANT: "issue credits",
    Permission.RECORD_TOP_UP: "record top-ups",
    Permission.ADJUST_BALANCE: "correct balances",
    Permission.MANAGE_CUSTOMERS: "open or change customers",
    Permission.MANAGE_CATALOG: "change the catalogue",
    Permission.RECORD_USAGE: "record usage",
    Permission.RUN_JOBS: "run jobs",
    Permission.MANAGE_HOLDS: "place or release holds",
    Permission.TRANSFER: "transfer credits",
    Permission.REFUND: "refund credits",
    Permission.EXTEND_EXPIRY: "extend an expiry",
    Permission.ALLOW_OVERDRAFT: "allow an overdraft",
    Permission.ISSUE_CODES: "issue gift codes",
    Permission.MANAGE_POOLS: "change pools",
    Permission.MANAGE_REFERRALS: "change referrals",
    Permission.MANAGE_PLANS: "change the plan of a customer",
    Permission.ASK_APPROVAL: "ask for approval",
    Permission.DECIDE_APPROVAL: "decide about requests",
    Permission.CLOSE_PERIOD: "close a period",
    Permission.REOPEN_PERIOD: "open a closed period again",
    Permission.MANAGE_KEYS: "make or revoke API keys",
    Permission.MANAGE_ALERTS: "change the rules of alerts",
    Permission.HANDLE_ALERTS: "handle alerts",
    Permission.MANAGE_MAIL: "send mail again",
    Permission.SELL: "sell credits",
    Permission.MANAGE_RECHARGE: "change rules of auto-recharge",
    Permission.MANAGE_PAYMENTS: "handle payments and messages of providers",
    Permission.RECONCILE: "compare the books with a provider",
    Permission.FOLLOW_PROVIDER: "book what a provider says",
}


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: an e-mail address, "key:" and the prefix of an API key, or "system"; written into every transaction.

    ``scopes`` are those of an API key and say what it may do; None for people, whose role says it.
    """

    id: str
    role: Role
    scopes: frozenset[Scope] | None = None


SYSTEM = Actor("system", Role.SYSTEM)


def allows(actor: Actor, permission: Permission) -> bool:
    """Whether that actor's role, or one of its scopes, holds the permission."""
    if actor.scopes is not None:
        return any(permission in SCOPES[scope] for scope in actor.scopes)
    return permission in GRANTED[actor.role]


def roles_with(permission: Permission) -> tuple[Role, ...]:
    """The human roles that hold a permission, to tell people whom to ask."""
    return tuple(role for role in Role if role is not Role.SYSTEM and permission in GRANTED[role])


def scopes_with(permission: Permission) -> tuple[Scope, ...]:
    """The scopes that hold a permission, to tell the holder of a key which one is missing."""
    return tuple(scope for scope in Scope if permission in SCOPES[scope])


def may_ask(actor: Actor, permission: Permission) -> bool:
    """Whether that actor may ask a second person to let an act of this kind happen."""
    return permission in ASKABLE[actor.role] and allows(actor, Permission.ASK_APPROVAL)


def needs_second_person(actor: Actor, *, needs_two: bool, weight_micro: int, limit_micro: int) -> bool:
    """Whether an act must be approved by somebody else: by its nature, or because it moves more than one may alone.

    The product itself moves any amount; what nobody may do alone, it may not either.
    Source: docs/accounting.md, rule 13.
    """
    return needs_two or (actor.role is not Role.SYSTEM and weight_micro > limit_micro)
