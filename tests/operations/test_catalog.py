"""What is for sale: prices with factors and an end, bundles, packages with limits; and what uses then cost."""

import multiprocessing
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest

from ledger import (
    MICRO,
    Actor,
    AskApproval,
    Command,
    CreditType,
    DecideApproval,
    DefineBundle,
    DefinePackage,
    InsufficientCredits,
    InvalidCommand,
    IssueGrant,
    Ledger,
    LedgerError,
    Money,
    NotAllowedNow,
    NotFound,
    NotPermitted,
    Reason,
    RecordTopUp,
    RecordUsage,
    RecordUsageBulk,
    Role,
    SetFeaturePrice,
    UsageEvent,
    open_ledger,
)
from ledger.clock import FixedClock
from tests.kit.factories import ADMIN, NOW, REASON, fresh_key, grant, open_account, price_feature, use
from tests.operations.books import all_rows, audit, row_counts

DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)
BEA = Actor("bea@example.com", Role.ADMIN)


def run(ledger: Ledger, command: Command, actor: Actor = ADMIN) -> Any:
    return ledger.execute(command, actor=actor, key=fresh_key())


def package(code: str = "starter", credits: int = 1_000, cents: int = 1_000, **changes: Any) -> DefinePackage:
    return DefinePackage(code, code.title(), credits * MICRO, Money(cents, "USD"), **changes)


def bundle(*features: str, off: int = 100_000, **changes: Any) -> DefineBundle:
    given = {"code": "spring", "label": "Spring", "ends_at": NOW + 30 * DAY} | changes
    return DefineBundle(features=features or ("images",), discount_ppm=off, **given)


def buy(code: str = "starter", credits: int = 1_000, cents: int = 1_000, account: str = "acme") -> RecordTopUp:
    return RecordTopUp(account, credits * MICRO, Money(cents, "USD"), fresh_key("INV"), REASON, package=code)


def cost_of(ledger: Ledger, **event: Any) -> int:
    """What a use of images costs, by booking it."""
    given = {"event_id": fresh_key("e"), "feature": "images", "occurred_at": ledger.clock.now()} | event
    receipt = run(ledger, RecordUsage("acme", UsageEvent(**given)))
    return sum(take.amount_micro for take in receipt.takes)


@pytest.fixture
def shop(ledger: Ledger) -> Ledger:
    """Acme with credits, and images at 10 each."""
    open_account(ledger)
    price_feature(ledger, credits=10)
    grant(ledger, credits=10_000, credit_type=CreditType.REFERRAL)
    return ledger


# Prices.


