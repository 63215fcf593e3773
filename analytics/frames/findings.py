"""Where our books and a provider's disagree, both records in full, and the comparisons that found it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
import sqlalchemy as sa

from analytics.frames.asking import ask
from analytics.frames.schema import Schema, instant, maybe_whole, text, whole
from ledger import NotFound, Provider, queries
from ledger.core.differences import Sums

FINDINGS = Schema(
    "one finding, those that stand first, then the newest",
    (
        whole("finding_id", "number"),
        text("provider", "stripe, polar or mock"),
        text("kind", "see ledger.core.matching.Kind"),
        text("object_kind", "payment, refund, dispute or batch"),
        text("object_ref", "the provider's name of it, or ours where it has none"),
        text("figure", "see ledger.core.matching.Figure"),
        text("payment_ref", "the provider's name of the payment; NaN when it has none"),
        text("payment", "our name of the payment; NaN when there is none"),
        maybe_whole("batch_id", "batch that it is about"),
        text("account", "external id; NaN when nobody here is meant"),
        text("customer", "name; NaN for a pool or nobody"),
        maybe_whole("our_cents", "money in our books"),
        text("our_currency", "of our_cents"),
        maybe_whole("their_cents", "money in the provider's books"),
        text("their_currency", "of their_cents"),
        maybe_whole("credits_micro", "credits that hang on it, micro-credits"),
        instant("happened_at", "when it came about; NaT when that is not known"),
        instant("found_at", "when it was first found"),
        instant("seen_at", "the last comparison that looked at it"),
        text("state", "open, explained or fixed"),
        text("owner", "who deals with it, or empty"),
        text("note", "the explanation, or empty"),
        maybe_whole("transaction_id", "of the last decision about it"),
    ),
)


@dataclass(frozen=True, slots=True)
class FindingInFull:
    """One finding: the row of `FINDINGS` as plain values (None for what is absent), and both records as they were."""

    row: Mapping[str, Any]
    ours: Mapping[str, Any] | None
    theirs: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class ProviderRun:
    """One comparison; see `ledger.comparing.Comparison`. ``finished_at`` None: it is running, or was cut off."""

    run_id: int
    provider: Provider
    since: datetime
    until: datetime
    started_at: datetime
    finished_at: datetime | None
    by: str
    done: int
    objects: int
    matched: int
    others: int
    kinds: Mapping[str, int]
    sums: tuple[Sums, ...]
    error: str

    @property
    def is_good(self) -> bool:
        """Whether it came to its end."""
        return self.finished_at is not None and not self.error


def load_findings(connection: sa.Connection, *, provider: str, limit: int) -> pd.DataFrame:
    """Findings of a provider: see FINDINGS."""
    return FINDINGS.load(ask(connection, queries.findings, provider=provider, limit=limit))


def load_finding(connection: sa.Connection, *, finding_id: int) -> FindingInFull:
    """One finding with both records. Raises NotFound."""
    row = ask(connection, queries.finding_in_full, finding_id=finding_id).mappings().one_or_none()
    if row is None:
        raise NotFound(what="finding", id=str(finding_id))
    values = dict(row)
    return FindingInFull(values, values.pop("ours"), values.pop("theirs"))


def load_finding_counts(connection: sa.Connection, *, provider: str) -> dict[str, int]:
    """Open findings by kind; kinds without one are left out."""
    return {row.kind: row.findings for row in ask(connection, queries.finding_counts, provider=provider)}


def load_provider_runs(connection: sa.Connection, *, provider: str, limit: int = 30) -> list[ProviderRun]:
    """Comparisons with a provider, newest first."""
    return [_run(row) for row in ask(connection, queries.provider_runs, provider=provider, limit=limit)]


def _run(row: Any) -> ProviderRun:
    counts = row.counts
    return ProviderRun(
        row.run_id,
        Provider(row.provider),
        row.since,
        row.until,
        row.started_at,
        row.finished_at,
        row.by,
        row.done,
        counts.get("objects", 0),
        counts.get("matched", 0),
        counts.get("others", 0),
        counts.get("kinds", {}),
        tuple(Sums(**one) for one in counts.get("sums", {}).values()),
        row.error,
    )
