"""Credits that come in: grants, top-ups, corrections upwards, and every way in which they are refused."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from ledger import (
    MICRO,
    SYSTEM,
    Actor,
    AdjustBalance,
    Command,
    CreditType,
    InsufficientCredits,
    InvalidCommand,
    IssueGrant,
    Ledger,
    Money,
    NotFound,
    NotPermitted,
    Reason,
    RecordTopUp,
    ReferenceUsed,
)
from ledger.clock import FixedClock
from ledger.models import batch, transaction
from tests.kit.factories import ADMIN, NOW, REASON, adjust, grant, open_account, price_feature, top_up, use
from tests.operations.books import all_rows, row_counts

PROMO = CreditType.PROMOTIONAL


def make_grant(**changes: object) -> IssueGrant:
    return IssueGrant(**({"account": "acme", "credit_type": PROMO, "amount_micro": MICRO, "reason": REASON} | changes))


def make_top_up(**changes: object) -> RecordTopUp:
    good = {
        "account": "acme",
        "amount_micro": MICRO,
        "price": Money(100, "EUR"),
        "reference": "INV-1",
        "reason": REASON,
    }
    return RecordTopUp(**(good | changes))


def make_adjustment(**changes: object) -> AdjustBalance:
    return AdjustBalance(**({"account": "acme", "amount_micro": MICRO, "reason": REASON} | changes))


def test_a_grant_puts_a_batch_on_the_shelf_and_says_so(ledger: Ledger) -> None:
    open_account(ledger)
    grant(ledger, credits=5)
    receipt = grant(ledger, credits=100, campaign="Spring", priority=-3)
    (new,) = receipt.new_batches
    assert (receipt.available_before_micro, receipt.available_after_micro) == (5 * MICRO, 105 * MICRO)
    assert (receipt.balance_before_micro, receipt.balance_after_micro) == (5 * MICRO, 105 * MICRO)
    assert (new.credit_type, new.amount_micro, new.effective_at) == (PROMO, 100 * MICRO, NOW)
    # 90 days from 10 March is 8 June, used up when that day ends in Berlin.
    assert new.expires_at == datetime(2026, 6, 8, 22, tzinfo=UTC)
    row = next(row for row in all_rows(ledger)["batch"] if row["id"] == new.id)
    assert (row["campaign"], row["priority"], row["granted_at"], row["source"]) == ("Spring", -3, NOW, "manual")
    assert row["made_by_id"] == receipt.transaction_id


def test_a_transaction_keeps_who_why_and_when(ledger: Ledger, admin: Actor) -> None:
    open_account(ledger)
    reason = Reason(" outage ", "  two hours of downtime  ", " T-9 ")
    receipt = ledger.execute(make_grant(reason=reason), actor=admin, key="k")
    row = next(row for row in all_rows(ledger)["transaction"] if row["id"] == receipt.transaction_id)
    kept = ("actor", "role", "key", "kind", "reason_code", "note", "ticket", "recorded_at", "effective_at")
    assert tuple(row[name] for name in kept) == (
        *("ada@example.com", "admin", "k", "grant"),
        *("outage", "two hours of downtime", "T-9", NOW, NOW),
    )


@pytest.mark.parametrize(
    ("credit_type", "last_day"),
    [
        (CreditType.PROMOTIONAL, date(2026, 6, 8)),
        (CreditType.REFERRAL, date(2026, 9, 10)),
        (CreditType.COMPENSATION, date(2027, 3, 10)),
        (CreditType.ROLLOVER, date(2026, 4, 30)),
    ],
)
def test_each_type_expires_by_default_at_the_end_of_a_day_in_the_customers_zone(
    ledger: Ledger, credit_type: CreditType, last_day: date
) -> None:
    open_account(ledger, zone="America/New_York")
    (new,) = grant(ledger, credit_type=credit_type).new_batches
    ends = datetime.combine(last_day + timedelta(days=1), datetime.min.time(), tzinfo=ZoneInfo("America/New_York"))
    assert new.expires_at == ends.astimezone(UTC)


def test_the_day_of_a_grant_is_the_customers_day(ledger: Ledger, clock: FixedClock) -> None:
    clock.set(datetime(2026, 3, 10, 23, 30, tzinfo=UTC))
    open_account(ledger, "tokyo", zone="Asia/Tokyo")
    (new,) = grant(ledger, "tokyo", credit_type=CreditType.REFERRAL).new_batches
    # It is 11 March in Tokyo already, so the last day is 11 September there.
    assert new.expires_at == datetime(2026, 9, 11, 15, tzinfo=UTC)


def test_a_grant_may_never_expire_where_its_type_allows_it(ledger: Ledger) -> None:
    open_account(ledger)
    assert grant(ledger, credit_type=CreditType.COMPENSATION, never_expires=True).new_batches[0].expires_at is None
    with pytest.raises(InvalidCommand, match="must expire between 2026-04-09 and 2026-06-08"):
        grant(ledger, never_expires=True)


def test_credits_that_become_effective_later_count_in_the_balance_but_cannot_be_used(
    ledger: Ledger, clock: FixedClock
) -> None:
    open_account(ledger)
    price_feature(ledger)
    later = NOW + timedelta(days=20)
    receipt = grant(ledger, credits=50, effective_at=later)
    assert (receipt.available_after_micro, receipt.balance_after_micro) == (0, 50 * MICRO)
    assert receipt.new_batches[0].expires_at == datetime(2026, 6, 28, 22, tzinfo=UTC)
    with pytest.raises(InsufficientCredits):
        use(ledger)
    clock.set(later - timedelta(microseconds=1))
    with pytest.raises(InsufficientCredits):
        use(ledger)
    clock.set(later)
    assert use(ledger, quantity=50).available_after_micro == 0


def test_a_top_up_keeps_what_was_paid(ledger: Ledger) -> None:
    open_account(ledger)
    receipt = top_up(ledger, credits=1000, price=Money(4999, "USD"), reference=" INV-7 ")
    (row,) = all_rows(ledger)["batch"]
    paid = (row["credit_type"], row["cost_cents"], row["currency"], row["reference"], row["source"])
    assert paid == ("purchased", 4999, "USD", "INV-7", "bank_transfer")
    assert receipt.new_batches[0].expires_at == datetime(2027, 3, 10, 23, tzinfo=UTC)


def test_a_payment_is_booked_once_whatever_the_key_and_the_account(ledger: Ledger) -> None:
    open_account(ledger)
    open_account(ledger, "bolt")
    first = top_up(ledger, reference="INV-1")
    before = row_counts(ledger)
    for account in ("acme", "bolt"):
        with pytest.raises(ReferenceUsed) as refused:
            top_up(ledger, account, reference=" INV-1")
        assert refused.value.batch_id == first.new_batches[0].id
    assert row_counts(ledger) == before


def test_the_database_itself_refuses_a_second_batch_for_one_payment(ledger: Ledger) -> None:
    open_account(ledger)
    top_up(ledger, reference="INV-1")
    (row,) = all_rows(ledger)["batch"]
    del row["is_spent"]
    with pytest.raises(sa.exc.IntegrityError), ledger.database.engine.begin() as connection:
        connection.execute(sa.insert(batch).values(**row | {"id": row["id"] + 1}))


def test_an_adjustment_upwards_is_a_batch_of_compensation(ledger: Ledger) -> None:
    open_account(ledger)
    (new,) = adjust(ledger, credits=7).new_batches
    assert (new.credit_type, new.amount_micro) == (CreditType.COMPENSATION, 7 * MICRO)
    assert all_rows(ledger)["batch"][0]["source"] == "adjustment"


LONG = "x" * 501
FAULTS = [
    pytest.param(make_grant(amount_micro=0), {"amount"}, id="grant-of-nothing"),
    pytest.param(make_grant(amount_micro=-1), {"amount"}, id="grant-below-zero"),
    pytest.param(make_grant(amount_micro=10**15 + 1), {"amount"}, id="grant-of-too-much"),
    pytest.param(make_grant(credit_type=CreditType.PURCHASED), {"credit_type"}, id="grant-of-purchased-credits"),
    pytest.param(make_grant(priority=101), {"priority"}, id="priority"),
    pytest.param(make_grant(effective_at=datetime(2026, 4, 1)), {"effective_at"}, id="naive-instant"),  # noqa: DTZ001
    pytest.param(make_grant(expires_on=date(2026, 4, 8)), {"expires_on"}, id="promotion-too-short"),
    pytest.param(make_grant(expires_on=date(2026, 6, 9)), {"expires_on"}, id="promotion-too-long"),
    pytest.param(
        make_grant(credit_type=CreditType.REFERRAL, expires_on=date(2026, 3, 9)), {"expires_on"}, id="expired-already"
    ),
    pytest.param(
        make_grant(credit_type=CreditType.REFERRAL, expires_on=date(9999, 12, 31)), {"expires_on"}, id="the-end-of-time"
    ),
    pytest.param(
        make_grant(
            credit_type=CreditType.REFERRAL,
            effective_at=datetime(2026, 3, 1, tzinfo=UTC),
            expires_on=date(2026, 3, 9),
        ),
        {"expires_on"},
        id="over-before-it-is-given",
    ),
    pytest.param(
        make_grant(credit_type=CreditType.REFERRAL, effective_at=datetime(9999, 6, 1, tzinfo=UTC)),
        {"effective_at"},
        id="effective-at-the-end-of-time",
    ),
    pytest.param(
        make_grant(credit_type=CreditType.REFERRAL, expires_on=date(2026, 6, 1), never_expires=True),
        {"expires_on"},
        id="both-a-date-and-never",
    ),
    pytest.param(make_grant(campaign="x" * 121), {"campaign"}, id="long-campaign"),
    pytest.param(make_grant(source=" "), {"source"}, id="no-source"),
    pytest.param(make_grant(reason=Reason("", "too short")), {"reason", "note"}, id="no-reason"),
    pytest.param(make_grant(reason=Reason(LONG, LONG, LONG)), {"reason", "note", "ticket"}, id="long-reason"),
    pytest.param(make_grant(reason=Reason("ok", "a bell \x07 in the note")), {"note"}, id="control-character"),
    pytest.param(
        make_grant(amount_micro=0, priority=999, reason=Reason("", ""), campaign="\x00"),
        {"amount", "priority", "reason", "note", "campaign"},
        id="all-faults-at-once",
    ),
    *(
        pytest.param(make_grant(details=details), {"details"}, id=f"details-{name}")
        for name, details in {
            "number-beyond-64-bits": {"n": 2**64},
            "nan": {"n": float("nan")},
            "nul": {"text": "\x00"},
            "half-a-character": {"text": "\ud800"},
            "instant": {"at": datetime(2026, 4, 1, tzinfo=UTC)},
            "tuple": {"of": (1, 2)},
            "name-that-is-no-text": {1: "one"},
            "long": {"text": "x" * 20_000},
        }.items()
    ),
    pytest.param(make_top_up(price=Money(0, "EUR"), details={"n": 2**64}), {"price", "details"}, id="free-top-up"),
    pytest.param(make_top_up(reference="  "), {"reference"}, id="no-reference"),
    pytest.param(make_top_up(amount_micro=-5), {"amount"}, id="top-up-below-zero"),
    pytest.param(make_top_up(expires_on=date(2026, 3, 9)), {"expires_on"}, id="top-up-expired-already"),
    pytest.param(
        make_top_up(amount_micro=0, price=Money(-1, "EUR"), reference="", reason=Reason("", "")),
        {"amount", "price", "reference", "reason", "note"},
        id="all-faults-of-a-top-up-at-once",
    ),
    pytest.param(make_adjustment(amount_micro=0), {"amount"}, id="adjustment-by-nothing"),
    pytest.param(make_adjustment(batch_id=1), {"batch_id"}, id="adding-to-a-batch"),
    pytest.param(make_adjustment(credit_type=CreditType.PURCHASED), {"credit_type"}, id="adding-purchased-credits"),
    pytest.param(
        make_adjustment(amount_micro=-1, expires_on=date(2027, 1, 1)), {"expires_on"}, id="removal-with-an-expiry"
    ),
    pytest.param(
        make_adjustment(credit_type=PROMO, expires_on=date(2030, 1, 1)), {"expires_on"}, id="adjustment-out-of-range"
    ),
]


@pytest.mark.parametrize(("command", "fields"), FAULTS)
def test_a_wrong_command_is_refused_with_all_its_faults_and_books_nothing(
    untouched: Ledger, admin: Actor, command: Command, fields: set[str]
) -> None:
    before = all_rows(untouched)
    for attempt in (
        lambda: untouched.execute(command, actor=admin, key="k"),
        lambda: untouched.preview(command, actor=admin),
    ):
        with pytest.raises(InvalidCommand) as refused:
            attempt()
        assert {fault.field for fault in refused.value.faults} == fields
    assert all_rows(untouched) == before
    assert untouched.receipt(actor=admin, key="k") is None


@pytest.mark.parametrize("command", [make_grant(), make_top_up(), make_adjustment(), make_adjustment(amount_micro=-1)])
@pytest.mark.parametrize("account", ["nobody", "ACME", " acme", "acme\x00"], ids=["unknown", "case", "space", "nul"])
def test_credits_need_an_account(untouched: Ledger, admin: Actor, command: Command, account: str) -> None:
    before = row_counts(untouched)
    named = type(command)(**{name: getattr(command, name) for name in command.__slots__} | {"account": account})
    with pytest.raises((NotFound, InvalidCommand)):
        untouched.execute(named, actor=admin, key="k")
    assert row_counts(untouched) == before


@pytest.mark.parametrize("command", [make_grant(), make_top_up(), make_adjustment()])
def test_readers_may_not_move_credits(untouched: Ledger, finance: Actor, manager: Actor, command: Command) -> None:
    before = row_counts(untouched)
    for actor in (finance, manager):
        with pytest.raises(NotPermitted, match="ask a person with the role admin"):
            untouched.execute(command, actor=actor, key="k")
        if isinstance(command, IssueGrant) and actor is manager:
            # May ask an admin for it, and so may see what it would do.
            assert untouched.preview(command, actor=actor).needs_approval
        else:
            with pytest.raises(NotPermitted):
                untouched.preview(command, actor=actor)
    assert row_counts(untouched) == before


@pytest.mark.parametrize("command", [make_grant(campaign="Spring"), make_top_up(), make_adjustment()])
def test_a_preview_shows_the_effect_and_leaves_nothing(ledger: Ledger, admin: Actor, command: Command) -> None:
    open_account(ledger)
    before = all_rows(ledger)
    shown = ledger.preview(command, actor=admin)
    assert all_rows(ledger) == before
    assert shown.transaction_id is None
    done = ledger.execute(command, actor=admin, key="k")
    effect = ("kind", "account", "available_before_micro", "available_after_micro", "balance_after_micro")
    assert [getattr(shown, name) for name in effect] == [getattr(done, name) for name in effect]
    assert [(b.amount_micro, b.expires_at) for b in shown.new_batches] == [
        (b.amount_micro, b.expires_at) for b in done.new_batches
    ]


def test_a_key_called_preview_does_not_disturb_previews(ledger: Ledger, admin: Actor) -> None:
    open_account(ledger)
    ledger.execute(make_grant(), actor=admin, key="preview")
    assert ledger.preview(make_grant(), actor=admin).available_after_micro == 2 * MICRO


def test_details_are_kept_as_they_were_given(ledger: Ledger, admin: Actor) -> None:
    open_account(ledger)
    details = {"b": [1, 2.5, None, True], "c": [2**64 - 1, -(2**63)], "a": {"text": "Ünïcode ✓ ' \" \\ %s :x"}}
    ledger.execute(make_grant(details=details), actor=admin, key="k")
    assert all_rows(ledger)["batch"][0]["details"] == details
    # The same content in another order is the same command.
    turned = dict(reversed(details.items()))
    assert ledger.execute(make_grant(details=turned), actor=admin, key="k").replayed


@pytest.mark.parametrize(
    "note",
    [
        pytest.param("50\u00a0% more, as agreed", id="no-break-space"),
        pytest.param("first line\r\nsecond line", id="windows-line-ends"),
        pytest.param("thanks 👩\u200d👩\u200d👧 for waiting", id="joined-emoji"),
        pytest.param("پیش\u200cنمایش تازه", id="zero-width-non-joiner"),
    ],
)
def test_what_people_really_type_is_no_fault(ledger: Ledger, note: str) -> None:
    open_account(ledger)
    grant(ledger, reason=Reason("goodwill", note))
    with ledger.database.reader.connect() as connection:
        assert note in connection.execute(sa.select(transaction.c.note)).scalars().all()


def test_the_largest_batch_fits(ledger: Ledger) -> None:
    open_account(ledger)
    assert grant(ledger, credits=1_000_000_000, actor=SYSTEM).available_after_micro == 10**15


def test_actors_have_their_own_keys(ledger: Ledger) -> None:
    open_account(ledger)
    grant(ledger, key="k")
    other = Actor("other@example.com", ADMIN.role)
    assert not grant(ledger, key="k", actor=other).replayed
