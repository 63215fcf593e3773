"""Pool, transfers and gift codes of the demo company: what happens on which day."""

import random
from collections.abc import Callable, Iterator
from datetime import UTC, timedelta
from functools import partial

from ledger.clock import FixedClock
from ledger.codes import HINT_CHARS, hash_of
from ledger.commands import Reason
from ledger.core.amounts import MICRO, Money
from ledger.core.policy import SYSTEM
from ledger.core.records import CreditType
from ledger.demo_cast import DAYS, ZONE
from ledger.operations.gift_codes import DisableGiftCodes, IssueGiftCodes, RedeemGiftCode
from ledger.operations.payments import RecordTopUp
from ledger.operations.pools import OpenPool, PoolMember, SetPoolMembers
from ledger.operations.setup import ChangeCustomer
from ledger.operations.transfers import GiftCredits, TransferCredits
from ledger.operations.usage import RecordUsageBulk, UsageEvent
from ledger.receipt import Receipt

POOL, ORGANISATION = "pool_aurora_lab", "Aurora Group"
_POOL_DAY = DAYS - 60
_CODES_DAY = DAYS - 25
_AGREED = Reason("contract", "Agreed with the Aurora Group for its laboratory")
# Who uses the pool, and how many image generations on a working day.
_MEMBERS = {"noa": ("Noa Lindqvist", 6), "emil": ("Emil Okafor", 9), "render-farm": ("Render farm", 14)}
Act = tuple[int, int, Callable[[], object]]
Run = Callable[..., Receipt]


def acts(run: Run, clock: FixedClock, first: int, last: int) -> Iterator[Act]:
    """What happens on the days [first, last): day, hour and act."""
    everything = [*_of_pool(run, clock), *_of_codes(run)]
    yield from (act for act in everything if first <= act[0] < last)


def _of_pool(run: Run, clock: FixedClock) -> Iterator[Act]:
    members = (
        PoolMember("noa", _MEMBERS["noa"][0], None, 150 * MICRO, 2_000 * MICRO),
        PoolMember("emil", _MEMBERS["emil"][0], None, 120 * MICRO, 2_400 * MICRO),
        PoolMember("render-farm", _MEMBERS["render-farm"][0], hour_limit_micro=200 * MICRO),
        PoolMember("jules", "Jules Hart, left in spring", is_active=False),
    )
    paid = Reason("bank transfer", "Credits for the laboratory, paid by the group")
    for command in (
        ChangeCustomer("cus_aurora", organisation=ORGANISATION),
        OpenPool(POOL, "Aurora laboratory", ORGANISATION, ZONE, "max@example.com"),
        SetPoolMembers(POOL, members),
        RecordTopUp(POOL, 15_000 * MICRO, Money(10_500, "USD"), "INV-AURORA-LAB", paid),
    ):
        yield _POOL_DAY, 9, partial(run, command)
    yield _POOL_DAY + 2, 9, partial(run, TransferCredits("cus_aurora", POOL, 300 * MICRO, _AGREED))
    thanks = GiftCredits(POOL, "cus_aurora", 120 * MICRO, _AGREED, "For lending us your render nodes in the summer")
    yield DAYS - 8, 9, partial(run, thanks)
    dice = random.Random(POOL)
    for day in range(_POOL_DAY + 1, DAYS):
        for member, (_, often) in _MEMBERS.items():
            uses = round(often * dice.lognormvariate(0, 0.4))
            yield day, 15, partial(_use, run, clock, member, uses)


def _use(run: Run, clock: FixedClock, member: str, uses: int) -> None:
    at = clock.now().astimezone(UTC)
    if at.weekday() >= 5 or not uses:
        return
    events = tuple(
        UsageEvent(f"{at:%Y%m%d}-{member}-{number}", "image_generation", at - timedelta(minutes=number), member=member)
        for number in range(uses)
    )
    run(RecordUsageBulk(POOL, events), actor=SYSTEM)


def _of_codes(run: Run) -> Iterator[Act]:
    ids: dict[str, int] = {}
    why = Reason("campaign", "Codes for the guests of our stand, agreed with marketing")

    def issue(label: str, name: str, count: int, worth: int) -> None:
        # Demo codes are known to everybody, so that anybody can try one: FAIR-0001 and so on.
        codes = [code(name, number) for number in range(1, count + 1)]
        hashes, hints = tuple(map(hash_of, codes)), tuple(one[-HINT_CHARS:] for one in codes)
        receipt = run(IssueGiftCodes(label, CreditType.PROMOTIONAL, worth * MICRO, hashes, hints, why, expires_days=60))
        assert receipt.subject_id is not None
        ids[name] = receipt.subject_id

    def disable() -> None:
        run(DisableGiftCodes(ids["MISPRINT"], Reason("data_correction", "Printed with the wrong amount on the card")))

    yield _CODES_DAY, 9, partial(issue, "Design fair", "FAIR", 40, 100)
    yield _CODES_DAY, 9, partial(issue, "Design fair, first print", "MISPRINT", 40, 1_000)
    yield _CODES_DAY + 1, 9, disable
    for number, account in enumerate(("cus_northwind", "cus_pixelforge", "cus_harbor", "cus_semester"), start=1):
        yield _CODES_DAY + 3 * number, 13, partial(run, RedeemGiftCode(account, code("FAIR", number)))


def code(name: str, number: int) -> str:
    """A code of the demo, which guards nothing."""
    return f"{name}-{number:04d}"
