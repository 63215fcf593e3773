"""Words about plans, leads and referrals.

plan basic 100 [rolls over 50 [share 50 %] [for 2 periods]] [every 3 months]
start acme on basic [anchored on 31]
change acme to pro
cancel plan of acme
renew                               the nightly job: what is due for everybody
lead lea                            opens it with its free credits
convert lea [to hybrid]
programme friends 50 20 [cap 2]     credits for the referrer and for who joins
code ACME for acme in friends
email acme ada@acme.example
invite bea@bolt.example by ACME
bolt joins by ACME
qualify bolt
release referral of bolt            also: refuse referral of bolt
expect referral of bolt rewarded    or joined, qualified, refused; "held" may follow
expect plan of acme pro until 2026-05-10 [then basic]   or: expect plan of acme ended
"""

import re
from collections.abc import Callable
from typing import Any

from ledger import (
    AccountType,
    CancelPlan,
    ChangeCustomer,
    ChangePlan,
    Command,
    ConvertLead,
    CreateReferralCode,
    DefinePlan,
    DefineReferralProgramme,
    InviteReferral,
    JoinReferral,
    Money,
    OpenLead,
    QualifyReferral,
    RefuseReferral,
    ReleaseReferral,
    StartPlan,
    credits_to_micro,
)
from ledger.renewals import renew_due
from tests.operations.books import all_rows
from tests.scenarios.interpreter import NUMBER, REASON, Line, Story, StoryError


def _plan(story: Story, found: re.Match[str], line: Line) -> Command:
    code, credits, cap, share, periods, months = found.groups()
    return DefinePlan(
        code,
        code.title(),
        credits_to_micro(credits),
        Money(0, "EUR"),
        months=int(months or 1),
        rollover_cap_micro=credits_to_micro(cap or 0),
        rollover_share_ppm=int(share or 100) * 10_000,
        rollover_periods=int(periods or 1),
    )


def _start(story: Story, found: re.Match[str], line: Line) -> Command:
    return StartPlan(found[1], found[2], REASON, anchor_day=int(found[3]) if found[3] else None)


def _change(story: Story, found: re.Match[str], line: Line) -> Command:
    return ChangePlan(found[1], found[2], REASON)


def _cancel(story: Story, found: re.Match[str], line: Line) -> Command:
    return CancelPlan(found[1], REASON)


def _renew(story: Story, found: re.Match[str], line: Line) -> None:
    renew_due(story.ledger)


def _lead(story: Story, found: re.Match[str], line: Line) -> Command:
    story.zones[found[1]] = story.ledger.company_zone
    return OpenLead(found[1], found[1].title(), zone=story.ledger.company_zone.key)


def _convert(story: Story, found: re.Match[str], line: Line) -> Command:
    return ConvertLead(found[1], AccountType(found[2] or "prepaid"))


def _programme(story: Story, found: re.Match[str], line: Line) -> Command:
    code, referrer, referee, cap = found.groups()
    return DefineReferralProgramme(
        code, code.title(), credits_to_micro(referrer), credits_to_micro(referee), cap=int(cap) if cap else None
    )


def _code(story: Story, found: re.Match[str], line: Line) -> Command:
    return CreateReferralCode(found[2], found[3], found[1])


def _email(story: Story, found: re.Match[str], line: Line) -> Command:
    return ChangeCustomer(found[1], email=found[2])


def _invite(story: Story, found: re.Match[str], line: Line) -> Command:
    return InviteReferral(found[2], found[1])


def _join(story: Story, found: re.Match[str], line: Line) -> Command:
    return JoinReferral(found[2], found[1])


def _qualify(story: Story, found: re.Match[str], line: Line) -> Command:
    return QualifyReferral(found[1])


def _decide(story: Story, found: re.Match[str], line: Line) -> Command:
    id_ = _referral(story, found[2])["id"]
    return (ReleaseReferral if found[1] == "release" else RefuseReferral)(id_, REASON)


def _row(story: Story, table: str, column: str, account: str) -> dict[str, Any]:
    rows = all_rows(story.ledger)
    ids = [row["id"] for row in rows["account"] if row["external_id"] == account]
    found = [row for row in rows[table] if row[column] in ids]
    if not found:
        raise StoryError(f"{account} has no {table}")
    return found[0]


def _referral(story: Story, account: str) -> dict[str, Any]:
    return _row(story, "referral", "referee_id", account)


def _expect_referral(story: Story, found: re.Match[str], line: Line) -> None:
    row = _referral(story, found[1])
    said = row["state"] + (" held" if row["held_because"] else "")
    if said != found[2]:
        raise StoryError(f"the referral of {found[1]} is {said}")


def _expect_plan(story: Story, found: re.Match[str], line: Line) -> None:
    row = _row(story, "subscription", "account_id", found[1])
    codes = {one["id"]: one["code"] for one in all_rows(story.ledger)["plan"]}
    code = codes[row["plan_id"]]
    said = "ended" if row["state"] == "ended" else f"{code} until {row['period_end']}"
    if row["state"] == "active" and row["next_plan_code"] != code:
        said += f" then {row['next_plan_code']}"
    if said != found[2]:
        raise StoryError(f"the plan of {found[1]} is {said}")


ACTS: dict[str, Callable[[Story, re.Match[str], Line], Command]] = {
    rf"plan (\S+) ({NUMBER})(?: rolls over ({NUMBER})(?: share (\d+) %)?(?: for (\d+) periods?)?)?"
    r"(?: every (\d+) months)?": _plan,
    r"start (\S+) on (\S+)(?: anchored on (\d+))?": _start,
    r"change (\S+) to (\S+)": _change,
    r"cancel plan of (\S+)": _cancel,
    r"lead (\S+)": _lead,
    r"convert (\S+)(?: to (\w+))?": _convert,
    rf"programme (\S+) ({NUMBER}) ({NUMBER})(?: cap (\d+))?": _programme,
    r"code (\S+) for (\S+) in (\S+)": _code,
    r"email (\S+) (\S+)": _email,
    r"invite (\S+) by (\S+)": _invite,
    r"(\S+) joins by (\S+)": _join,
    r"qualify (\S+)": _qualify,
    r"(release|refuse) referral of (\S+)": _decide,
}
SENTENCES: dict[str, Callable[[Story, re.Match[str], Line], None]] = {
    r"renew": _renew,
    r"expect referral of (\S+) (.+)": _expect_referral,
    r"expect plan of (\S+) (.+)": _expect_plan,
}
