"""Referrals: invited, joined, qualified, rewarded; what is refused, what is held, and who is rewarded how often."""

from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ledger import (
    MICRO,
    SYSTEM,
    Actor,
    Command,
    CreateReferralCode,
    DefineReferralProgramme,
    DisableReferralCode,
    EndReferralProgramme,
    InvalidCommand,
    InviteReferral,
    JoinReferral,
    Ledger,
    NotAllowedNow,
    NotFound,
    NotPermitted,
    OpenAccount,
    QualifyReferral,
    RefuseReferral,
    ReleaseReferral,
)
from ledger.clock import FixedClock
from ledger.core.lifecycle import last_day
from ledger.renewals import qualify_due
from tests.kit.factories import ADMIN, NOW, REASON, allow_overdraft, price_feature, refund, run, top_up, use
from tests.operations.books import all_rows, row_counts


@pytest.fixture
def club(ledger: Ledger) -> Ledger:
    """A programme of 50 for the referrer, twice at most, and 20 for who joins; acme has the code ACME."""
    run(ledger, make("define"))
    for name in ("acme", "bolt", "core", "dune"):
        join_company(ledger, name)
    run(ledger, make("code"))
    return ledger


def join_company(ledger: Ledger, name: str, *, email: str = "", organisation: str = "", zone: str = "UTC") -> None:
    email = email or f"ada@{name}.example"
    run(ledger, OpenAccount(name, name.title(), email=email, organisation=organisation, zone=zone))


def make(kind: str, **changes: object) -> Command:
    """A good command of some kind, with some fields changed."""
    good: dict[str, tuple[type[Command], dict[str, object]]] = {
        "define": (
            DefineReferralProgramme,
            {
                "code": "friends",
                "label": "Friends",
                "referrer_micro": 50 * MICRO,
                "referee_micro": 20 * MICRO,
                "cap": 2,
            },
        ),
        "end": (EndReferralProgramme, {"programme": "friends", "reason": REASON}),
        "code": (CreateReferralCode, {"account": "acme", "programme": "friends", "code": "acme"}),
        "disable": (DisableReferralCode, {"code": "ACME", "reason": REASON}),
        "invite": (InviteReferral, {"code": "ACME", "email": "Ada@Bolt.example "}),
        "join": (JoinReferral, {"code": " acme", "account": "bolt"}),
        "qualify": (QualifyReferral, {"account": "bolt"}),
        "release": (ReleaseReferral, {"referral_id": 1, "reason": REASON}),
        "refuse": (RefuseReferral, {"referral_id": 1, "reason": REASON}),
    }
    command, fields = good[kind]
    return command(**(fields | changes))


def referrals(ledger: Ledger) -> list[dict[str, Any]]:
    return all_rows(ledger)["referral"]


def only_id(ledger: Ledger) -> int:
    (row,) = referrals(ledger)
    return int(row["id"])


def rewards(ledger: Ledger) -> dict[str, list[float]]:
    """Credits given for referrals, by account."""
    rows = all_rows(ledger)
    names = {row["id"]: row["external_id"] for row in rows["account"]}
    found: dict[str, list[float]] = {}
    for row in rows["batch"]:
        if row["credit_type"] == "referral":
            found.setdefault(names[row["account_id"]], []).append(row["granted_micro"] / MICRO)
    return found


def test_both_sides_are_rewarded_in_one_transaction_when_the_customer_has_bought(club: Ledger) -> None:
    run(club, make("invite"))
    joined = run(club, make("join"))
    assert (joined.account, joined.counterpart) == ("bolt", "acme")
    (row,) = referrals(club)
    assert (row["state"], row["invited"], row["invited_at"], row["joined_at"]) == (
        "joined",
        "ada@bolt.example",
        NOW,
        NOW,
    )
    top_up(club, "bolt")
    receipt = run(club, make("qualify"))
    assert rewards(club) == {"acme": [50], "bolt": [20]}
    assert (receipt.available_before_micro, receipt.available_after_micro) == (100 * MICRO, 120 * MICRO)
    assert (receipt.counterpart, receipt.counterpart_available_micro) == ("acme", 50 * MICRO)
    (row,) = referrals(club)
    assert (row["state"], row["qualified_at"], row["rewarded_in_id"]) == ("rewarded", NOW, receipt.transaction_id)
    sources = {b["source"] for b in all_rows(club)["batch"] if b["credit_type"] == "referral"}
    assert sources == {"referral:ACME"}


def test_rewards_last_as_long_as_the_programme_says_in_each_ones_zone(ledger: Ledger, clock: FixedClock) -> None:
    clock.set(NOW + timedelta(hours=11))
    run(ledger, make("define", expires_months=3))
    join_company(ledger, "acme")
    join_company(ledger, "bolt", zone="Asia/Tokyo")
    run(ledger, make("code"))
    run(ledger, make("join"))
    top_up(ledger, "bolt")
    first, second = run(ledger, make("qualify")).new_batches
    assert first.expires_at is not None
    assert second.expires_at is not None
    assert last_day(first.expires_at, ZoneInfo("UTC")) == date(2026, 6, 10)
    assert last_day(second.expires_at, ZoneInfo("Asia/Tokyo")) == date(2026, 6, 11)


