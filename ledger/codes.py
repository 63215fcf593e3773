"""Gift codes as people read them: how they are made, how a typed one is told apart, what the books keep of it.

The code itself is never stored. Source: docs/accounting.md, rule 21.
"""

import hashlib
import secrets
import string
from dataclasses import dataclass

# No 0 O, 1 I L, U V: whoever reads a code aloud or from paper cannot take one for the other.
ALPHABET = "23456789ABCDEFGHJKMNPQRSTWXYZ"
# 20 characters of 29 are 97 bits: nobody finds one by trying, and the four of the hint leave 77.
LENGTH = 20
GROUP = 5
HINT_CHARS = 4
PREFIX_MAX_CHARS = 12
_WRITTEN = frozenset(string.ascii_uppercase + string.digits)


@dataclass(frozen=True, slots=True)
class NewCode:
    """A fresh code: the text to hand out, and what is kept of it."""

    text: str
    code_hash: str
    hint: str


def make_codes(count: int, *, prefix: str = "") -> tuple[NewCode, ...]:
    """Fresh codes such as SPRING-7K2QX-…, each with its hash and hint. ``prefix``: letters and digits only."""
    if faults := prefix_fault(prefix):
        raise ValueError(faults)
    return tuple(_make(prefix.upper()) for _ in range(count))


def prefix_fault(prefix: str) -> str:
    """What is wrong with a prefix, as a sentence; empty when nothing is."""
    if len(prefix) > PREFIX_MAX_CHARS or not set(prefix.upper()) <= _WRITTEN:
        return f"has letters A-Z and digits only, at most {PREFIX_MAX_CHARS}"
    return ""


def hash_of(code: str) -> str:
    """SHA-256 of a code as anybody may type it: case, spaces and hyphens do not matter."""
    return hashlib.sha256(plain(code).encode()).hexdigest()


def plain(code: str) -> str:
    """A typed code in the one form that is hashed."""
    return "".join(character for character in code.upper() if character in _WRITTEN)


def _make(prefix: str) -> NewCode:
    drawn = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
    groups = [drawn[start : start + GROUP] for start in range(0, LENGTH, GROUP)]
    text = "-".join([prefix, *groups] if prefix else groups)
    return NewCode(text, hash_of(text), text[-HINT_CHARS:])
