"""Four eyes: asked by one, decided by another, carried out as things are then, once."""

import json
import multiprocessing
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger import (
    MICRO,
    SYSTEM,
    Actor,
    AdjustBalance,
    ApprovalDecided,
    ApprovalRequired,
    ApproveOverdraft,
    AskApproval,
    Command,
    CreditType,
    DecideApproval,
    InsufficientCredits,
    InvalidCommand,
    IssueGrant,
    KeyReused,
    Ledger,
    Money,
    NotAllowedNow,
    NotFound,
    NotPermitted,
    OpenAccount,
    Reason,
    RefundPurchase,
    Role,
    open_ledger,
)
from ledger.clock import FixedClock
from ledger.core.policy import GRANTED, Permission
from ledger.digest import digest_of
from ledger.operations import HANDLERS, codec
from tests.kit.factories import ADMIN, BEA, NOW, REASON, fresh_key, grant, open_account, price_feature, top_up, use
from tests.operations.books import all_rows, audit
from tests.operations.test_races import outcome

LARGE = IssueGrant("acme", CreditType.COMPENSATION, 200_000 * MICRO, REASON)


@pytest.fixture
def acme(ledger: Ledger) -> Ledger:
    """An account without credits, and a price."""
    open_account(ledger)
    price_feature(ledger)
    return ledger


def ask(ledger: Ledger, command: Command, *, actor: Actor = ADMIN, key: str | None = None) -> int:
    receipt = ledger.execute(AskApproval(command), actor=actor, key=key or fresh_key("ask"))
    assert receipt.approval_id is not None
    return receipt.approval_id


def decide(ledger: Ledger, request: int, *, yes: bool = True, actor: Actor = BEA, key: str | None = None) -> Any:
    return ledger.execute(DecideApproval(request, yes, "looked at it"), actor=actor, key=key or fresh_key("decide"))


def request_row(ledger: Ledger) -> dict[str, Any]:
    return all_rows(ledger)["approval"][-1]


def test_a_request_keeps_the_command_and_books_nothing(acme: Ledger) -> None:
    entries = all_rows(acme)["entry"]
    ask(acme, LARGE)
    row = request_row(acme)
    assert (row["state"], row["kind"], row["requester"]) == ("asked", "grant", "ada@example.com")
    assert row["weight_micro"] == 200_000 * MICRO
    assert codec.from_body(row["command"], HANDLERS) == LARGE
    assert all_rows(acme)["entry"] == entries


def test_an_approved_request_is_booked_and_says_who_let_it_happen(acme: Ledger) -> None:
    request = ask(acme, LARGE)
    receipt = decide(acme, request)
    assert (receipt.kind, receipt.approval_id) == ("grant", request)
    assert receipt.available_after_micro == 200_000 * MICRO
    row, made = request_row(acme), all_rows(acme)["transaction"][-1]
    assert (row["state"], row["decided_by"], row["decided_in_id"]) == ("approved", "bea@example.com", made["id"])
    assert (made["kind"], made["actor"], made["approval_id"]) == ("grant", "bea@example.com", request)
    assert made["note"] == REASON.note


def test_a_refused_request_books_nothing_and_keeps_the_note(acme: Ledger) -> None:
    request = ask(acme, LARGE)
    receipt = decide(acme, request, yes=False)
    assert receipt.kind == "decide_approval"
    assert (request_row(acme)["state"], request_row(acme)["decision_note"]) == ("refused", "looked at it")
    assert not all_rows(acme)["entry"]


def test_nobody_decides_about_a_request_of_their_own(acme: Ledger) -> None:
    request = ask(acme, LARGE)
    before = all_rows(acme)
    with pytest.raises(InvalidCommand, match="another person has to decide"):
        decide(acme, request, actor=ADMIN)
    # The name decides, not the role.
    with pytest.raises(InvalidCommand, match="another person has to decide"):
        decide(acme, request, actor=Actor(ADMIN.id, Role.SYSTEM))
    assert all_rows(acme) == before


@pytest.mark.parametrize("asker", [ADMIN, Actor("mara@example.com", Role.ACCOUNT_MANAGER)], ids=["admin", "manager"])
def test_a_request_can_be_withdrawn_by_whoever_asked(acme: Ledger, asker: Actor) -> None:
    request = ask(acme, LARGE, actor=asker)
    decide(acme, request, yes=False, actor=asker)
    assert request_row(acme)["state"] == "withdrawn"
    with pytest.raises(ApprovalDecided, match="was withdrawn before"):
        decide(acme, request)


