"""Charges and holds booked from what a process remembers: never by what has changed, and as if everything were read."""

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date, timedelta
from typing import Any

import psycopg
import pytest

from ledger import (
    MICRO,
    SYSTEM,
    AdjustBalance,
    CaptureHold,
    CreditType,
    ExtendExpiry,
    InsufficientCredits,
    IssueGrant,
    Ledger,
    LedgerError,
    PlaceHold,
    Receipt,
    RecordUsage,
    ReleaseHold,
    UsageEvent,
    VoidBatch,
    open_ledger,
)
from ledger.clock import FixedClock
from ledger.database import Work
from ledger.digest import digest_of
from ledger.groups import Chargeable, Request
from ledger.reconcile import reconcile
from ledger.together import Sent, Together
from tests.kit.factories import ADMIN, NOW, REASON, grant, open_account, price_feature
from tests.operations.books import all_rows, audit

pytestmark = pytest.mark.postgres


@pytest.fixture
def shared(postgres_url: str, clock: FixedClock) -> Iterator[Ledger]:
    """A PostgreSQL ledger with two customers and one price."""
    ledger = open_ledger(postgres_url, clock=clock)
    price_feature(ledger)
    for name in ("acme", "zeta"):
        open_account(ledger, name)
        grant(ledger, name, 20, expires_on=date(2026, 5, 1))
        grant(ledger, name, 30, features=("images",))
    yield ledger
    ledger.database.dispose()


def usage(event_id: str, credits: int = 1, account: str = "acme") -> RecordUsage:
    return RecordUsage(account, UsageEvent(event_id, "images", NOW, credits * MICRO))


def requests_of(*commands: Chargeable) -> list[Request]:
    return [Request(one, SYSTEM, f"key-{n}-{one!r}"[:150], digest_of(one)) for n, one in enumerate(commands)]


@pytest.fixture
def warm(shared: Ledger) -> Together:
    """What a process remembers after it has charged both customers twice."""
    made = Together(shared.database, shared._context)
    for turn in ("1", "2"):
        made.after_reading(requests_of(*(usage(f"warm-{turn}", account=name) for name in ("acme", "zeta"))))
    return made


def sent(together: Together, *commands: Chargeable) -> tuple[list[Request], Sent]:
    """Requests that are all decided from memory, on their way."""
    requests = requests_of(*commands)
    found = together.from_memory(requests)
    assert found is not None
    assert found.requests == set(requests)
    assert found.send()
    return requests, found


def sound(ledger: Ledger) -> bool:
    with ledger.database.reader.connect() as connection:
        return audit(ledger) == [] and reconcile(connection).findings == ()


def test_one_visit_is_not_enough_to_go_by(shared: Ledger) -> None:
    together = Together(shared.database, shared._context)
    for turn in range(2):
        assert together.from_memory(requests_of(usage(f"a{turn}"))) is None
        together.after_reading(requests_of(usage(f"a{turn}")))
    assert together.from_memory(requests_of(usage("b"))) is not None


