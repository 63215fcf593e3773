"""The door of comparisons with a provider: asks for all its payments, holds ours against them, writes what differs.

This module and the commands of findings (ledger/operations/findings.py) are the only writers of provider_run and
finding (docs/decisions/0008). Nothing is mended here and no credits move. Whatever differs is asked for once more
before it is written down, because books that are at work move while they are read. One comparison with a provider runs
at a time; one that is cut off leaves the findings as they were. Source: docs/accounting.md, rule 35.
"""

import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from ledger import jobs
from ledger.comparing_findings import Found, write_findings
from ledger.comparing_look import Looking
from ledger.core.differences import Sums
from ledger.core.payments import Provider
from ledger.core.policy import Actor, Permission
from ledger.database import answering
from ledger.errors import Fault, InvalidCommand, NotAllowedNow, NotFound
from ledger.facade import Ledger
from ledger.gateways import registry
from ledger.gateways.provider import Gateway
from ledger.models import provider_run
from ledger.queries import comparing as queries

# So many seconds without a word, and another comparison may begin.
LEASE_SECONDS = 180.0
ERROR_MAX_CHARS = 500
# How far a comparison is: payments looked at, and how many there will be at least.
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What one comparison found over payments of [since, until).

    ``objects`` and ``matched`` count payments, refunds, disputes and batches; ``kinds`` findings by
    `ledger.core.matching.Kind`; ``others`` are payments at the provider that name nothing of ours, which are left out.
    ``begun`` findings are new, ``fixed`` ones are gone. ``sums`` hold what was settled, by currency.
    """

    provider: Provider
    run_id: int
    since: datetime
    until: datetime
    objects: int
    matched: int
    kinds: Mapping[str, int]
    others: int
    begun: int
    fixed: int
    sums: Mapping[str, Sums]

    @property
    def findings(self) -> int:
        """How many findings stand for payments of that time."""
        return sum(self.kinds.values())


def compare(
    ledger: Ledger,
    provider: Provider,
    *,
    since: datetime,
    until: datetime,
    by: Actor,
    progress: Progress | None = None,
    gateway: Gateway | None = None,
) -> Comparison:
    """Compare everything that was paid in [since, until) with the provider's books, and every standing finding again.

    ``gateway`` is the one of the settings unless another one is given.
    Raises NotPermitted, InvalidCommand, ProviderNotSetUp, NotAllowedNow while another one runs, ProviderUnavailable and
    ProviderRefused: then no finding was changed and the run is kept with its error.
    """
    ledger.require(by, Permission.RECONCILE)
    if since >= until:
        raise InvalidCommand([Fault("until", "must lie after the beginning")])
    gateway = gateway or registry.gateway(ledger, provider)
    at = ledger.clock.now()
    with _alone(ledger, provider) as renew:
        run_id = _begin(ledger, provider, since=since, until=until, at=at, by=by)
        looking = Looking(ledger, gateway, since=since, until=until, at=at)

        def tell(done: int, total: int) -> None:
            renew()
            _note(ledger, run_id, done)
            if progress is not None:
                progress(done, total)

        try:
            looking.run(tell)
            made = _finish(ledger, run_id, looking, at)
        except BaseException as error:
            # Also when somebody stops it: the run says so, whatever the reason, and the reason goes on.
            _fail(ledger, run_id, error)
            raise
    return Comparison(provider, run_id, since, until, **made)


def recheck(ledger: Ledger, finding_id: int, *, by: Actor) -> str:
    """Look at the object of one finding again, on both sides; answers the state of the finding then.

    Raises NotPermitted, NotFound, NotAllowedNow while a comparison runs, and what the provider raises.
    """
    ledger.require(by, Permission.RECONCILE)
    with ledger.database.reading() as connection:
        row = connection.execute(queries.finding_row(finding_id)).one_or_none()
    if row is None:
        raise NotFound(what="finding", id=str(finding_id))
    provider, at = Provider(row.provider), ledger.clock.now()
    gateway = registry.gateway(ledger, provider)
    with _alone(ledger, provider):
        looking = Looking(ledger, gateway, since=at, until=at, at=at)
        looking.look_at(row)
        with answering(), ledger.database.engine.begin() as connection:
            write_findings(
                connection,
                provider.value,
                looking.found,
                was_looked_at=looking.was_looked_at,
                run_id=row.run_id,
                at=at,
            )
            state: str = connection.execute(queries.finding_row(finding_id)).one().state
    return state


@contextmanager
def _alone(ledger: Ledger, provider: Provider) -> Iterator[Callable[[], None]]:
    """Nobody else compares with this provider meanwhile; answers what keeps it so."""
    holder = f"compare-{secrets.token_hex(6)}"
    mine = jobs.acquire(ledger, holder, name=f"compare:{provider.value}", seconds=LEASE_SECONDS)
    if mine is None:
        raise NotAllowedNow(f"A comparison with {provider.value.capitalize()} is running; wait until it has ended.")

    def renew() -> None:
        if not jobs.renew(ledger, mine, seconds=LEASE_SECONDS):
            raise NotAllowedNow("This comparison took too long between two payments, and another one has begun.")

    try:
        yield renew
    finally:
        jobs.release(ledger, mine)


def _begin(ledger: Ledger, provider: Provider, *, since: datetime, until: datetime, at: datetime, by: Actor) -> int:
    """A new run; those that ended in the middle are closed, since nobody else is at it."""
    with answering(), ledger.database.engine.begin() as connection:
        connection.execute(
            sa.update(provider_run)
            .where(provider_run.c.provider == provider.value, provider_run.c.finished_at.is_(None))
            .values(finished_at=at, error="The process that ran it ended in the middle.")
        )
        made = connection.execute(
            sa.insert(provider_run)
            .values(
                provider=provider.value,
                since=since,
                until=until,
                started_at=at,
                by=by.id,
                done=0,
                counts={},
                error="",
            )
            .returning(provider_run.c.id)
        )
        run_id: int = made.scalar_one()
    return run_id


def _note(ledger: Ledger, run_id: int, done: int) -> None:
    with answering(), ledger.database.engine.begin() as connection:
        connection.execute(sa.update(provider_run).where(provider_run.c.id == run_id).values(done=done))


def _fail(ledger: Ledger, run_id: int, error: BaseException) -> None:
    # What is no Exception stops a process or a page on purpose, and has no words for people.
    words = str(error) if isinstance(error, Exception) else "It was stopped before it had seen everything."
    with answering(), ledger.database.engine.begin() as connection:
        connection.execute(
            sa.update(provider_run)
            .where(provider_run.c.id == run_id)
            .values(finished_at=ledger.clock.now(), error=words[:ERROR_MAX_CHARS])
        )


def _finish(ledger: Ledger, run_id: int, looking: Looking, at: datetime) -> dict[str, Any]:
    """Write findings and figures in one transaction; answers the figures."""
    told: list[Found] = looking.found
    kinds = Counter(one.difference.kind.value for one in told if one.is_of_period)
    with answering(), ledger.database.engine.begin() as connection:
        begun, fixed = write_findings(
            connection, looking.provider, told, was_looked_at=looking.was_looked_at, run_id=run_id, at=at
        )
        made: dict[str, Any] = {
            "objects": looking.objects.total(),
            "matched": looking.objects.total() - kinds.total(),
            "kinds": dict(kinds),
            "others": looking.others,
            "begun": begun,
            "fixed": fixed,
        }
        counts = made | {
            "by_object": dict(looking.objects),
            "sums": {currency: asdict(one) for currency, one in looking.sums.items()},
        }
        connection.execute(
            sa.update(provider_run)
            .where(provider_run.c.id == run_id)
            .values(finished_at=ledger.clock.now(), counts=counts, done=looking.done)
        )
    return made | {"sums": dict(looking.sums)}
