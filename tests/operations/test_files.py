"""Files of grants and adjustments: all or the good ones, each row once, undone as a whole."""

from decimal import Decimal

import pytest

from ledger import (
    MICRO,
    Actor,
    AdjustBalance,
    ApprovalRequired,
    BookFile,
    CreditType,
    FileRow,
    InvalidCommand,
    IssueGrant,
    Ledger,
    NotFound,
    NotPermitted,
    Receipt,
    Role,
    UndoFile,
)
from ledger.grant_file import FileUnreadable, read_grants, template
from tests.kit.factories import ADMIN, REASON, fresh_key, open_account, price_feature, reverse, run, use
from tests.operations.books import all_rows, row_counts


@pytest.fixture
def two(ledger: Ledger) -> Ledger:
    price_feature(ledger)
    for name in ("acme", "zeta"):
        open_account(ledger, name)
    return ledger


def give(account: str, credits: int) -> IssueGrant:
    return IssueGrant(account, CreditType.REFERRAL, credits * MICRO, REASON)


def rows(*commands: IssueGrant | AdjustBalance) -> tuple[FileRow, ...]:
    return tuple(FileRow(line, f"row-{line}", command) for line, command in enumerate(commands, 2))


def book(ledger: Ledger, *commands: IssueGrant | AdjustBalance, good_rows_only: bool = False) -> Receipt:
    return run(ledger, BookFile("spring.csv", rows(*commands), REASON, good_rows_only))


def available(ledger: Ledger) -> dict[str, Decimal]:
    return {row["external_id"]: Decimal(row["available_micro"]) / MICRO for row in all_rows(ledger)["account"]}


def test_every_row_is_a_transaction_of_its_own(two: Ledger) -> None:
    receipt = book(two, give("acme", 10), give("zeta", 20), give("acme", 5), AdjustBalance("acme", -MICRO, REASON))
    assert (receipt.events_recorded, receipt.events_replayed, receipt.refusals) == (4, 0, ())
    assert available(two) == {"acme": 14, "zeta": 20}
    transactions = {row["id"]: row for row in all_rows(two)["transaction"]}
    assert [transactions[id_]["kind"] for id_ in receipt.made] == ["grant", "grant", "grant", "adjust"]
    assert [transactions[id_]["key"] for id_ in receipt.made] == [f"row:row-{n}" for n in range(2, 6)]
    assert transactions[receipt.transaction_id or 0]["kind"] == "file"


def test_one_wrong_row_keeps_all_out_and_every_wrong_one_is_named(two: Ledger) -> None:
    before = row_counts(two)
    with pytest.raises(InvalidCommand) as refused:
        book(two, give("acme", 10), give("nobody", 1), AdjustBalance("zeta", -MICRO, REASON))
    assert [fault.field for fault in refused.value.faults] == ["line 3", "line 4"]
    assert row_counts(two) == before


def test_good_rows_alone_when_asked_for(two: Ledger) -> None:
    receipt = book(two, give("acme", 10), give("nobody", 1), give("zeta", 7), good_rows_only=True)
    assert [one.event_id for one in receipt.refusals] == ["line 3"]
    assert available(two) == {"acme": 10, "zeta": 7}


def test_a_row_sees_what_the_rows_above_it_did(two: Ledger) -> None:
    taking = AdjustBalance("acme", -10 * MICRO, REASON)
    receipt = book(two, taking, give("acme", 10), taking, good_rows_only=True)
    assert [one.event_id for one in receipt.refusals] == ["line 2"]
    assert available(two)["acme"] == 0


def test_the_same_file_again_books_nothing(two: Ledger) -> None:
    book(two, give("acme", 10), give("zeta", 20))
    before = all_rows(two)
    receipt = book(two, give("acme", 10), give("zeta", 20))
    assert (receipt.events_recorded, receipt.events_replayed, receipt.transaction_id) == (0, 2, None)
    assert all_rows(two) == before
    # Mended and loaded again, only the new row is booked.
    assert book(two, give("acme", 10), give("zeta", 20), give("zeta", 1)).events_recorded == 1


def test_the_same_file_by_a_colleague_books_nothing(two: Ledger) -> None:
    book(two, give("acme", 10))
    before = all_rows(two)
    command = BookFile("spring.csv", rows(give("acme", 10)), REASON)
    receipt = two.execute(command, actor=Actor("grace@example.com", Role.ADMIN), key=fresh_key("file"))
    assert (receipt.events_recorded, receipt.events_replayed) == (0, 1)
    assert all_rows(two) == before


def test_a_key_of_another_row_is_no_repeat(two: Ledger) -> None:
    book(two, give("acme", 10))
    receipt = book(two, give("acme", 11), good_rows_only=True)
    assert [one.code for one in receipt.refusals] == ["key_reused"]


def test_a_preview_shows_all_and_books_nothing(two: Ledger) -> None:
    before = all_rows(two)
    command = BookFile("spring.csv", rows(give("acme", 10), give("zeta", 20)), REASON)
    receipt = two.preview(command, actor=ADMIN)
    assert (receipt.events_recorded, len(receipt.made), receipt.transaction_id) == (2, 2, None)
    assert all_rows(two) == before


