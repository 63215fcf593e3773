"""Bounds of what a key of the HTTP API may be given; forms and commands ask here."""

NAME_MAX_CHARS = 120
PER_MINUTE_MAX = 1_000_000
# How long an old key may work on beside its successor.
GRACE_MAX_HOURS = 30 * 24