@pytest.mark.parametrize("first", [True, False], ids=["approved", "refused"])
@pytest.mark.parametrize("second", [True, False], ids=["approve", "refuse"])
def test_a_request_is_decided_once(acme: Ledger, first: bool, second: bool) -> None:
    request = ask(acme, LARGE)
    decide(acme, request, yes=first)
    before = all_rows(acme)
    with pytest.raises(ApprovalDecided):
        decide(acme, request, yes=second, actor=Actor("cleo@example.com", Role.ADMIN))
    assert all_rows(acme) == before


def test_the_same_key_asks_once_and_decides_once(acme: Ledger) -> None:
    first = acme.execute(AskApproval(LARGE), actor=ADMIN, key="ask")
    assert acme.execute(AskApproval(LARGE), actor=ADMIN, key="ask") == first.as_replayed()
    assert first.approval_id is not None
    booked = decide(acme, first.approval_id, key="yes")
    assert decide(acme, first.approval_id, key="yes") == booked.as_replayed()
    assert len(all_rows(acme)["approval"]) == len(all_rows(acme)["batch"]) == 1
    with pytest.raises(KeyReused):
        acme.execute(AskApproval(replace(LARGE, amount_micro=MICRO)), actor=ADMIN, key="ask")


def test_a_request_for_what_cannot_be_booked_is_refused_at_once(acme: Ledger) -> None:
    before = all_rows(acme)
    for command, error in (
        (AdjustBalance("acme", -MICRO, REASON), InsufficientCredits),
        (replace(LARGE, account="nobody"), NotFound),
        (replace(LARGE, amount_micro=0), InvalidCommand),
        (AskApproval(LARGE), InvalidCommand),
        (DecideApproval(1, True, "myself"), InvalidCommand),
    ):
        with pytest.raises(error):
            ask(acme, command)
    assert all_rows(acme) == before


def test_circumstances_that_changed_refuse_the_approval_and_the_request_waits_on(acme: Ledger) -> None:
    grant(acme, credits=100)
    request = ask(acme, AdjustBalance("acme", -80 * MICRO, REASON))
    use(acme, quantity=50)
    before = all_rows(acme)
    with pytest.raises(InsufficientCredits):
        decide(acme, request)
    assert all_rows(acme) == before
    grant(acme, credits=50)
    assert decide(acme, request).available_after_micro == 20 * MICRO


def test_default_dates_are_those_of_the_decision(acme: Ledger, clock: FixedClock) -> None:
    request = ask(acme, LARGE)
    clock.advance(timedelta(days=10))
    (new,) = decide(acme, request).new_batches
    assert new.effective_at == clock.now()
    assert new.expires_at is not None
    assert (new.expires_at - clock.now()).days in (365, 366)


def test_a_date_that_has_passed_meanwhile_refuses_the_approval(acme: Ledger, clock: FixedClock) -> None:
    request = ask(acme, ApproveOverdraft("acme", MICRO, clock.now() + timedelta(days=5), REASON))
    clock.advance(timedelta(days=5))
    with pytest.raises(InvalidCommand, match="has passed"):
        decide(acme, request)
    assert request_row(acme)["state"] == "asked"


def test_a_preview_of_a_decision_shows_it_and_decides_nothing(acme: Ledger) -> None:
    request = ask(acme, LARGE)
    before = all_rows(acme)
    shown = acme.preview(DecideApproval(request, True, "a look"), actor=BEA)
    assert (shown.kind, shown.available_after_micro) == ("grant", 200_000 * MICRO)
    assert all_rows(acme) == before


def test_an_unknown_request_is_said_so(acme: Ledger) -> None:
    with pytest.raises(NotFound, match="request for approval"):
        decide(acme, 404)


def test_a_decision_needs_a_note(acme: Ledger) -> None:
    with pytest.raises(InvalidCommand, match="note"):
        acme.execute(DecideApproval(ask(acme, LARGE), True, " "), actor=BEA, key="no-note")


# Who may ask for what, beyond what they may do. Written down here a second time on purpose.
MANAGER_ASKS = {"issue_grant", "issue_codes", "transfer", "extend_expiry", "refund"}


