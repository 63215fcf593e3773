"""Who may do what, written out a second time: a change of policy has to be made on purpose."""

import pytest

from ledger.core.policy import (
    ACT_WORDS,
    SCOPES,
    SYSTEM,
    Actor,
    Permission,
    Role,
    Scope,
    allows,
    roles_with,
    scopes_with,
)

READ = {"view_portfolio", "view_customer", "view_ledger", "export"}
WRITE = {
    "issue_grant",
    "record_top_up",
    "adjust_balance",
    "manage_customers",
    "manage_catalog",
    "record_usage",
    "run_jobs",
    "manage_holds",
    "transfer",
    "refund",
    "extend_expiry",
    "allow_overdraft",
    "issue_codes",
    "manage_pools",
    "manage_referrals",
    "manage_plans",
    "ask_approval",
    "decide_approval",
    "reopen_period",
    "manage_keys",
    "manage_alerts",
    "handle_alerts",
    "manage_mail",
    "sell",
    "manage_recharge",
    "manage_payments",
    "reconcile",
}
EXPECTED = {
    Role.FINANCE: READ | {"close_period", "handle_alerts", "reconcile"},
    Role.ACCOUNT_MANAGER: READ | {"ask_approval", "handle_alerts", "sell"},
    Role.ADMIN: READ | WRITE,
    Role.SYSTEM: READ | WRITE | {"close_period", "follow_provider"},
    Role.SERVICE: set(),
}


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("permission", Permission)
def test_each_role_holds_exactly_its_permissions(role: Role, permission: Permission) -> None:
    assert allows(Actor("somebody", role), permission) is (permission.value in EXPECTED[role])


def test_every_permission_has_a_name_for_people() -> None:
    assert set(ACT_WORDS) == set(Permission)


def test_people_are_told_whom_to_ask() -> None:
    assert roles_with(Permission.ISSUE_GRANT) == (Role.ADMIN,)
    assert roles_with(Permission.EXPORT) == (Role.FINANCE, Role.ACCOUNT_MANAGER, Role.ADMIN)
    assert allows(SYSTEM, Permission.RUN_JOBS)


def test_a_key_may_what_its_scopes_say() -> None:
    meter = Actor("key:abc", Role.SERVICE, frozenset({Scope.USAGE_WRITE, Scope.BALANCE_READ}))
    allowed = {permission for permission in Permission if allows(meter, permission)}
    assert allowed == {Permission.RECORD_USAGE, Permission.MANAGE_HOLDS, Permission.VIEW_CUSTOMER}
    assert set(SCOPES) == set(Scope)
    assert scopes_with(Permission.ISSUE_GRANT) == (Scope.GRANTS_WRITE, Scope.ADMIN)


@pytest.mark.parametrize("scope", Scope)
def test_a_key_that_moves_credits_by_decision_may_ask_a_second_person(scope: Scope) -> None:
    asks = allows(Actor("key:abc", Role.SERVICE, frozenset({scope})), Permission.ASK_APPROVAL)
    assert asks is (scope in {Scope.GRANTS_WRITE, Scope.CORRECTIONS_WRITE, Scope.ADMIN})


@pytest.mark.parametrize("scope", Scope)
def test_no_key_decides_as_a_second_person_or_makes_keys(scope: Scope) -> None:
    holder = Actor("key:abc", Role.ADMIN, frozenset({scope}))
    assert not allows(holder, Permission.DECIDE_APPROVAL)
    assert not allows(holder, Permission.MANAGE_KEYS)
