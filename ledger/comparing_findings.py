"""Findings as rows: new ones, those that stand, those that are gone. Written by the door of comparisons alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from ledger.both_sides import Record
from ledger.core.matching import Difference, Kind
from ledger.models import finding
from ledger.queries import comparing as queries

# What a changed figure of a finding means: whoever explained it spoke of another one.
_FIGURES = ("figure", "our_cents", "our_currency", "their_cents", "their_currency")


@dataclass(frozen=True, slots=True)
class Found:
    """One difference with everything that people need to know about it.

    ``is_of_period``: it belongs to the time that was compared; others are standing findings, looked at again.
    """

    difference: Difference
    payment_id: int | None
    payment_ref: str | None
    batch_id: int | None
    account_id: int | None
    credits_micro: int | None
    ours: Record | None
    theirs: Record | None
    is_of_period: bool

    @property
    def key(self) -> tuple[str, str, str]:
        """What it is about, as a row is unique for a provider."""
        one = self.difference
        return one.kind.value, one.object_kind.value, one.ref


def write_findings(
    connection: sa.Connection,
    provider: str,
    found: Sequence[Found],
    *,
    was_looked_at: Callable[[Any], bool],
    run_id: int,
    at: datetime,
) -> tuple[int, int]:
    """Write what was found, and that what was looked at and not found again is fixed; answers how many began and ended.

    A finding that stays keeps state, note and owner; when its figures move, what was explained is open again. What was
    too young to tell hands its note and owner on.
    """
    standing = {_key(row): row for row in connection.execute(queries.standing_findings(provider))}
    waiting = {(row.object_kind, row.object_ref): row for row in standing.values() if row.kind == Kind.TIMING.value}
    begun, handed_on = 0, 0
    for key, one in {each.key: each for each in found}.items():
        known = standing.pop(key, None)
        values = _values(one) | {"run_id": run_id, "seen_at": at}
        if known is None:
            before = waiting.get(key[1:])
            begun += before is None
            handed_on += before is not None
            _begin(connection, provider, key, values, before, at)
            continue
        moved = any(values[name] != getattr(known, name) for name in _FIGURES)
        if moved and known.state == "explained":
            values["state"] = "open"
        connection.execute(sa.update(finding).where(finding.c.id == known.id).values(values))
    gone = [row.id for row in standing.values() if was_looked_at(row)]
    if gone:
        ended = sa.update(finding).where(finding.c.id == sa.bindparam("of"))
        connection.execute(
            ended.values(state="fixed", seen_at=at, run_id=run_id), [{"of": id_} for id_ in sorted(gone)]
        )
    return begun, len(gone) - handed_on


def _begin(
    connection: sa.Connection,
    provider: str,
    key: tuple[str, str, str],
    values: dict[str, Any],
    before: Any,
    at: datetime,
) -> None:
    """A new finding, or one that was fixed once and is back."""
    kind, object_kind, object_ref = key
    again = (
        sa.update(finding)
        .where(
            finding.c.provider == provider,
            finding.c.kind == kind,
            finding.c.object_kind == object_kind,
            finding.c.object_ref == object_ref,
        )
        .values(values | {"state": "open", "found_at": at})
    )
    if connection.execute(again).rowcount:
        return
    values |= {"provider": provider, "kind": kind, "object_kind": object_kind, "object_ref": object_ref}
    values |= {"state": "open", "found_at": at, "owner": "", "note": ""}
    if before is not None:
        values |= {"found_at": before.found_at, "owner": before.owner, "note": before.note}
    connection.execute(sa.insert(finding).values(values))


def _key(row: Any) -> tuple[str, str, str]:
    return row.kind, row.object_kind, row.object_ref


def _values(one: Found) -> dict[str, Any]:
    told = one.difference
    return {
        "figure": told.figure.value,
        "payment_ref": one.payment_ref,
        "payment_id": one.payment_id,
        "batch_id": one.batch_id,
        "account_id": one.account_id,
        "our_cents": None if told.ours is None else told.ours.cents,
        "our_currency": None if told.ours is None else told.ours.currency,
        "their_cents": None if told.theirs is None else told.theirs.cents,
        "their_currency": None if told.theirs is None else told.theirs.currency,
        "credits_micro": one.credits_micro,
        "ours": one.ours,
        "theirs": one.theirs,
        "happened_at": told.at,
    }