def test_account_managers_ask_for_gifts_and_refunds_and_for_nothing_else(acme: Ledger, manager: Actor) -> None:
    made = top_up(acme, credits=10).new_batches[0].id
    ask(acme, LARGE, actor=manager)
    ask(acme, replace(LARGE, amount_micro=MICRO), actor=manager)
    ask(acme, RefundPurchase("acme", made, None, REASON), actor=manager)
    for command in (
        AdjustBalance("acme", -MICRO, REASON),
        ApproveOverdraft("acme", MICRO, None, REASON),
        OpenAccount("bolt", "Bolt"),
    ):
        assert command.permission.value not in MANAGER_ASKS
        with pytest.raises(NotPermitted):
            ask(acme, command, actor=manager)


def test_account_managers_decide_nothing_but_withdraw_their_own(acme: Ledger, manager: Actor) -> None:
    request = ask(acme, LARGE)
    before = all_rows(acme)
    for yes in (True, False):
        with pytest.raises(NotPermitted):
            decide(acme, request, yes=yes, actor=manager)
    assert all_rows(acme) == before


def test_finance_neither_asks_nor_decides_about_credits(acme: Ledger, finance: Actor) -> None:
    with pytest.raises(NotPermitted):
        ask(acme, LARGE, actor=finance)
    request = ask(acme, LARGE)
    for yes in (True, False):
        with pytest.raises(NotPermitted):
            decide(acme, request, yes=yes, actor=finance)


