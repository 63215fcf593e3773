"""Words about what goes between customers: transfers, gift codes, pools.

transfer acme 70 to bolt [from batch 2]              batches count from 1 as acme got them
gift acme 10 to bolt saying Thank you
gift codes fair 3 of 50 promotional [until 2026-03-31 [12:00]] [life 30] [2 per customer]
redeem acme fair 1                                   the first code of that set
disable codes fair
pool team [zone Asia/Tokyo] [organisation north]
member team ana [10 an hour, 15 a day, 20 a month] [, not active]
expect transferred 0                                 credits on their way, over the company
expect codes fair 2 redeemed, 1 left
expect used by ana of team 1 this day, 16 this month
"""

import re
from collections.abc import Callable
from zoneinfo import ZoneInfo

from ledger import (
    Command,
    CreditType,
    DisableGiftCodes,
    GiftCredits,
    IssueGiftCodes,
    OpenPool,
    PoolMember,
    RedeemGiftCode,
    SetPoolMembers,
    TransferCredits,
    credits_to_micro,
    micro_to_text,
)
from ledger.codes import make_codes
from ledger.core.limits import Period, window
from tests.operations.books import all_rows
from tests.scenarios.interpreter import NUMBER, REASON, WHEN, Line, Story, StoryError


def _transfer(story: Story, found: re.Match[str], line: Line) -> Command:
    batch_id = int(str(story.batches(found[1])[int(found[4]) - 1]["id"])) if found[4] else None
    return TransferCredits(found[1], found[3], credits_to_micro(found[2]), REASON, batch_id)


def _gift(story: Story, found: re.Match[str], line: Line) -> Command:
    return GiftCredits(found[1], found[3], credits_to_micro(found[2]), REASON, found[4])


def _codes(story: Story, found: re.Match[str], line: Line) -> Command:
    codes = make_codes(int(found[2]))
    story.memory[f"codes {found[1]}"] = codes
    return IssueGiftCodes(
        found[1],
        CreditType(found[4]),
        credits_to_micro(found[3]),
        tuple(code.code_hash for code in codes),
        tuple(code.hint for code in codes),
        REASON,
        valid_until=story.instant(found[5], found[6], default="00:00") if found[5] else None,
        expires_days=int(found[7]) if found[7] else None,
        per_customer_limit=1 if found[8] in (None, "one") else int(found[8]),
    )


def _redeem(story: Story, found: re.Match[str], line: Line) -> Command:
    return RedeemGiftCode(found[1], story.memory[f"codes {found[2]}"][int(found[3]) - 1].text)


def _disable(story: Story, found: re.Match[str], line: Line) -> Command:
    return DisableGiftCodes(_set_of(story, found[1]), REASON)


def _set_of(story: Story, label: str) -> int:
    for row in all_rows(story.ledger)["gift_code_set"]:
        if row["label"] == label:
            return int(row["id"])
    raise StoryError(f"there are no gift codes {label}")


def _pool(story: Story, found: re.Match[str], line: Line) -> Command:
    zone = found[2] or story.ledger.company_zone.key
    story.zones[found[1]] = ZoneInfo(zone)
    return OpenPool(found[1], found[1].title(), organisation=found[3] or "", zone=zone)


def _member(story: Story, found: re.Match[str], line: Line) -> Command:
    said = (found[3] or "").strip(" ,")
    limits: dict[str, int] = {}
    is_active = True
    for part in re.split(r", ?", said) if said else ():
        if part == "not active":
            is_active = False
        elif limit := re.fullmatch(rf"({NUMBER}) an? (hour|day|month)", part):
            limits[f"{limit[2]}_limit_micro"] = credits_to_micro(limit[1])
        else:
            raise StoryError(f"{part!r} is no limit; say: 10 an hour, 15 a day, 20 a month, not active")
    return SetPoolMembers(found[1], (PoolMember(found[2], is_active=is_active, **limits),))


def _expect_transferred(story: Story, found: re.Match[str], line: Line) -> None:
    amount = sum(
        row["amount_micro"] * ((row["to_bucket"] == "transferred") - (row["from_bucket"] == "transferred"))
        for row in all_rows(story.ledger)["entry"]
    )
    if micro_to_text(amount) != found[1]:
        raise StoryError(f"transferred is {micro_to_text(amount)}, not {found[1]}")


def _expect_codes(story: Story, found: re.Match[str], line: Line) -> None:
    set_id = _set_of(story, found[1])
    codes = [row["redeemed_at"] is not None for row in all_rows(story.ledger)["gift_code"] if row["set_id"] == set_id]
    counted = (sum(codes), len(codes) - sum(codes))
    if counted != (int(found[2]), int(found[3])):
        raise StoryError(f"{counted[0]} are redeemed, {counted[1]} left")


def _expect_used_by(story: Story, found: re.Match[str], line: Line) -> None:
    now = {period.value: window(period, story.clock.now(), story.zones[found[2]]).starts_at for period in Period}
    rows = all_rows(story.ledger)
    (pool_id,) = (row["id"] for row in rows["account"] if row["external_id"] == found[2])
    used = {
        row["period"]: micro_to_text(row["used_micro"])
        for row in rows["pool_usage"]
        if (row["pool_id"], row["member"]) == (pool_id, found[1]) and row["starts_at"] == now[row["period"]]
    }
    for amount, period in re.findall(rf"({NUMBER}) this (hour|day|month)", found[3]):
        if used.get(period, "0") != amount:
            raise StoryError(f"{found[1]} used {used.get(period, '0')} this {period}, not {amount}")


ACTS: dict[str, Callable[[Story, re.Match[str], Line], Command]] = {
    rf"transfer (\S+) ({NUMBER}) to (\S+)(?: from batch (\d+))?": _transfer,
    rf"gift (\S+) ({NUMBER}) to (\S+) saying (.+)": _gift,
    rf"gift codes (\S+) (\d+) of ({NUMBER}) (\w+)(?: until {WHEN})?(?: life (\d+))?(?: (\w+) per customer)?": _codes,
    r"redeem (\S+) (\S+) (\d+)": _redeem,
    r"disable codes (\S+)": _disable,
    r"pool (\S+)(?: zone (\S+))?(?: organisation (\S+))?": _pool,
    r"member (\S+) (\S+)(| .+|, not active)": _member,
}
SENTENCES: dict[str, Callable[[Story, re.Match[str], Line], None]] = {
    rf"expect transferred ({NUMBER})": _expect_transferred,
    r"expect codes (\S+) (\d+) redeemed, (\d+) left": _expect_codes,
    r"expect used by (\S+) of (\S+) (.+)": _expect_used_by,
}
