"""Keys of the HTTP API: made, rotated, revoked by admins; found by their text, remembered for seconds."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from ledger import (
    SYSTEM,
    Actor,
    CreateApiKey,
    InvalidCommand,
    Ledger,
    NotAllowedNow,
    NotFound,
    NotPermitted,
    RevokeApiKey,
    Role,
    RotateApiKey,
    Scope,
    Unauthenticated,
)
from ledger.api_keys import KEY_CHARS, KeyRing, NewKey, hash_of, make_key, prefix_of
from ledger.clock import FixedClock
from ledger.models import api_key, transaction
from tests.kit.factories import ADMIN, REASON, fresh_key

ALL = (Scope.BALANCE_READ, Scope.USAGE_WRITE)


def make(ledger: Ledger, *, actor: Actor = ADMIN, **more: object) -> NewKey:
    made = make_key()
    command = CreateApiKey("web", made.prefix, made.secret_hash, ALL, REASON, **more)  # type: ignore[arg-type]
    ledger.execute(command, actor=actor, key=fresh_key("key"))
    return made


def rotate(ledger: Ledger, key_id: int, *, hours: int = 24) -> NewKey:
    made = make_key()
    command = RotateApiKey(key_id, made.prefix, made.secret_hash, REASON, hours)
    ledger.execute(command, actor=ADMIN, key=fresh_key("rotate"))
    return made


def test_a_key_becomes_an_actor_with_its_scopes(ledger: Ledger) -> None:
    made = make(ledger, per_minute=60)
    found = KeyRing(ledger).find(made.text)
    assert found.actor == Actor(f"key:{made.prefix}", Role.SERVICE, frozenset(ALL))
    assert (found.id, found.name, found.per_minute) == (1, "web", 60)


def test_the_key_itself_is_nowhere_in_the_database(ledger: Ledger) -> None:
    made = make(ledger)
    with ledger.database.reading() as connection:
        stored = str(connection.execute(sa.select(api_key)).all())
        stored += str(connection.execute(sa.select(transaction)).all())
    assert made.prefix in stored
    assert made.secret_hash in stored
    assert made.text not in stored
    assert made.text.split("_")[2] not in stored


def test_keys_differ_and_say_what_they_are() -> None:
    texts = {make_key().text for _ in range(50)}
    assert len(texts) == 50
    assert all(len(text) == KEY_CHARS and prefix_of(text) == text[:12] for text in texts)
    assert [prefix_of(text) for text in ("", "cbt_", "cbt_a_b", "x" * KEY_CHARS, "cbt_" + "é" * 49)] == [""] * 5


@pytest.mark.parametrize("why", ["unknown", "false", "revoked", "expired", "malformed"])
def test_what_is_no_good_key_is_refused(ledger: Ledger, clock: FixedClock, why: str) -> None:
    made = make(ledger, expires_at=clock.now() + timedelta(days=1))
    text = made.text
    if why == "unknown":
        text = make_key().text
    elif why == "false":
        text = f"{made.prefix}_{make_key().text[13:]}"
    elif why == "revoked":
        ledger.execute(RevokeApiKey(1, REASON), actor=ADMIN, key="revoke")
    elif why == "expired":
        clock.set(clock.now() + timedelta(days=1))
    else:
        text = "Bearer"
    with pytest.raises(Unauthenticated):
        KeyRing(ledger).find(text)


def test_a_key_is_remembered_for_seconds_only(ledger: Ledger) -> None:
    now = FixedClock(ledger.clock.now())
    ring = KeyRing(ledger, clock=now)
    made = make(ledger)
    assert ring.remembered(made.text) is None
    ring.find(made.text)
    ledger.execute(RevokeApiKey(1, REASON), actor=ADMIN, key="revoke")
    assert ring.remembered(made.text) is not None
    now.set(now.now() + timedelta(seconds=5))
    with pytest.raises(Unauthenticated):
        ring.find(made.text)


def test_the_last_use_is_written_once_a_minute(ledger: Ledger, clock: FixedClock) -> None:
    made = make(ledger)
    at = clock.now()
    for seconds in (30, 50, 70):
        clock.set(at + timedelta(seconds=seconds))
        KeyRing(ledger).find(made.text)
        with ledger.database.reading() as connection:
            used = connection.execute(sa.select(api_key.c.last_used_at)).scalar_one()
        assert used == at + timedelta(minutes=seconds // 60)


def test_a_rotation_keeps_name_scopes_end_and_identity(ledger: Ledger, clock: FixedClock) -> None:
    end = clock.now() + timedelta(days=10)
    first = make(ledger, expires_at=end)
    second = rotate(ledger, 1, hours=2)
    third = rotate(ledger, 2, hours=24 * 30)
    ring = KeyRing(ledger)
    assert {ring.find(one.text).actor.id for one in (first, second, third)} == {f"key:{first.prefix}"}
    assert ring.find(third.text).expires_at == ring.find(second.text).expires_at == end
    assert ring.find(first.text).expires_at == clock.now() + timedelta(hours=2)
    with pytest.raises(NotAllowedNow, match=second.prefix):
        rotate(ledger, 1)
    clock.set(clock.now() + timedelta(hours=2))
    with pytest.raises(Unauthenticated):
        ring.find(first.text)
    with pytest.raises(NotAllowedNow, match="expired"):
        rotate(ledger, 1)


def test_only_admins_make_keys_and_no_key_does(ledger: Ledger, finance: Actor, manager: Actor) -> None:
    program = Actor("key:cbt_aaaaaaaa", Role.SERVICE, frozenset({Scope.ADMIN}))
    for actor in (finance, manager, program):
        with pytest.raises(NotPermitted):
            make(ledger, actor=actor)
    make(ledger, actor=SYSTEM)


def test_faults_come_at_once(ledger: Ledger, clock: FixedClock) -> None:
    command = CreateApiKey(" ", "nope", "nope", (), REASON, per_minute=0)
    with pytest.raises(InvalidCommand) as refused:
        ledger.execute(command, actor=ADMIN, key="key")
    assert {fault.field for fault in refused.value.faults} == {"name", "secret_hash", "scopes", "per_minute"}
    with pytest.raises(InvalidCommand, match="expires_at"):
        make(ledger, expires_at=clock.now())
    with pytest.raises(InvalidCommand, match="grace_hours"):
        rotate(ledger, 1, hours=-1)
    with pytest.raises(NotFound):
        rotate(ledger, 7)
    made = make(ledger)
    twin = CreateApiKey("b", made.prefix, hash_of("x"), ALL, REASON)
    with pytest.raises(InvalidCommand, match="prefix"):
        ledger.execute(twin, actor=ADMIN, key="twin")