def test_whoever_decides_must_be_allowed_to_do_it(acme: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deciding is not enough: a person who may decide but not do such things does not let them happen."""
    request = ask(acme, LARGE)
    deciders_only = {Permission.ASK_APPROVAL, Permission.DECIDE_APPROVAL}
    monkeypatch.setitem(GRANTED, Role.FINANCE, frozenset(deciders_only))
    with pytest.raises(NotPermitted, match="issue credits"):
        decide(acme, request, actor=Actor("fritz@example.com", Role.FINANCE))


def test_the_limit_is_the_companys(acme: Ledger) -> None:
    acme.rules = replace(acme.rules, approval_limit_micro=10 * MICRO)
    at_the_limit = replace(LARGE, amount_micro=10 * MICRO)
    acme.execute(at_the_limit, actor=ADMIN, key="at")
    with pytest.raises(ApprovalRequired):
        acme.execute(replace(at_the_limit, amount_micro=10 * MICRO + 1), actor=ADMIN, key="above")
    # The product itself moves any amount.
    acme.execute(replace(LARGE, amount_micro=11 * MICRO), actor=SYSTEM, key="system")


def test_what_housekeeping_booked_was_approved_by_nobody(acme: Ledger, clock: FixedClock) -> None:
    """Debt that is repaid on the way is a transaction of its own, beside the approved one."""
    decide(acme, ask(acme, ApproveOverdraft("acme", 50 * MICRO, None, REASON)))
    use(acme, quantity=20)
    grant(acme, credits=30, effective_at=clock.now() + timedelta(days=1))
    request = ask(acme, LARGE)
    clock.advance(timedelta(days=1))
    receipt = decide(acme, request)
    assert (receipt.owed_before_micro, receipt.available_before_micro) == (0, 10 * MICRO)
    repaid, made = all_rows(acme)["transaction"][-2:]
    assert (repaid["kind"], repaid["approval_id"]) == ("repay_debt", None)
    assert (made["kind"], made["approval_id"]) == ("grant", request)


# Two who decide at the same instant.

SPAWN = multiprocessing.get_context("spawn")
DECIDERS = 4


def _decide_now(url: str, request: int, yes: Callable[[int], bool], barrier: Any, worker: int) -> str:
    ledger = open_ledger(url, clock=FixedClock(NOW))
    actor = Actor(f"decider{worker}@example.com", Role.ADMIN)
    barrier.wait(timeout=60)
    command = DecideApproval(request, yes(worker), "at the same instant")
    word = outcome(lambda: ledger.execute(command, actor=actor, key="decide"))
    ledger.database.dispose()
    return word


def _everybody(_worker: int) -> bool:
    return True


def _every_other(worker: int) -> bool:
    return worker % 2 == 0


@pytest.mark.parametrize("yes", [_everybody, _every_other], ids=["all-approve", "some-refuse"])
def test_one_of_several_deciders_wins(database_url: str, yes: Callable[[int], bool]) -> None:
    ledger = open_ledger(database_url, clock=FixedClock(NOW))
    open_account(ledger)
    request = ask(ledger, LARGE)
    with multiprocessing.Manager() as manager, ProcessPoolExecutor(DECIDERS, mp_context=SPAWN) as pool:
        barrier = manager.Barrier(DECIDERS)
        decided = partial(_decide_now, database_url, request, yes, barrier)
        words = list(pool.map(decided, range(DECIDERS), timeout=120))
    assert Counter(words) == {"booked": 1, "approval_decided": DECIDERS - 1}
    is_approved = request_row(ledger)["state"] == "approved"
    assert is_approved == yes(words.index("booked"))
    assert len(all_rows(ledger)["batch"]) == int(is_approved)
    assert audit(ledger) == []
    ledger.database.dispose()


# Commands as JSON and back.

NEVER_ASKED = {AskApproval, DecideApproval}
COMMANDS = sorted((kind for kind in HANDLERS if kind not in NEVER_ASKED), key=lambda kind: kind.__name__)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
# No halves of characters: commands with such texts are refused before they are stored.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
KNOWN: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXT,
    int: st.integers(-(2**62), 2**62),
    datetime: st.datetimes(datetime(1970, 1, 1), datetime(2999, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001
    dict[str, Any]: st.dictionaries(TEXT, JSON, max_size=3),
    Mapping[str, Any]: st.dictionaries(TEXT, JSON, max_size=3),
    Money: st.builds(Money, st.integers(-(10**12), 10**12), st.sampled_from(["USD", "EUR", "JPY"])),
}


def values_of(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of a type that a command's field may have."""
    if kind in KNOWN:
        return KNOWN[kind]
    if isinstance(kind, type) and is_dataclass(kind):
        hints = get_type_hints(kind)
        return st.builds(kind, **{one.name: values_of(hints[one.name]) for one in fields(kind)})
    arguments = getattr(kind, "__args__", ())
    if not arguments:
        return st.from_type(kind)
    if getattr(kind, "__origin__", None) is tuple and arguments[-1] is Ellipsis:
        return st.lists(values_of(arguments[0]), max_size=3).map(tuple)
    if getattr(kind, "__origin__", None) is tuple:
        return st.tuples(*map(values_of, arguments))
    if getattr(kind, "__origin__", None) is dict:
        return st.dictionaries(values_of(arguments[0]), values_of(arguments[1]), max_size=3)
    if getattr(kind, "__origin__", None) is frozenset:
        return st.frozensets(values_of(arguments[0]), max_size=3)
    return st.one_of(*(values_of(one) if one is not type(None) else st.none() for one in arguments))


@pytest.mark.parametrize("kind", COMMANDS, ids=lambda kind: kind.__name__)
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_every_command_survives_being_stored(kind: type[Command], data: st.DataObject) -> None:
    """What is carried out after an approval is what was asked for, to the last field."""
    command = data.draw(values_of(kind))
    stored = json.loads(json.dumps(codec.to_body(command)))
    found = codec.from_body(stored, HANDLERS)
    assert found == command
    assert type(found) is type(command)
    assert digest_of(found) == digest_of(command)


def test_a_name_that_two_commands_share_would_confuse_the_store() -> None:
    names = [kind.__name__ for kind in HANDLERS]
    assert len(names) == len(set(names))


def test_a_reason_of_a_stored_command_is_the_one_that_was_given(acme: Ledger) -> None:
    said = Reason("goodwill", "ten characters, \N{GRINNING FACE} and more", "https://tickets.example/1")
    request = ask(acme, replace(LARGE, reason=said))
    decide(acme, request)
    made = all_rows(acme)["transaction"][-1]
    assert (made["reason_code"], made["note"], made["ticket"]) == (said.code, said.note, said.ticket)


def test_what_is_not_allowed_any_more_when_it_is_decided_says_so(acme: Ledger) -> None:
    decide(acme, ask(acme, ApproveOverdraft("acme", 50 * MICRO, None, REASON)))
    lower = ask(acme, ApproveOverdraft("acme", 10 * MICRO, None, REASON))
    use(acme, quantity=30)
    with pytest.raises(NotAllowedNow, match="owes 30 credits"):
        decide(acme, lower)
