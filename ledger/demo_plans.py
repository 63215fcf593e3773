"""Plans, a lead and referrals of the demo company: what happens on which day, and the nightly jobs about them."""

from collections.abc import Callable, Iterator
from functools import partial

from ledger.commands import Command, Reason
from ledger.core.amounts import MICRO
from ledger.demo_cast import DAYS, ZONE, Customer
from ledger.facade import Ledger
from ledger.operations.leads import OpenLead
from ledger.operations.plans import CancelPlan, ChangePlan, StartPlan
from ledger.operations.programmes import CreateReferralCode, DefineReferralProgramme
from ledger.operations.referrals import InviteReferral, JoinReferral
from ledger.renewals import qualify_due, renew_due

PROGRAMME = "friends"
_PROGRAMME_DAY = 200
_LEAD, _LEAD_DAY = "cus_papercrane", DAYS - 20
_FRIENDS = 3
_ORDERED = Reason("contract", "Ordered in the customer portal")
Act = tuple[int, int, Callable[[], object]]
Run = Callable[[Command], object]


def acts(run: Run, ledger: Ledger, cast: list[Customer], first: int, last: int) -> Iterator[Act]:
    """What happens on the days [first, last): day, hour and act; the jobs run before the week's use is charged."""
    everything = [*_of_plans(cast), *_of_referrals(cast)]
    yield from ((day, 10, partial(run, command)) for day, command in everything if first <= day < last)
    yield last - 1, 22, partial(renew_due, ledger)
    yield last - 1, 22, partial(qualify_due, ledger)


def _of_plans(cast: list[Customer]) -> Iterator[tuple[int, Command]]:
    for customer in cast:
        if customer.plan:
            yield customer.joins + customer.plan_day, StartPlan(customer.account, customer.plan, _ORDERED)
    yield DAYS - 12, ChangePlan("cus_bluebell", "pro", Reason("contract", "Basic was used up every month"))
    yield DAYS - 5, CancelPlan("cus_tidepool", Reason("other", "Buys packages from now on"))


def _of_referrals(cast: list[Customer]) -> Iterator[tuple[int, Command]]:
    yield _PROGRAMME_DAY, DefineReferralProgramme(PROGRAMME, "Bring a friend", 500 * MICRO, 200 * MICRO, cap=5)
    for name in ("aurora", "northwind", "bluebell"):
        yield _PROGRAMME_DAY, CreateReferralCode(f"cus_{name}", PROGRAMME, name)
    brought = [one for one in cast if one.joins > _PROGRAMME_DAY and one.stops_buying > one.joins][:_FRIENDS]
    for place, customer in enumerate(brought):
        yield customer.joins, JoinReferral("AURORA" if place else "BLUEBELL", customer.account)
    # The same house as who invites it, so somebody has to look at it first.
    lead = OpenLead(_LEAD, "Paper Crane Robotics (lead)", email="ines@northwind.example", zone=ZONE)
    yield _LEAD_DAY, lead
    yield _LEAD_DAY + 1, JoinReferral("NORTHWIND", _LEAD)
    yield DAYS - 10, InviteReferral("AURORA", "hello@willowtea.example")
