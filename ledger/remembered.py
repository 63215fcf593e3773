"""Accounts and prices as this process left them, so that the next charge need not ask for them.

What is remembered may be out of date at any moment, because others write, too. Nothing is decided by it for good: what
is written by it names the version of each account and of the catalogue that it went by, and the database refuses it
when one has moved. A refusal is never given from memory. Source: docs/decisions/0010.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ledger.core.records import AccountKind
from ledger.journal import AccountState
from ledger.operations.charging import Prices
from ledger.operations.holds import FoundHold

# More are forgotten from the one learned first on; an account takes some kilobytes.
ACCOUNTS_MAX = 20_000
HOLDS_MAX = 1_000
# Keys and uses seen lately, of which the older half is forgotten at a time.
SEEN_MAX = 100_000


@dataclass(slots=True)
class Known:
    """One account as it is locked, or as this process left it."""

    state: AccountState
    version: int
    # When the first of its open holds lapses, as far as known: never too late.
    lapses_at: datetime | None = None
    # Whether it was found twice as this process had left it, so that others seem to leave it alone.
    is_sure: bool = False
    # Holds that this process placed, by reference.
    holds: dict[str, FoundHold] = field(default_factory=dict)

    def is_plain(self, at: datetime) -> bool:
        """Whether nothing out of the ordinary has to be done before it is charged: no debt, no pool, no lapsed hold."""
        state = self.state
        if state.owed_micro or state.overdraft_limit_micro or state.kind is not AccountKind.CUSTOMER:
            return False
        return not state.held_micro or self.lapses_at is None or at < self.lapses_at

    def remember_hold(self, found: FoundHold) -> None:
        """Keep a hold for its capture."""
        if len(self.holds) >= HOLDS_MAX:
            del self.holds[next(iter(self.holds))]
        self.holds[found.hold.reference] = found


class Memory:
    """What one process remembers. Its owner sees to it that one thread at a time uses it."""

    def __init__(self) -> None:
        self.accounts: dict[str, Known] = {}
        self.catalog_version: int | None = None
        self.prices = Prices((), ())
        self._seen: set[tuple[str, ...]] = set()
        self._seen_before: set[tuple[str, ...]] = set()

    def is_sure_of(self, name: str, feature: str | None) -> bool:
        """Whether an account, and the price of a feature if one is named, can be gone by."""
        known = self.accounts.get(name)
        return known is not None and known.is_sure and (feature is None or feature in self.prices.features)

    def has_seen(self, actor: str, key: str, account: str, event_id: str | None) -> bool:
        """Whether a key or a use of an account came lately; from now on it did."""
        marks = [(actor, key)] if event_id is None else [(actor, key), (account, event_id, "")]
        found = any(mark in self._seen or mark in self._seen_before for mark in marks)
        self._seen.update(marks)
        if len(self._seen) > SEEN_MAX // 2:
            self._seen, self._seen_before = set(), self._seen
        return found

    def learn(self, name: str, known: Known) -> None:
        """Take in an account as a commit left it, unless something newer is known."""
        before = self.accounts.get(name)
        if before is None or before.version < known.version:
            if len(self.accounts) >= ACCOUNTS_MAX:
                del self.accounts[next(iter(self.accounts))]
            self.accounts[name] = known

    def learn_prices(self, version: int, features: Iterable[str], price_rows: Any, bundle_rows: Any) -> None:
        """Take in all prices and bundles of some features, of a version of the catalogue."""
        if version != self.catalog_version:
            self.catalog_version, self.prices = version, Prices((), ())
        self.prices.add(features, price_rows, bundle_rows)

    def forget(self, names: Iterable[str]) -> None:
        """Drop accounts that are not as remembered."""
        for name in names:
            self.accounts.pop(name, None)