def test_the_whole_file_counts_against_the_limit_of_one_person(two: Ledger) -> None:
    command = BookFile("spring.csv", rows(give("acme", 60_000), give("zeta", 60_000)), REASON)
    assert two.preview(command, actor=ADMIN).needs_approval
    with pytest.raises(ApprovalRequired):
        run(two, command)


def test_a_file_can_be_undone_once(two: Ledger) -> None:
    booked = book(two, give("acme", 10), give("zeta", 20))
    assert booked.transaction_id is not None
    reverse(two, booked.made[0])
    receipt = run(two, UndoFile(booked.transaction_id, REASON))
    assert receipt.events_recorded == 1
    assert available(two) == {"acme": 0, "zeta": 0}
    assert run(two, UndoFile(booked.transaction_id, REASON)).transaction_id is None
    with pytest.raises(NotFound):
        run(two, UndoFile(booked.made[0], REASON))


def test_a_file_whose_credits_were_used_is_not_undone_by_half(two: Ledger) -> None:
    booked = book(two, give("acme", 10), give("zeta", 20))
    assert booked.transaction_id is not None
    use(two, "zeta", 3)
    before = all_rows(two)
    with pytest.raises(InvalidCommand) as refused:
        run(two, UndoFile(booked.transaction_id, REASON))
    assert [fault.field for fault in refused.value.faults] == [f"transaction {booked.made[1]}"]
    assert all_rows(two) == before


def test_who_may_not_give_credits_may_not_by_file(two: Ledger, finance: object) -> None:
    with pytest.raises(NotPermitted):
        two.execute(BookFile("x", rows(give("acme", 1)), REASON), actor=finance, key=fresh_key())  # type: ignore[arg-type]


def test_a_file_has_rows_with_keys_of_their_own() -> None:
    twice = (FileRow(2, "a", give("acme", 1)), FileRow(3, "a", give("acme", 2)))
    for wrong in ((), twice, tuple(FileRow(n, str(n), give("acme", 1)) for n in range(5_001))):
        assert BookFile("x", wrong, REASON).faults()


GOOD = "customer,kind,type,credits,expires_on,note\n"


def read(text: str) -> list[str]:
    return [str(fault) for fault in read_grants(text, customers=["cus_acme", "cus_zeta"]).faults]


def test_the_template_is_a_good_file() -> None:
    found = read_grants(template(), customers=["cus_acme"])
    assert found.faults == ()
    (row,) = found.rows
    assert (row.line, row.key, row.command.account) == (2, "spring-0001", "cus_acme")


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("cus_acmee,grant,promotional,5,,a note of ten", "customer: 'cus_acmee' is no customer; nearest: cus_acme"),
        ("cus_acme,gift,promotional,5,,a note of ten", "kind: 'gift' is not grant or adjust"),
        ("cus_acme,grant,purchased,5,,a note of ten", "type: 'purchased' is not one of promotional"),
        ('cus_acme,grant,promotional,"5,000",,a note of ten', "credits: '5,000' is not a number"),
        ("cus_acme,grant,promotional,-5,,a note of ten", "credits: '-5' must be more than 0"),
        ("cus_acme,grant,promotional,5,31.12.2026,a note of ten", "expires_on: '31.12.2026' is not a day"),
        ("cus_acme,grant,promotional,5,,short", "note: 'short' say why in at least 10 characters"),
        ("cus_acme,adjust,,-5,2026-12-31,a note of ten", "expires_on: '2026-12-31' only added credits"),
    ],
)
def test_a_wrong_row_is_named_with_its_mend(line: str, complaint: str) -> None:
    (fault,) = read(GOOD + "cus_zeta,grant,referral,1,,a note of ten\n" + line + "\n")
    assert fault.startswith(f"line 3, column {complaint}")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "customer is missing"),
        ("customer,credits\n", "note is missing"),
        (GOOD.replace("kind", "sort"), "'sort' is not known"),
        (GOOD + 'cus_acme,"grant\n', "not a CSV file"),
    ],
)
def test_what_is_no_such_file_is_said_at_once(text: str, complaint: str) -> None:
    with pytest.raises(FileUnreadable, match=complaint):
        read(text)


def test_repeats_are_told_and_have_keys_of_their_own() -> None:
    line = "cus_acme,grant,referral,5,,a note of ten\n"
    found = read_grants(GOOD + line * 3, customers=["cus_acme"])
    assert found.repeats == (3, 4)
    assert len({row.key for row in found.rows}) == 3
    assert found.rows == read_grants(GOOD + line * 3, customers=["cus_acme"]).rows


def test_wrong_rows_come_back_with_their_problem_and_can_be_loaded_again() -> None:
    text = GOOD + "=cus,grant,referral,5,,a note of ten\ncus_acme,grant,referral,x,,a note of ten\n"
    back = read_grants(text, customers=["cus_acme"]).wrong_rows()
    header, first, second = back.splitlines()
    assert header.endswith(",key,problem")
    assert first.startswith("'=cus,grant")
    assert "is not a number" in second
    mended = back.replace("'=cus", "cus_acme").replace(",x,", ",7,")
    assert [row.command.amount_micro for row in read_grants(mended, customers=["cus_acme"]).rows] == [
        5 * MICRO,
        7 * MICRO,
    ]
