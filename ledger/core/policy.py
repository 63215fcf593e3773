"""Who may do what. The only list: pages hide by it, the facade refuses by it, the API scopes by it."""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    FINANCE = "finance"
    ACCOUNT_MANAGER = "account_manager"
    ADMIN = "admin"
    SYSTEM = "system"


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


_READ = frozenset({Permission.VIEW_PORTFOLIO, Permission.VIEW_CUSTOMER, Permission.VIEW_LEDGER, Permission.EXPORT})

GRANTED: dict[Role, frozenset[Permission]] = {
    Role.FINANCE: _READ,
    Role.ACCOUNT_MANAGER: _READ,
    Role.ADMIN: _READ
    | {
        Permission.ISSUE_GRANT,
        Permission.RECORD_TOP_UP,
        Permission.ADJUST_BALANCE,
        Permission.MANAGE_CUSTOMERS,
        Permission.MANAGE_CATALOG,
        Permission.RECORD_USAGE,
        Permission.RUN_JOBS,
    },
    Role.SYSTEM: frozenset(Permission),
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
}


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: an e-mail address, the name of an API key, or "system"; written into every transaction."""

    id: str
    role: Role


SYSTEM = Actor("system", Role.SYSTEM)


def allows(actor: Actor, permission: Permission) -> bool:
    """Whether that actor's role holds the permission."""
    return permission in GRANTED[actor.role]


def roles_with(permission: Permission) -> tuple[Role, ...]:
    """The human roles that hold a permission, to tell people whom to ask."""
    return tuple(role for role in Role if role is not Role.SYSTEM and permission in GRANTED[role])
