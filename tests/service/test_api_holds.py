"""Holds over HTTP: placed, captured, released, extended, listed; each harmless to repeat."""

from datetime import timedelta
from typing import Any

import pytest

from ledger import Ledger
from ledger.clock import FixedClock
from ledger.core.policy import Scope
from tests.kit import factories
from tests.kit.calling import Caller

JOB = {"account": "acme", "reference": "job-1"}


@pytest.fixture
def caller(ledger: Ledger) -> Caller:
    factories.open_account(ledger)
    factories.price_feature(ledger, "video", 1)
    factories.grant(ledger, credits=100)
    return Caller(ledger, Scope.USAGE_WRITE)


def place(caller: Caller, **more: Any) -> Any:
    return caller.send("POST", "/holds", json={**JOB, "feature": "video", "amount": "60", "expires_in": 900, **more})


def act(caller: Caller, verb: str, **more: Any) -> Any:
    return caller.send("POST", f"/holds/{verb}", json={**JOB, **more})


def test_a_hold_is_placed_once_by_its_reference(caller: Caller, clock: FixedClock) -> None:
    first = place(caller)
    clock.set(clock.now() + timedelta(seconds=30))
    again = place(caller)
    assert (first.status_code, again.status_code) == (201, 200), again.text
    assert first.json()["available"] == {"before": "100", "after": "40"}
    assert first.json()["held_until"] == again.json()["held_until"] == "2026-03-10T12:15:00Z"
    other = place(caller, amount="61")
    assert (other.status_code, other.json()["code"]) == (409, "key_reused")
    assert place(caller, reference="job-2").status_code == 402


def test_a_capture_uses_a_part_and_releases_the_rest(caller: Caller) -> None:
    place(caller)
    first, again = (act(caller, "capture", event_id="done", amount="37.5") for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 200), first.text
    assert first.json()["available"]["after"] == "62.5"
    assert [take["amount"] for take in first.json()["returned"]] == ["22.5"]
    late = act(caller, "release")
    assert (late.status_code, late.json()["code"]) == (409, "hold_already_resolved")
    assert act(caller, "capture", event_id="more", amount="61", reference="nope").status_code == 404


def test_a_release_needs_no_reason_from_a_program(caller: Caller) -> None:
    place(caller)
    assert [act(caller, "release").status_code for _ in range(2)] == [201, 200]
    assert act(caller, "release", note="short").status_code == 422


def test_a_hold_lapses_later_when_it_is_extended(caller: Caller, clock: FixedClock) -> None:
    place(caller)
    answer = act(caller, "extend", expires_at="2026-03-10T15:00:00+01:00", note="the job takes longer")
    assert (answer.status_code, answer.json()["held_until"]) == (201, "2026-03-10T14:00:00Z")
    assert act(caller, "extend", expires_at="2026-03-10T13:00:00Z").status_code == 422
    clock.set(clock.now() + timedelta(hours=3))
    gone = act(caller, "capture", event_id="late")
    assert (gone.status_code, gone.json()["code"]) == (409, "hold_already_resolved")


def test_holds_are_listed_the_open_ones_first(caller: Caller) -> None:
    place(caller, amount="10")
    place(caller, reference="job-2", amount="20", expires_in=60)
    place(caller, reference="job-3", amount="5")
    act(caller, "capture", event_id="done", reference="job-3", amount="4")
    listed = caller.get("/customers/acme/holds").json()["holds"]
    assert [(one["reference"], one["state"], one["amount"]) for one in listed] == [
        ("job-2", "open", "20"),
        ("job-1", "open", "10"),
    ]
    both = caller.get("/customers/acme/holds", is_open=False).json()["holds"]
    assert [(one["state"], one["captured"]) for one in both] == [("open", "0"), ("open", "0"), ("captured", "4")]
    assert caller.get("/customers/nobody/holds").status_code == 404
    assert caller.get("/customers/acme/holds", limit=0).json()["faults"][0]["field"] == "limit"


def test_one_end_is_enough(caller: Caller) -> None:
    answer = place(caller, expires_at="2026-03-10T15:00:00Z")
    assert (answer.status_code, answer.json()["faults"][0]["field"]) == (422, "expires_in")
    assert place(caller, expires_in=None).status_code == 201
