"""Comparing our books with a provider's: every planted fault is found, none is invented, decisions are kept."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from ledger import MICRO, Actor, Ledger, Money, Provider, RecordTopUp
from ledger.clock import FixedClock
from ledger.comparing import Comparison, compare
from ledger.gateways.mock import MockGateway
from ledger.models import finding
from tests.kit import factories
from tests.kit.factories import ADMIN, REASON, fresh_key
from tests.kit.paying import define_package
from tests.kit.provider_books import Books

HOUR = timedelta(hours=1)
Key = tuple[str, str, str]


@pytest.fixture
def books(ledger: Ledger, mock: MockGateway) -> Books:
    define_package(ledger)
    factories.open_account(ledger, "acme")
    return Books(ledger, mock)


def paid(
    books: Books, number: int, account: str = "acme", *, refunds: tuple[int, ...] = (), disputes: tuple[str, ...] = ()
) -> str:
    """A payment of 100.00 EUR for 100 credits that is paid there and waits to be followed; answers our name of it."""
    name = books.begin(account)
    made = books.payment(f"pi_{number:04}", name=name, account=account)
    for cents in refunds:
        books.refund(made, cents)
    for state in disputes:
        books.dispute(made, 4_000, state)
    return name


def by_hand(books: Books, number: int, reference: str) -> None:
    """A purchase that somebody recorded by hand as paid at the provider."""
    command = RecordTopUp("acme", 100 * MICRO, Money(10_000, "EUR"), reference, REASON, source="mock")
    books.ledger.execute(command, actor=ADMIN, key=fresh_key(f"hand-{number}"))


def look(ledger: Ledger, *, actor: Actor = ADMIN) -> Comparison:
    """A comparison of the last day."""
    now = ledger.clock.now()
    return compare(ledger, Provider.MOCK, since=now - timedelta(days=1), until=now + HOUR, by=actor)


def standing(ledger: Ledger, state: str = "open") -> set[Key]:
    """What stands, by kind, object and name."""
    columns = (finding.c.kind, finding.c.object_kind, finding.c.object_ref)
    with ledger.database.reading() as connection:
        rows = connection.execute(sa.select(*columns).where(finding.c.state == state)).all()
    assert len(rows) == len({tuple(row) for row in rows})
    return {tuple(row) for row in rows}


def plant(books: Books, names: dict[int, str]) -> set[Key]:
    """Forty faults of every sort in the books of a provider and in ours; answers what has to be found."""
    wanted: set[Key] = set()

    def one(kind: str, object_kind: str, ref: str) -> None:
        wanted.add((kind, object_kind, ref))

    # Paid there, and we never heard of it; or nobody here has begun it.
    for number in (901, 902, 903):
        books.payment(f"pi_{number:04}", name=books.begin(), account="acme")
        one("missing_here", "payment", f"pi_{number:04}")
    books.payment("pi_0904", name=None, account=None, package="team")
    one("missing_here", "payment", "pi_0904")
    # The same purchase was paid twice.
    for number in (10, 11, 12):
        books.payment(f"pi_double_{number}", name=names[number], account="acme")
        one("duplicate", "payment", f"pi_double_{number}")
    books.write()
    by_hand(books, 13, names[13])
    one("duplicate", "batch", names[13])
    for number in (20, 21, 22, 23):
        books.forget(f"pi_{number:04}")
        one("missing_there", "payment", f"pi_{number:04}")
    books.forget("pi_hand_3")
    one("missing_there", "batch", "pi_hand_3")
    for number in (30, 31, 32):
        books.change(f"pi_{number:04}", lambda made: made.update(cents=10_100))
        one("amount", "payment", f"pi_{number:04}")
    books.edit("UPDATE payment SET total_cents = 9900 WHERE payment_ref = 'pi_0033'")
    books.edit("UPDATE payment SET total_cents = 12000 WHERE payment_ref = 'pi_0034'")
    books.edit("UPDATE payment SET tax_cents = 1900 WHERE payment_ref = 'pi_0035'")
    for number in (33, 34, 35):
        one("amount", "payment", f"pi_{number:04}")
    for number in (40, 41):
        books.change(f"pi_{number:04}", lambda made: made.update(currency="USD"))
    books.edit("UPDATE payment SET paid_currency = 'USD' WHERE payment_ref = 'pi_0042'")
    for number in (40, 41, 42):
        one("currency", "payment", f"pi_{number:04}")
    # From the payment to the batch that it paid for, and from the batch to its entries.
    for number, change in (
        (50, "cost_cents = 5000"),
        (51, "cost_cents = 15000"),
        (52, "currency = 'USD'"),
        (53, "reference = 'pi_of_somebody_else'"),
    ):
        books.edit(f"UPDATE batch SET {change} WHERE reference = 'pi_{number:04}'")
    books.edit("UPDATE payment SET credits_micro = 90000000 WHERE payment_ref = 'pi_0054'")
    books.edit("UPDATE payment SET credits_micro = 101000000 WHERE payment_ref = 'pi_0055'")
    books.edit("UPDATE batch SET granted_micro = 101000000 WHERE reference = 'pi_0055'")
    wanted |= {("amount", "batch", f"pi_{number:04}") for number in (50, 51, 54, 55)}
    wanted |= {("currency", "batch", "pi_0052"), ("missing_here", "batch", "pi_0053")}
    # Refunds of others: new ones, one that came back, one of another amount.
    for number in (60, 61):
        books.change(f"pi_{number:04}", lambda made: books.refund(made, 2_500))
        one("missing_here", "refund", f"re_pi_{number:04}_0")
    books.change("pi_0100", lambda made: books.refund(made, 700))
    one("missing_here", "refund", "re_pi_0100_1")
    books.change("pi_0101", lambda made: made["refunds"][0].update(state="failed"))
    one("missing_there", "refund", "re_pi_0101_0")
    books.change("pi_0102", lambda made: made["refunds"][0].update(cents=1_234))
    one("amount", "refund", "pi_0102")
    # Refunds of ours: never there, of another amount, given up here.
    books.change("pi_0200", lambda made: made["refunds"].clear())
    one("missing_there", "refund", "ref_0200")
    books.edit("UPDATE provider_refund SET cents = 777 WHERE name = 'ref_0201'")
    one("amount", "refund", "re_pi_0201_0")
    books.edit("UPDATE provider_refund SET state = 'failed' WHERE name = 'ref_0202'")
    one("missing_here", "refund", "re_pi_0202_0")
    books.change("pi_0070", lambda made: books.dispute(made, 10_000))
    one("missing_here", "dispute", "dp_pi_0070_0")
    books.change("pi_0240", lambda made: made["disputes"].clear())
    one("missing_there", "dispute", "pi_0240")
    books.change("pi_0244", lambda made: made["disputes"][0].update(state="lost"))
    one("missing_here", "dispute", "dp_pi_0244_0")
    books.change("pi_0248", lambda made: made["disputes"][0].update(cents=4_500))
    one("amount", "dispute", "dp_pi_0248_0")
    return wanted


def test_forty_planted_faults_are_found_and_none_is_invented(books: Books, ledger: Ledger, clock: FixedClock) -> None:
    """A thousand payments, refunds, disputes and batches."""
    names = {number: paid(books, number) for tens in range(10, 80, 10) for number in range(tens, tens + 6)}
    names |= {number: paid(books, number, refunds=(1_000,)) for number in (100, 101, 102)}
    names |= {number: paid(books, number) for number in range(200, 204)}
    names |= {number: paid(books, number, disputes=("open",)) for number in (240, 244, 248)}
    many = ("lost", "won", "inquiry")
    names |= {number: paid(books, number, refunds=(100, 200, 300), disputes=many) for number in range(300, 410)}
    for number in range(30):
        by_hand(books, number, f"pi_hand_{number}")
        books.payment(f"pi_hand_{number}", package=None, account="acme")
    # What the company sells besides is no business of ours.
    books.payment("pi_t_shirt", package=None)
    for number in range(200, 204):
        refund = f"ref_{number:04}"
        books.own_refund(names[number], 2_000, refund=refund)
        books.refund(next(one for one in books.waiting if one["ref"] == f"pi_{number:04}"), 2_000, ours=refund)
    books.write()
    for number, name in names.items():
        books.follow(name, f"pi_{number:04}")
    clock.advance(2 * HOUR)
    before = look(ledger)
    assert (before.findings, before.others) == (0, 1)
    assert before.objects >= 1_000
    assert before.matched == before.objects
    assert before.sums["EUR"].difference_cents == 0

    wanted = plant(books, names)
    clock.advance(2 * HOUR)
    after = look(ledger)

    assert len(wanted) == 40
    assert standing(ledger) == wanted
    assert after.begun == after.findings == 40
    assert after.objects - after.matched == 40
    # What differs in money is told of to the cent.
    assert all(one.difference_cents == one.told_cents for one in after.sums.values())
    assert after.sums["EUR"].difference_cents != 0