def test_a_use_costs_its_complexity(shop: Ledger) -> None:
    factors = {"simple": MICRO // 2, "complex": 2 * MICRO}
    run(shop, SetFeaturePrice("images", 10 * MICRO, factors=factors))
    assert cost_of(shop) == 10 * MICRO
    assert cost_of(shop, complexity="simple") == 5 * MICRO
    assert cost_of(shop, complexity="complex", quantity_micro=3 * MICRO) == 60 * MICRO
    with pytest.raises(InvalidCommand, match="images knows complex, simple, not 'absurd'"):
        cost_of(shop, complexity="absurd")


def test_a_price_has_an_end_and_a_closing_version(shop: Ledger, clock: FixedClock) -> None:
    run(shop, SetFeaturePrice("images", 7 * MICRO, ends_at=NOW + DAY))
    clock.set(NOW + DAY - TICK)
    assert cost_of(shop) == 7 * MICRO
    clock.set(NOW + DAY)
    with pytest.raises(NotFound, match="price in force for feature 'images'"):
        use(shop)
    run(shop, SetFeaturePrice("images", 9 * MICRO))
    assert cost_of(shop) == 9 * MICRO
    closing = clock.now() + DAY
    run(shop, SetFeaturePrice("images", 9 * MICRO, effective_at=closing, ends_at=closing))
    clock.set(closing)
    with pytest.raises(NotFound):
        use(shop)
    # What happened before the end, and is told later, is charged at the price of its time.
    assert cost_of(shop, occurred_at=closing - TICK) == 9 * MICRO


def test_a_version_is_scheduled_and_changes_no_booked_history(shop: Ledger, clock: FixedClock) -> None:
    use(shop, quantity=3)
    before = {name: rows for name, rows in all_rows(shop).items() if name in ("usage_event", "entry", "usage_daily")}
    run(shop, SetFeaturePrice("images", 20 * MICRO, effective_at=NOW + DAY))
    # Also a version that says it was in force when the use happened.
    run(shop, SetFeaturePrice("images", 99 * MICRO, effective_at=NOW - DAY))
    assert {name: rows for name, rows in all_rows(shop).items() if name in before} == before
    assert cost_of(shop) == 99 * MICRO
    clock.set(NOW + DAY)
    assert cost_of(shop) == 20 * MICRO
    assert cost_of(shop, occurred_at=NOW + DAY - TICK) == 99 * MICRO


# Bundles.


def test_the_best_bundle_in_force_makes_its_features_cheaper(shop: Ledger, clock: FixedClock) -> None:
    price_feature(shop, "text", credits=4)
    run(shop, bundle("images", "text"))
    run(shop, bundle("images", off=250_000, code="images_only", effective_at=NOW + DAY, ends_at=NOW + 2 * DAY))
    assert cost_of(shop) == 9 * MICRO
    assert cost_of(shop, feature="text") == 3_600_000
    for at, cost in ((NOW + DAY - TICK, 9), (NOW + DAY, 7.5), (NOW + 2 * DAY - TICK, 7.5), (NOW + 2 * DAY, 9)):
        clock.set(at)
        assert cost_of(shop) == cost * MICRO
    clock.set(NOW + 30 * DAY)
    assert cost_of(shop) == 10 * MICRO


def test_bulk_charges_what_single_charges_do(shop: Ledger) -> None:
    run(shop, SetFeaturePrice("images", 10 * MICRO, factors={"complex": 3 * MICRO}))
    run(shop, bundle("images", off=333_333))
    odd = {"quantity_micro": 333_333, "complexity": "complex"}
    single = cost_of(shop, **odd)
    run(shop, RecordUsageBulk("acme", (UsageEvent("bulk", "images", NOW, **odd),)))
    assert {row["event_id"]: row["cost_micro"] for row in all_rows(shop)["usage_event"]}["bulk"] == single
    assert single == 6_666_664


# Packages.


def test_a_top_up_names_the_package_that_it_sold(shop: Ledger) -> None:
    sold = run(shop, package())
    (new,) = run(shop, buy()).new_batches
    row = next(row for row in all_rows(shop)["batch"] if row["id"] == new.id)
    assert row["details"] == {"package": "starter", "package_id": sold.subject_id}
    assert (row["cost_cents"], row["currency"], row["granted_micro"]) == (1_000, "USD", 1_000 * MICRO)


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (buy(cents=999), r"Starter is 1000 credits for 10.00 USD, not 1000 for 9.99 USD; record another sum"),
        (buy(credits=1_001), r"not 1001 for 10.00 USD"),
        (
            RecordTopUp("acme", 1_000 * MICRO, Money(1_000, "EUR"), "INV", REASON, package="starter"),
            "not 1000 for 10.00 EUR",
        ),
    ],
    ids=["price", "credits", "currency"],
)
def test_another_price_than_the_packages_is_refused(shop: Ledger, command: RecordTopUp, why: str) -> None:
    run(shop, package())
    before = row_counts(shop)
    with pytest.raises(NotAllowedNow, match=why):
        run(shop, command)
    assert row_counts(shop) == before


def test_an_unknown_package_is_said_so(shop: Ledger) -> None:
    before = row_counts(shop)
    with pytest.raises(NotFound, match="There is no package 'starter'"):
        run(shop, buy())
    assert row_counts(shop) == before


def test_the_version_in_force_at_booking_counts(shop: Ledger, clock: FixedClock) -> None:
    run(shop, package())
    run(shop, package(cents=1_200, effective_at=NOW + DAY))
    asked = buy(cents=1_000)
    clock.set(NOW + DAY - TICK)
    run(shop, asked)
    clock.set(NOW + DAY)
    with pytest.raises(NotAllowedNow, match=r"for 12.00 USD, not 1000 for 10.00 USD"):
        run(shop, buy(cents=1_000))
    run(shop, buy(cents=1_200))


def test_the_edges_of_a_limited_time(shop: Ledger, clock: FixedClock) -> None:
    run(shop, package("holiday", effective_at=NOW + DAY, ends_at=NOW + 2 * DAY))
    for at, is_sold in ((DAY - TICK, False), (DAY, True), (2 * DAY - TICK, True), (2 * DAY, False)):
        clock.set(NOW + at)
        before = row_counts(shop)
        if is_sold:
            run(shop, buy("holiday"))
            continue
        with pytest.raises(NotAllowedNow, match=r"for sale (from|until) 2026-03-1"):
            run(shop, buy("holiday"))
        assert row_counts(shop) == before


def test_a_package_is_taken_off_sale_by_a_version_that_ends_as_it_begins(shop: Ledger, clock: FixedClock) -> None:
    run(shop, package())
    clock.advance(DAY)
    run(shop, package(ends_at=clock.now()))
    with pytest.raises(NotAllowedNow, match="was for sale until 2026-03-11"):
        run(shop, buy())


