"""Who may do what, written out a second time: a change of policy has to be made on purpose."""

import pytest

from ledger.core.policy import ACT_WORDS, SYSTEM, Actor, Permission, Role, allows, roles_with

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
}
EXPECTED = {
    Role.FINANCE: READ | {"close_period"},
    Role.ACCOUNT_MANAGER: READ | {"ask_approval"},
    Role.ADMIN: READ | WRITE,
    Role.SYSTEM: READ | WRITE | {"close_period"},
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