def test_the_referrer_is_rewarded_up_to_the_cap_and_who_joins_always(club: Ledger) -> None:
    for name in ("bolt", "core", "dune"):
        run(club, make("join", account=name))
        top_up(club, name)
        run(club, make("qualify", account=name))
    assert rewards(club) == {"acme": [50, 50], "bolt": [20], "core": [20], "dune": [20]}


def test_a_reward_repays_debt_of_its_side_first(club: Ledger) -> None:
    price_feature(club)
    allow_overdraft(club, "acme", 30)
    use(club, "acme", 30)
    run(club, make("join"))
    top_up(club, "bolt")
    assert run(club, make("qualify")).counterpart_available_micro == 20 * MICRO


def test_a_purchase_that_was_taken_back_does_not_count(club: Ledger) -> None:
    run(club, make("join"))
    with pytest.raises(NotAllowedNow, match="has not bought credits yet"):
        run(club, make("qualify"))
    (batch,) = top_up(club, "bolt").new_batches
    refund(club, "bolt", batch.id)
    with pytest.raises(NotAllowedNow, match="has not bought credits yet"):
        run(club, make("qualify"))
    assert qualify_due(club) == []
    top_up(club, "bolt")
    (receipt,) = qualify_due(club)
    assert receipt.account == "bolt"
    assert qualify_due(club) == []


@pytest.mark.parametrize(
    ("referee", "why"),
    [
        pytest.param({"email": "ADA@acme.example"}, "same e-mail address", id="one-address"),
        pytest.param({"organisation": "north"}, "organisation 'north'", id="one-organisation"),
    ],
)
def test_one_cannot_refer_oneself_under_another_name(ledger: Ledger, referee: dict[str, str], why: str) -> None:
    run(ledger, make("define"))
    join_company(ledger, "acme", organisation="north")
    join_company(ledger, "bolt", **referee)
    run(ledger, make("code"))
    before = all_rows(ledger)
    for account in ("acme", "bolt"):
        with pytest.raises(NotAllowedNow, match="refer themselves" if account == "acme" else why):
            run(ledger, make("join", account=account))
    assert all_rows(ledger) == before


def test_a_circle_is_refused(club: Ledger) -> None:
    for name in ("bolt", "core"):
        run(club, make("code", account=name, code=f"CODE-{name}"))
    run(club, make("join", account="bolt"))
    run(club, make("join", account="core", code="CODE-BOLT"))
    before = all_rows(club)
    with pytest.raises(NotAllowedNow, match="brought by the customer who joins"):
        run(club, make("join", account="acme", code="code-core"))
    assert all_rows(club) == before


def test_a_customer_is_referred_once_and_before_it_buys(club: Ledger) -> None:
    run(club, make("code", account="core", code="CORE"))
    assert run(club, make("join")).subject_id == only_id(club)
    for code in ("ACME", "CORE"):
        with pytest.raises(NotAllowedNow, match="was referred before"):
            run(club, make("join", code=code))
    top_up(club, "dune")
    with pytest.raises(NotAllowedNow, match="is no new customer"):
        run(club, make("join", account="dune"))


@pytest.mark.parametrize("order", ["buys-first", "released-first"])
def test_a_pair_that_looks_like_one_is_held_until_somebody_released_it(ledger: Ledger, order: str) -> None:
    run(ledger, make("define"))
    join_company(ledger, "acme")
    join_company(ledger, "bolt", email="bea@acme.example")
    run(ledger, make("code"))
    run(ledger, make("join"))
    (row,) = referrals(ledger)
    assert (row["state"], row["held_because"]) == ("joined", "both e-mail addresses are at acme.example")
    top_up(ledger, "bolt")
    release = make("release", referral_id=row["id"])
    if order == "buys-first":
        assert run(ledger, make("qualify")).new_batches == ()
        assert (referrals(ledger)[0]["state"], rewards(ledger)) == ("qualified", {})
        run(ledger, release)
    else:
        run(ledger, release)
        assert rewards(ledger) == {}
        run(ledger, make("qualify"))
    assert rewards(ledger) == {"acme": [50], "bolt": [20]}
    assert (referrals(ledger)[0]["state"], referrals(ledger)[0]["held_because"]) == ("rewarded", "")
    with pytest.raises(NotAllowedNow, match="is not held"):
        run(ledger, release)


def test_a_refused_referral_ends_without_a_reward(club: Ledger) -> None:
    run(club, make("join"))
    refuse = make("refuse", referral_id=only_id(club))
    run(club, refuse)
    top_up(club, "bolt")
    assert qualify_due(club) == []
    for command in (make("qualify"), refuse):
        with pytest.raises(NotAllowedNow, match="was refused before"):
            run(club, command)


def test_a_rewarded_referral_cannot_be_refused(club: Ledger) -> None:
    run(club, make("join"))
    top_up(club, "bolt")
    qualify_due(club)
    with pytest.raises(NotAllowedNow, match="void the reward's batches instead"):
        run(club, make("refuse", referral_id=only_id(club)))