def test_the_limit_per_customer_holds_over_all_versions(shop: Ledger, clock: FixedClock) -> None:
    open_account(shop, "bolt")
    run(shop, package("holiday", per_customer_limit=2))
    run(shop, buy("holiday"))
    clock.advance(DAY)
    run(shop, package("holiday", per_customer_limit=2, cents=900))
    run(shop, buy("holiday", cents=900))
    before = row_counts(shop)
    with pytest.raises(NotAllowedNow, match="acme has bought Holiday 2 times and may buy it 2 times"):
        run(shop, buy("holiday", cents=900))
    assert row_counts(shop) == before
    run(shop, buy("holiday", cents=900, account="bolt"))


def test_a_purchase_that_waited_for_approval_is_checked_again(shop: Ledger, clock: FixedClock) -> None:
    run(shop, package("huge", credits=200_000, cents=100_000, ends_at=NOW + DAY))
    asked = [run(shop, AskApproval(buy("huge", 200_000, 100_000))).approval_id for _ in range(2)]
    run(shop, DecideApproval(asked[0], True, "paid"), BEA)
    clock.set(NOW + DAY)
    with pytest.raises(NotAllowedNow, match="was for sale until"):
        run(shop, DecideApproval(asked[1], True, "paid too late"), BEA)


def test_the_same_key_answers_the_first_receipt(shop: Ledger) -> None:
    defined = package(per_customer_limit=1)
    first = shop.execute(defined, actor=ADMIN, key="define")
    assert shop.execute(defined, actor=ADMIN, key="define") == first.as_replayed()
    bought = buy()
    first = shop.execute(bought, actor=ADMIN, key="buy")
    # The limit is reached by now, but this is the same purchase.
    assert shop.execute(bought, actor=ADMIN, key="buy") == first.as_replayed()


@pytest.mark.parametrize(
    "command", [package(), bundle(), SetFeaturePrice("images", MICRO), buy()], ids=lambda one: one.kind
)
def test_a_preview_says_what_execution_does_and_leaves_nothing(shop: Ledger, command: Command) -> None:
    if isinstance(command, RecordTopUp):
        run(shop, package())
    before = row_counts(shop)
    effect = shop.preview(command, actor=ADMIN)
    assert row_counts(shop) == before
    booked = run(shop, command)
    assert booked.kind == effect.kind
    assert booked.available_after_micro == effect.available_after_micro
    assert (booked.transaction_id, effect.transaction_id is None) == (max(shop_ids(shop)), True)


def shop_ids(ledger: Ledger) -> list[int]:
    return [row["id"] for row in all_rows(ledger)["transaction"]]


WRONG = [
    (package(code=" "), "code: must not be empty"),
    (package(credits=0), "credits: must be more than 0"),
    (package(cents=0), "price: must be more than 0"),
    (package(per_customer_limit=0), "per_customer_limit: must be 1 to"),
    (package(price_list=""), "price_list: must not be empty"),
    (package(effective_at=NOW - TICK), "effective_at: is in the past"),
    (package(effective_at=NOW + DAY, ends_at=NOW), "ends_at: must not be before the start"),
    (package(effective_at=datetime(2026, 4, 1)), "effective_at: has no time zone"),  # noqa: DTZ001 - the point
    (package(reason=Reason("", "short")), "reason: choose a reason code; note: say why"),
    (bundle("images", "nothing"), "features: nothing: no such feature has a price"),
    (bundle("images", "images"), "features: names one twice"),
    (DefineBundle("b", "B", (), 1, NOW + DAY), "features: name at least one"),
    (bundle(off=0), "discount: must be more than 0 and less than 100 %"),
    (bundle(off=1_000_000), "discount: must be more than 0 and less than 100 %"),
    (bundle(ends_at=NOW), "ends_at: must be after the start"),
    (bundle(effective_at=NOW - TICK), "effective_at: is in the past"),
    (SetFeaturePrice("images", 0), "price: must be more than 0"),
    (SetFeaturePrice("images", MICRO, factors={"x": 0}), "factors: x must be more than 0 and at most 1,000"),
    (SetFeaturePrice("images", MICRO, factors={"": MICRO}), "factors: must not be empty"),
    (SetFeaturePrice("images", MICRO, ends_at=NOW - DAY), "ends_at: must not be before the start"),
    (SetFeaturePrice("images", MICRO, effective_at=NOW), "effective_at: images has a price from that very instant"),
]


