"""When to try again: lost connections, 429 and 5xx, with growing pauses that chance spreads."""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

# What an answer with such a status did is unknown, or was nothing; repeating is safe because every write is named.
AGAIN = frozenset({429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Retries:
    """How often and how long: at most ``tries`` in all, within ``patience`` seconds from the first one on.

    The pause before a try is drawn between 0 and ``first_pause`` doubled with each try, at most ``longest_pause``; a
    service that says when to come again is obeyed.
    """

    tries: int = 6
    patience: float = 30.0
    first_pause: float = 0.1
    longest_pause: float = 5.0
    # For tests: what draws between two numbers, and what tells the seconds.
    draw: Callable[[float, float], float] = field(default=random.uniform, repr=False)
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)

    def start(self) -> "Trying":
        """A first try."""
        return Trying(self)


class Trying:
    """The tries of one call."""

    def __init__(self, rules: Retries) -> None:
        self._rules, self._began = rules, rules.clock()
        self.made = 1

    def pause(self, retry_after: float | None = None) -> float | None:
        """Seconds to wait before the next try; None when there is none left."""
        rules = self._rules
        if self.made >= rules.tries:
            return None
        most = min(rules.longest_pause, rules.first_pause * 2.0 ** (self.made - 1))
        wait = rules.draw(0.0, most)
        if retry_after is not None:
            # Everybody was told the same second: come a little later than it, not all at once.
            wait += retry_after
        if rules.clock() - self._began + wait > rules.patience:
            return None
        self.made += 1
        return wait


def retry_after_of(headers: Mapping[str, str]) -> float | None:
    """The seconds in a Retry-After header; None without one, and for a date, which our service never sends."""
    found = headers.get("retry-after", "")
    return float(found) if found.isdigit() else None
