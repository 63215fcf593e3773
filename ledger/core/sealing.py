"""The hash chain over transactions: what exactly is hashed. tools/verify_seal.py says the same a second time.

Each link is SHA-256 over the hash before it and the canonical text of one transaction with everything that hangs on it,
so a change anywhere breaks the chain from there on. Source: docs/accounting.md, rule 30.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

# What the first link follows.
GENESIS = "0" * 64


def canonical(
    transaction: Mapping[str, Any],
    *,
    entries: Sequence[Mapping[str, Any]],
    events: Sequence[Mapping[str, Any]],
    batches: Sequence[Mapping[str, Any]],
) -> str:
    """One text for one content, whatever the database: keys sorted, no spaces, instants in UTC with microseconds.

    Args: rows by column name, each list sorted by id; batches are those that the transaction made, without the columns
    that later acts move.
    """
    content = {"transaction": transaction, "entries": entries, "events": events, "batches": batches}
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_plain)


def link(previous_hash: str, text: str) -> str:
    """The hash that follows another one in the chain.

    >>> link(GENESIS, "a") == link(GENESIS, "b")
    False
    """
    return hashlib.sha256(f"{previous_hash}\n{text}".encode()).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no canonical form")
