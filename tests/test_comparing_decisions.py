"""Findings are explained, assigned, mended, gone and back; comparisons that do not come to their end harm nothing."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from ledger import (
    Actor,
    AssignFinding,
    ExplainFinding,
    InvalidCommand,
    Ledger,
    NotAllowedNow,
    NotFound,
    NotPermitted,
    Provider,
    ProviderUnavailable,
    ReopenFinding,
    jobs,
)
from ledger.clock import FixedClock
from ledger.comparing import compare, recheck
from ledger.gateways.mock import MockGateway
from ledger.gateways.provider import PaymentFacts
from ledger.models import finding, payment, provider_run
from ledger.selling.mending import mend
from tests.kit import factories
from tests.kit.factories import ADMIN, fresh_key
from tests.kit.paying import define_package
from tests.kit.provider_books import Books
from tests.test_comparing import HOUR, look, paid, standing


@pytest.fixture
def books(ledger: Ledger, mock: MockGateway) -> Books:
    define_package(ledger)
    factories.open_account(ledger, "acme")
    return Books(ledger, mock)


def row(ledger: Ledger, number: int = 1) -> sa.Row[Any]:
    """A finding."""
    with ledger.database.reading() as connection:
        return connection.execute(sa.select(finding).where(finding.c.id == number)).one()


def decide(ledger: Ledger, command: Any, actor: Actor = ADMIN) -> Any:
    return ledger.execute(command, actor=actor, key=fresh_key("decide"))


@pytest.fixture
def alien(books: Books, clock: FixedClock) -> Books:
    """A payment at the provider that nobody here has begun, found by a comparison."""
    books.payment("pi_alien", account="acme")
    books.write()
    clock.advance(2 * HOUR)
    look(books.ledger)
    return books


def test_an_explanation_and_an_owner_stay_while_the_figures_do(alien: Books, finance: Actor) -> None:
    ledger = alien.ledger
    assert decide(ledger, AssignFinding(1, "fritz@example.com"), finance).notes == (
        "Finding 1 belongs to fritz@example.com.",
    )
    decide(ledger, ExplainFinding(1, "sold at the fair, booked by hand"), finance)
    found = look(ledger)
    assert (found.begun, found.fixed, found.findings) == (0, 0, 1)
    one = row(ledger)
    assert (one.state, one.owner, one.note) == ("explained", "fritz@example.com", "sold at the fair, booked by hand")
    alien.change("pi_alien", lambda made: made.update(cents=20_000))
    look(ledger)
    assert (row(ledger).state, row(ledger).their_cents) == ("open", 20_000)
    decide(ledger, ExplainFinding(1, "sold twice at the fair"), finance)
    decide(ledger, ReopenFinding(1, "that was another customer"), finance)
    assert (row(ledger).state, row(ledger).note) == ("open", "that was another customer")


def test_the_same_decision_twice_is_once(alien: Books) -> None:
    command = ExplainFinding(1, "sold at the fair, booked by hand")
    first = alien.ledger.execute(command, actor=ADMIN, key="explain-1")
    again = alien.ledger.execute(command, actor=ADMIN, key="explain-1")
    assert (again.transaction_id, again.replayed) == (first.transaction_id, True)
    assert decide(alien.ledger, command).transaction_id is None


def test_decisions_are_refused_with_a_sentence(alien: Books, manager: Actor) -> None:
    ledger = alien.ledger
    with pytest.raises(InvalidCommand, match="at least 10 characters"):
        decide(ledger, ExplainFinding(1, "fine"))
    with pytest.raises(NotFound, match="finding"):
        decide(ledger, AssignFinding(99, "fritz@example.com"))
    for command in (ExplainFinding(1, "sold at the fair"), AssignFinding(1, ""), ReopenFinding(1, "not at the fair")):
        with pytest.raises(NotPermitted):
            decide(ledger, command, manager)
    with pytest.raises(NotPermitted):
        look(ledger, actor=manager)
    with pytest.raises(NotPermitted):
        mend(ledger, 1, by=manager)
    alien.forget("pi_alien")
    assert look(ledger).fixed == 1
    with pytest.raises(NotAllowedNow, match="is fixed"):
        decide(ledger, ExplainFinding(1, "sold at the fair"))


def test_what_is_gone_is_fixed_and_opens_again_when_it_is_back(alien: Books) -> None:
    ledger = alien.ledger
    decide(ledger, AssignFinding(1, "fritz@example.com"))
    alien.adopt("pi_alien")
    assert mend(ledger, 1, by=ADMIN).state == "fixed"
    assert standing(ledger) == set()
    found = look(ledger)
    assert (found.findings, found.begun, found.fixed) == (0, 0, 0)
    alien.edit("UPDATE payment SET total_cents = 1 WHERE payment_ref = 'pi_alien'")
    assert look(ledger).begun == 1
    alien.edit("UPDATE payment SET total_cents = 10000 WHERE payment_ref = 'pi_alien'")
    assert look(ledger).fixed == 1
    assert standing(ledger, "fixed") == {("missing_here", "payment", "pi_alien"), ("amount", "payment", "pi_alien")}


def test_a_finding_from_before_the_time_that_is_compared_is_looked_at_again(alien: Books, clock: FixedClock) -> None:
    ledger = alien.ledger
    clock.advance(timedelta(days=90))
    found = look(ledger)
    assert (found.objects, found.findings) == (0, 0)
    assert standing(ledger) == {("missing_here", "payment", "pi_alien")}
    alien.adopt("pi_alien")
    alien.follow(_name(ledger), "pi_alien")
    assert look(ledger).fixed == 1


def _name(ledger: Ledger) -> str:
    with ledger.database.reading() as connection:
        return str(connection.execute(sa.select(payment.c.name)).scalar_one())


def test_mending_books_what_was_never_told(books: Books, clock: FixedClock, finance: Actor) -> None:
    ledger = books.ledger
    name = paid(books, 1)
    books.write()
    found = look(ledger)
    assert found.kinds == {"timing": 1}
    decide(ledger, AssignFinding(1, "fritz@example.com"))
    clock.advance(2 * HOUR)
    # What was too young to tell is now missing, and still belongs to whoever took it.
    found = look(ledger)
    assert (found.begun, found.fixed, found.kinds) == (0, 0, {"missing_here": 1})
    assert standing(ledger) == {("missing_here", "payment", "pi_0001")}
    one = row(ledger, 2)
    assert one.owner == "fritz@example.com"
    made = mend(ledger, 2, by=finance)
    assert made.state == "fixed"
    assert made.receipt is not None
    assert made.receipt.new_batches[0].amount_micro == 100_000_000
    assert mend(ledger, 2, by=finance).receipt is None
    with ledger.database.reading() as connection:
        assert connection.execute(sa.select(payment.c.state).filter_by(name=name)).scalar_one() == "credited"


def test_a_second_payment_says_why_it_cannot_be_followed_and_can_be_adopted(books: Books, clock: FixedClock) -> None:
    ledger = books.ledger
    name = paid(books, 1)
    books.write()
    books.follow(name, "pi_0001")
    books.payment("pi_again", name=name, account="acme")
    books.write()
    clock.advance(2 * HOUR)
    look(ledger)
    assert standing(ledger) == {("duplicate", "payment", "pi_again")}
    made = mend(ledger, 1, by=ADMIN)
    assert (made.state, made.receipt) == ("open", None)
    assert "another payment under the same name" in made.why
    # Looking at it alone invents nothing about the first one.
    assert recheck(ledger, 1, by=ADMIN) == "open"
    assert standing(ledger) == {("duplicate", "payment", "pi_again")}


class Cut(Exception):
    """Somebody pulls the plug."""


def test_a_comparison_that_is_cut_off_changes_no_finding_and_the_next_one_goes_on(
    alien: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = alien.ledger
    before = standing(ledger)

    def fails(self: MockGateway, *, since: datetime, until: datetime) -> Iterator[PaymentFacts]:
        raise ProviderUnavailable(provider="mock", detail="timed out")
        yield

    with monkeypatch.context() as patch:
        patch.setattr(MockGateway, "payments", fails)
        with pytest.raises(ProviderUnavailable):
            look(ledger)
    now = ledger.clock.now()
    with pytest.raises(Cut):
        compare(ledger, Provider.MOCK, since=now - HOUR, until=now, by=ADMIN, progress=_pull)
    with ledger.database.reading() as connection:
        runs = connection.execute(sa.select(provider_run).order_by(provider_run.c.id)).all()
    assert [one.error[:20] for one in runs] == ["", "Mock did not answer ", "the plug"]
    assert all(one.finished_at is not None for one in runs)
    assert standing(ledger) == before
    assert look(ledger).findings == 1


def _pull(done: int, total: int) -> None:
    raise Cut("the plug")


def test_one_comparison_with_a_provider_runs_at_a_time(alien: Books) -> None:
    ledger = alien.ledger
    other = jobs.acquire(ledger, "somebody", name="compare:mock")
    assert other is not None
    with pytest.raises(NotAllowedNow, match="is running"):
        look(ledger)
    jobs.release(ledger, other)
    look(ledger)
    with pytest.raises(InvalidCommand, match="after the beginning"):
        compare(ledger, Provider.MOCK, since=ledger.clock.now(), until=ledger.clock.now(), by=ADMIN)