def test_an_invitation_is_made_once_and_can_be_withdrawn(club: Ledger) -> None:
    run(club, make("invite"))
    with pytest.raises(NotAllowedNow, match=r"ada@bolt.example was invited by ACME before"):
        run(club, make("invite", email="ada@bolt.example"))
    run(club, make("refuse", referral_id=only_id(club)))
    run(club, make("invite"))
    assert [row["state"] for row in referrals(club)] == ["refused", "invited"]


@pytest.mark.parametrize(("end", "why"), [("end", "its programme ended"), ("disable", "it was disabled")])
def test_who_joined_before_the_end_is_still_rewarded(club: Ledger, clock: FixedClock, end: str, why: str) -> None:
    run(club, make("join"))
    clock.advance(timedelta(days=1))
    run(club, make(end))
    for command in (make("join", account="core"), make("invite")):
        with pytest.raises(NotAllowedNow, match=why):
            run(club, command)
    with pytest.raises(NotAllowedNow, match="before"):
        run(club, make(end))
    top_up(club, "bolt")
    assert len(qualify_due(club)) == 1


def test_a_code_belongs_to_one_customer_and_a_customer_has_one_per_programme(club: Ledger) -> None:
    with pytest.raises(InvalidCommand, match="ACME is taken"):
        run(club, make("code", account="bolt"))
    with pytest.raises(NotAllowedNow, match="has the code ACME in friends already"):
        run(club, make("code", code="OTHER"))
    run(club, make("code", account="bolt", code=""))
    assert [row["code"][:5] for row in all_rows(club)["referral_code"]] == ["ACME", "BOLT-"]


FAULTS = [
    pytest.param(make("define", code="", label=" "), {"code", "label"}, id="no-name"),
    pytest.param(make("define", referrer_micro=0, referee_micro=0), {"referee"}, id="nothing-for-anybody"),
    pytest.param(make("define", referrer_micro=-1), {"referrer"}, id="less-than-nothing"),
    pytest.param(make("define", cap=0, expires_months=0), {"cap", "expires_months"}, id="cap"),
    pytest.param(make("define", ends_at=NOW), {"ends_at"}, id="ends-at-once"),
    pytest.param(make("code", code="a b"), {"code"}, id="code-with-a-space"),
    pytest.param(make("code", code="abc"), {"code"}, id="short-code"),
    pytest.param(make("invite", email="nobody"), {"email"}, id="no-address"),
]


@pytest.mark.parametrize(("command", "fields"), FAULTS)
def test_a_wrong_command_is_refused_with_all_its_faults(untouched: Ledger, command: Command, fields: set[str]) -> None:
    before = row_counts(untouched)
    with pytest.raises(InvalidCommand) as refused:
        run(untouched, command)
    assert {fault.field for fault in refused.value.faults} == fields
    assert row_counts(untouched) == before


@pytest.mark.parametrize("kind", ["end", "code", "disable", "invite", "join", "qualify", "release", "refuse"])
def test_what_is_not_there_is_not_found(untouched: Ledger, kind: str) -> None:
    before = row_counts(untouched)
    for attempt in (lambda: run(untouched, make(kind)), lambda: untouched.preview(make(kind), actor=ADMIN)):
        with pytest.raises(NotFound):
            attempt()
    assert row_counts(untouched) == before


@pytest.mark.parametrize("kind", ["define", "end", "code", "disable", "invite", "join", "qualify", "release", "refuse"])
def test_readers_may_not_touch_referrals(untouched: Ledger, finance: Actor, manager: Actor, kind: str) -> None:
    before = row_counts(untouched)
    for actor in (finance, manager):
        with pytest.raises(NotPermitted, match="change referrals"):
            untouched.execute(make(kind), actor=actor, key="k")
        with pytest.raises(NotPermitted):
            untouched.preview(make(kind), actor=actor)
    assert row_counts(untouched) == before


def test_a_preview_rewards_nobody_and_the_same_key_rewards_once(club: Ledger) -> None:
    run(club, make("join"))
    top_up(club, "bolt")
    before = all_rows(club)
    shown = club.preview(make("qualify"), actor=ADMIN)
    assert all_rows(club) == before
    done = club.execute(make("qualify"), actor=ADMIN, key="k")
    assert shown.counterpart_available_micro == done.counterpart_available_micro == 50 * MICRO
    after = all_rows(club)
    assert club.execute(make("qualify"), actor=ADMIN, key="k") == done.as_replayed()
    assert all_rows(club) == after


def test_large_rewards_need_a_second_person_but_not_for_the_job(ledger: Ledger) -> None:
    run(ledger, make("define", referrer_micro=200_000 * MICRO))
    for name in ("acme", "bolt"):
        join_company(ledger, name)
    run(ledger, make("code"))
    run(ledger, make("join"))
    top_up(ledger, "bolt")
    assert ledger.preview(make("qualify"), actor=ADMIN).needs_approval
    assert not ledger.preview(make("qualify"), actor=SYSTEM).needs_approval
