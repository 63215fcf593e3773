"""Names of attempts where the caller gave none: made of what is written, so that a repeat has the same."""

import hashlib

KEY_MAX_CHARS = 200


def key_of(*parts: str) -> str:
    """A name made of parts that say together which write it is, such as an account and an event id."""
    plain = ":".join(parts)
    # A colon inside a part could make two different lists of parts look alike.
    if len(plain) <= KEY_MAX_CHARS and plain.count(":") == len(parts) - 1:
        return plain
    return "sha256:" + hashlib.sha256(repr(parts).encode()).hexdigest()