def test_what_is_booked_from_memory_is_what_would_be_booked(shared: Ledger, warm: Together) -> None:
    requests, found = sent(warm, usage("a", 2), usage("b", 3), usage("c", 40), usage("d", 1, "zeta"))
    # The next group is decided on what this one leaves, before it is durable.
    following = warm.from_memory(requests_of(usage("e", 2), usage("f", 1, "zeta")))
    assert following is not None
    assert found.wait()
    assert following.send()
    assert following.wait()
    receipts = [one.receipt for one in requests]
    assert [one.available_after_micro // MICRO for one in receipts if one] == [46, 43, 3, 47]
    rows = all_rows(shared)
    ids = {one.transaction_id for one in receipts if one}
    assert len(ids) == 4
    assert ids <= {row["id"] for row in rows["transaction"]}
    assert [row["event_id"] for row in rows["usage_event"]][-6:] == ["a", "b", "c", "d", "e", "f"]
    assert sound(shared)


def of_batch(ledger: Ledger, **wanted: Any) -> int:
    return next(
        row["id"] for row in all_rows(ledger)["batch"] if all(row[name] == value for name, value in wanted.items())
    )


# What somebody else may do to a customer in between, with other credits than the ones that are remembered.
CHANGES: dict[str, Callable[[Ledger], Any]] = {
    "charge": lambda ledger: ledger.execute(usage("other"), actor=SYSTEM, key="other"),
    "grant": lambda ledger: grant(ledger, "acme", 5),
    "hold": lambda ledger: ledger.execute(PlaceHold("acme", "other", "images", MICRO), actor=SYSTEM, key="other"),
    "correction": lambda ledger: ledger.execute(AdjustBalance("acme", -MICRO, REASON), actor=ADMIN, key="other"),
    "extension": lambda ledger: ledger.execute(
        ExtendExpiry("acme", of_batch(ledger, account_id=1), REASON, expires_on=date(2026, 6, 8)),
        actor=ADMIN,
        key="ext",
    ),
    "void": lambda ledger: ledger.execute(
        VoidBatch("acme", of_batch(ledger, account_id=1), REASON), actor=ADMIN, key="void"
    ),
    "price": lambda ledger: price_feature(ledger, "other", 7),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_has_moved_meanwhile_is_never_gone_by(
    shared: Ledger, warm: Together, postgres_url: str, clock: FixedClock, change: str
) -> None:
    other = open_ledger(postgres_url, clock=clock)
    CHANGES[change](other)
    other.database.dispose()
    before = all_rows(shared)["entry"]
    requests, found = sent(warm, usage("a"))
    assert not found.wait()
    assert not requests[0].is_answered
    assert all_rows(shared)["entry"] == before
    warm.after_reading(requests)
    assert requests[0].receipt is not None
    assert sound(shared)


def test_nothing_is_refused_from_memory(shared: Ledger, warm: Together, postgres_url: str, clock: FixedClock) -> None:
    other = open_ledger(postgres_url, clock=clock)
    grant(other, "acme", 100)
    other.database.dispose()
    requests = requests_of(usage("large", 120))
    assert warm.from_memory(requests) is None
    warm.after_reading(requests)
    assert requests[0].receipt is not None
    broke = requests_of(usage("larger", 500))
    assert warm.from_memory(broke) is None
    warm.after_reading(broke)
    assert isinstance(broke[0].refusal, InsufficientCredits)


def test_a_use_or_a_key_that_comes_again_is_looked_up(shared: Ledger, warm: Together) -> None:
    first, found = sent(warm, usage("a"))
    assert found.wait()
    again = [Request(usage("a"), SYSTEM, "another", digest_of(usage("a"))), *requests_of(usage("a"))]
    assert warm.from_memory(again) is None
    warm.after_reading(again)
    for one in again:
        assert one.receipt is not None
        assert first[0].receipt is not None
        assert (one.receipt.replayed, one.receipt.transaction_id) == (True, first[0].receipt.transaction_id)


def test_a_use_that_somebody_else_booked_makes_its_group_ask(
    shared: Ledger, warm: Together, postgres_url: str, clock: FixedClock
) -> None:
    # The other account is as remembered, so only the event's name can tell.
    other = open_ledger(postgres_url, clock=clock)
    other.execute(usage("a"), actor=SYSTEM, key="elsewhere")
    other.database.dispose()
    requests, found = sent(warm, usage("b", account="zeta"), usage("a"))
    assert not found.wait()
    warm.after_reading(requests)
    fresh, again = (one.receipt for one in requests)
    assert fresh is not None
    assert again is not None
    assert (fresh.replayed, again.replayed) == (False, True)
    assert sound(shared)


def test_a_group_decided_on_one_that_failed_is_not_sent(
    shared: Ledger, warm: Together, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, found = sent(warm, usage("a"))
    second = requests_of(usage("b"), usage("c", account="zeta"))
    following = warm.from_memory(second)
    assert following is not None

    def lost(_: Work) -> Any:
        raise psycopg.OperationalError("connection lost")

    with monkeypatch.context() as patched:
        patched.setattr(Work, "finish_call", lost)
        assert not found.wait()
    following.give_up()
    # Nobody is remembered now.
    assert warm.from_memory(requests_of(usage("d"), usage("e", account="zeta"))) is None
    warm.after_reading(first + second)
    assert all(one.receipt is not None for one in first + second)
    assert sound(shared)


def hold(reference: str, credits: int = 5, **more: Any) -> PlaceHold:
    return PlaceHold("acme", reference, "images", credits * MICRO, **more)


def test_holds_are_placed_and_captured_from_memory(shared: Ledger, warm: Together) -> None:
    placed, found = sent(warm, hold("job-1", 25), hold("job-2", expires_at=NOW + timedelta(hours=1)))
    # Its hold has no id yet.
    assert warm.from_memory(requests_of(CaptureHold("acme", "job-1", "use-0"))) is None
    assert found.wait()
    captured, found = sent(warm, CaptureHold("acme", "job-1", "use-1", 24 * MICRO), usage("a"))
    assert found.wait()
    one, two = (request.receipt for request in placed)
    done = captured[0].receipt
    assert one is not None
    assert two is not None
    assert done is not None
    states = {row["id"]: (row["reference"], row["state"]) for row in all_rows(shared)["hold"]}
    assert states == {one.hold_id: ("job-1", "captured"), two.hold_id: ("job-2", "open")}
    assert (sum(take.amount_micro for take in done.takes), done.hold_id) == (24 * MICRO, one.hold_id)
    assert [take.amount_micro for take in done.returned] == [MICRO]
    # The same capture again is looked up.
    again = requests_of(CaptureHold("acme", "job-1", "use-1", 24 * MICRO))
    assert warm.from_memory(again) is None
    warm.after_reading(again)
    assert again[0].receipt is not None
    assert again[0].receipt.replayed
    assert sound(shared)


def test_a_hold_that_lapsed_is_booked_before_anything_else(shared: Ledger, warm: Together, clock: FixedClock) -> None:
    _, found = sent(warm, hold("job", 40, expires_at=NOW + timedelta(hours=1)))
    assert found.wait()
    clock.advance(timedelta(hours=2))
    requests = requests_of(usage("a", 45))
    assert warm.from_memory(requests) is None
    warm.after_reading(requests)
    assert not requests[0].is_answered
    receipt = shared.execute(usage("a", 45), actor=SYSTEM, key="plain")
    assert receipt.available_after_micro == 3 * MICRO
    assert sound(shared)


def test_a_hold_that_somebody_released_is_not_captured(
    shared: Ledger, warm: Together, postgres_url: str, clock: FixedClock
) -> None:
    _, found = sent(warm, hold("job"))
    assert found.wait()
    other = open_ledger(postgres_url, clock=clock)
    other.execute(ReleaseHold("acme", "job", REASON), actor=ADMIN, key="release")
    other.database.dispose()
    requests, found = sent(warm, CaptureHold("acme", "job", "use"))
    assert not found.wait()
    warm.after_reading(requests)
    assert requests[0].refusal is not None
    assert requests[0].refusal.code == "hold_already_resolved"
    assert sound(shared)


def test_a_hold_captured_after_reading_is_not_captured_again_from_memory(shared: Ledger, warm: Together) -> None:
    _, found = sent(warm, hold("job"), hold("other"))
    assert found.wait()
    warm.after_reading(requests_of(CaptureHold("acme", "job", "use-1")))
    again = requests_of(CaptureHold("acme", "job", "use-2"))
    assert warm.from_memory(again) is None
    warm.after_reading(again)
    assert again[0].refusal is not None
    assert again[0].refusal.code == "hold_already_resolved"
    assert sound(shared)


def test_what_was_decided_and_never_sent_is_not_gone_by(
    shared: Ledger, warm: Together, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> str:
        raise RuntimeError("nobody foresaw that")

    with monkeypatch.context() as patched:
        patched.setattr("ledger.groups.body_of", broken)
        with pytest.raises(RuntimeError):
            warm.from_memory(requests_of(usage("a")))
    later = requests_of(usage("b"))
    if (found := warm.from_memory(later)) is not None:
        assert found.send()
        found.wait()
    warm.after_reading([one for one in later if not one.is_answered])
    assert later[0].receipt is not None
    assert later[0].receipt.available_after_micro == 47 * MICRO
    assert sound(shared)


def test_whatever_happens_every_caller_is_answered(shared: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    dice = random.Random(3)
    for where, name in ((Together, "from_memory"), (Sent, "send"), (Sent, "wait"), (Together, "after_reading")):
        real = getattr(where, name)

        def shaky(*given: Any, real: Callable[..., Any] = real) -> Any:
            if dice.random() < 0.1:
                raise RuntimeError("nobody foresaw that")
            return real(*given)

        monkeypatch.setattr(where, name, shaky)
    answers: list[Receipt] = []

    def caller(number: int) -> None:
        for turn in range(12):
            for _ in range(9):
                with suppress(RuntimeError):
                    answers.append(shared.execute(usage(f"{number}-{turn}"), actor=SYSTEM, key=f"{number}-{turn}"))
                    break

    grant(shared, "acme", 200)
    threads = [threading.Thread(target=caller, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(answers) == len({one.transaction_id for one in answers}) == 72
    assert sound(shared)


def acts_of(number: int, seed: int) -> Iterator[tuple[Any, str]]:
    """Random acts of one caller on both customers, some of which come twice, each with its key."""
    dice = random.Random(seed * 100 + number)
    placed: list[tuple[str, str]] = []
    for turn in range(25):
        name, mark = dice.choice(("acme", "zeta")), f"{seed}-{number}-{turn}"
        act: Any = usage(mark, dice.randint(1, 3), name)
        kind = dice.random()
        if kind < 0.25:
            act = PlaceHold(name, mark, "images", dice.randint(1, 4) * MICRO)
            placed.append((name, mark))
        elif kind < 0.45 and placed:
            of, reference = placed.pop(dice.randrange(len(placed)))
            act = CaptureHold(of, reference, mark, dice.choice((None, MICRO)))
        elif kind < 0.5:
            act = IssueGrant(name, CreditType.PROMOTIONAL, MICRO, REASON)
        yield from [(act, mark)] * dice.choice((1, 1, 1, 2))


@pytest.mark.parametrize("seed", range(4))
def test_two_processes_that_remember_and_many_callers_keep_the_books(
    shared: Ledger, postgres_url: str, clock: FixedClock, seed: int
) -> None:
    other = open_ledger(postgres_url, clock=clock)
    for name in ("acme", "zeta"):
        grant(shared, name, 400)
    receipts: list[tuple[str, Receipt]] = []

    def caller(ledger: Ledger, number: int) -> None:
        for act, key in acts_of(number, seed):
            with suppress(LedgerError):
                receipts.append((key, ledger.execute(act, actor=ADMIN, key=key)))

    threads = [threading.Thread(target=caller, args=((shared, other)[n % 2], n)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.database.dispose()
    fresh = {key: one for key, one in receipts if not one.replayed}
    assert len({one.transaction_id for one in fresh.values()}) == len(fresh) > 100
    for key, one in receipts:
        # What is stored is what was answered, and every repetition got the same.
        assert one.as_replayed() == fresh[key].as_replayed() == shared.receipt(actor=ADMIN, key=key)
    assert sound(shared)