@pytest.mark.parametrize(("command", "why"), WRONG, ids=[f"{n}-{one.kind}" for n, (one, _) in enumerate(WRONG)])
def test_what_is_wrong_is_said_and_nothing_written(untouched: Ledger, command: Command, why: str) -> None:
    before = row_counts(untouched)
    with pytest.raises(InvalidCommand, match=why):
        run(untouched, command)
    assert row_counts(untouched) == before


def test_a_code_is_not_defined_twice_for_one_instant(shop: Ledger) -> None:
    run(shop, package())
    run(shop, bundle())
    before = row_counts(shop)
    with pytest.raises(InvalidCommand, match="starter has a version from that very instant"):
        run(shop, package(cents=1))
    with pytest.raises(InvalidCommand, match="'spring' exists already"):
        run(shop, bundle(off=1))
    assert row_counts(shop) == before


@pytest.mark.parametrize("command", [package(), bundle(), SetFeaturePrice("images", MICRO)], ids=lambda one: one.kind)
def test_only_admins_change_the_catalogue(untouched: Ledger, finance: Actor, manager: Actor, command: Command) -> None:
    before = row_counts(untouched)
    for actor in (finance, manager):
        with pytest.raises(NotPermitted, match="may not change the catalogue"):
            run(untouched, command, actor)
    assert row_counts(untouched) == before


def test_why_a_price_was_changed_is_kept(shop: Ledger) -> None:
    receipt = run(shop, SetFeaturePrice("images", MICRO, reason=Reason("contract", "agreed with the board", "T-1")))
    row = next(row for row in all_rows(shop)["transaction"] if row["id"] == receipt.transaction_id)
    assert (row["reason_code"], row["note"], row["ticket"]) == ("contract", "agreed with the board", "T-1")


# Credits for some features only.


def scoped(ledger: Ledger, credits: int, *features: str, **changes: Any) -> None:
    given = {"account": "acme", "credit_type": CreditType.PROMOTIONAL, "amount_micro": credits * MICRO}
    run(ledger, IssueGrant(**given, reason=REASON, features=features, **changes))


def test_scoped_credits_pay_for_their_features_only(ledger: Ledger) -> None:
    open_account(ledger)
    for feature in ("images", "text", "audio"):
        price_feature(ledger, feature)
    scoped(ledger, 100, "images", "text")
    grant(ledger, credits=30, credit_type=CreditType.REFERRAL)
    with pytest.raises(InsufficientCredits) as refused:
        use(ledger, quantity=31, feature="audio")
    assert (refused.value.available_micro, refused.value.shortfall_micro) == (30 * MICRO, MICRO)
    assert [take.amount_micro for take in use(ledger, quantity=110, feature="text").takes] == [100 * MICRO, 10 * MICRO]
    assert use(ledger, quantity=20, feature="audio").available_after_micro == 0


def test_bulk_and_single_use_agree_on_what_serves_a_feature(ledger: Ledger) -> None:
    open_account(ledger)
    price_feature(ledger, "images")
    price_feature(ledger, "audio")
    scoped(ledger, 10, "images")
    events = tuple(UsageEvent(f"{f}-{n}", f, NOW) for n in range(8) for f in ("audio", "images"))
    receipt = run(ledger, RecordUsageBulk("acme", events))
    assert receipt.events_recorded == 8
    assert {refusal.event_id.split("-")[0] for refusal in receipt.refusals} == {"audio"}


# Many at once.

SPAWN = multiprocessing.get_context("spawn")
_barrier: Any = None


def _meet_at(barrier: Any) -> None:
    global _barrier
    _barrier = barrier


def _buy_at_once(url: str, worker: int) -> list[str]:
    ledger = open_ledger(url, clock=FixedClock(NOW))
    _barrier.wait(timeout=60)
    done = []
    for number in range(3):
        command = RecordTopUp(
            "acme", 1_000 * MICRO, Money(1_000, "USD"), f"INV-{worker}-{number}", REASON, package="holiday"
        )
        try:
            ledger.execute(command, actor=ADMIN, key=f"{worker}-{number}")
            done.append("booked")
        except LedgerError as error:
            done.append(error.code)
    ledger.database.dispose()
    return done


def test_the_limit_per_customer_holds_when_many_buy_at_once(database_url: str) -> None:
    ledger = open_ledger(database_url, clock=FixedClock(NOW))
    open_account(ledger)
    run(ledger, package("holiday", per_customer_limit=2))
    barrier = SPAWN.Barrier(4)
    with ProcessPoolExecutor(4, mp_context=SPAWN, initializer=_meet_at, initargs=(barrier,)) as pool:
        done = Counter(word for words in pool.map(partial(_buy_at_once, database_url), range(4)) for word in words)
    assert done == {"booked": 2, "not_allowed_now": 10}
    assert audit(ledger) == []
    ledger.database.dispose()
