"""Gift codes: stored as hashes only, redeemed once, refused with words that a helper can pass on."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from ledger import (
    MICRO,
    Actor,
    AskApproval,
    Command,
    CreditType,
    DisableGiftCodes,
    InvalidCommand,
    IssueGiftCodes,
    Ledger,
    NotAllowedNow,
    NotFound,
    NotPermitted,
    Reason,
    RedeemGiftCode,
    Role,
)
from ledger.clock import FixedClock
from ledger.codes import hash_of, make_codes
from ledger.context import Rules
from tests.kit.factories import ADMIN, NOW, REASON, fresh_key, open_account
from tests.kit.sharing import issue_codes, redeem
from tests.operations.books import all_rows, row_counts

HASH = "0" * 64


@pytest.fixture
def shop(ledger: Ledger) -> Ledger:
    open_account(ledger)
    open_account(ledger, "bolt")
    return ledger


def disable(ledger: Ledger, set_id: int, code_id: int | None = None) -> int | None:
    command = DisableGiftCodes(set_id, REASON, code_id)
    return ledger.execute(command, actor=ADMIN, key=fresh_key("disable")).transaction_id


def test_a_code_gives_its_credits(shop: Ledger) -> None:
    set_id, codes = issue_codes(shop, credits=50, label=" Spring fair ")
    receipt = redeem(shop, codes[1].lower().replace("-", " "))
    (new,) = receipt.new_batches
    assert (new.credit_type, new.amount_micro) == (CreditType.PROMOTIONAL, 50 * MICRO)
    assert (receipt.available_after_micro, receipt.subject_id) == (50 * MICRO, set_id)
    rows = all_rows(shop)
    (batch,) = rows["batch"]
    assert (batch["source"], batch["campaign"]) == ("gift_code", "Spring fair")
    redeemed = [row for row in rows["gift_code"] if row["redeemed_at"] is not None]
    assert [(row["redeemed_at"], row["redeemed_in_id"]) for row in redeemed] == [(NOW, receipt.transaction_id)]
    assert batch["details"] == {"gift_code_set": set_id, "gift_code": redeemed[0]["id"]}


def test_the_plain_code_is_nowhere_in_the_database(shop: Ledger) -> None:
    _, codes = issue_codes(shop)
    redeem(shop, codes[0])
    for code in (codes[0], "WRONG-CODES"):
        with pytest.raises(NotAllowedNow) as refused:
            redeem(shop, code)
        assert code not in str(refused.value)
    kept = json.dumps(all_rows(shop), default=str).upper()
    for code in codes:
        assert code not in kept
        assert code.replace("-", "") not in kept
        assert code[-10:].replace("-", "") not in kept
        assert hash_of(code).upper() in kept


def test_redeemed_credits_live_as_long_as_the_set_says_in_the_customers_zone(shop: Ledger, clock: FixedClock) -> None:
    _, codes = issue_codes(shop, credit_type=CreditType.REFERRAL, expires_days=10, per_customer_limit=2)
    clock.set(datetime(2026, 3, 20, 23, 30, tzinfo=UTC))
    # It is 21 March in Berlin; ten days later is 31 March, in summer time.
    assert redeem(shop, codes[0]).new_batches[0].expires_at == datetime(2026, 3, 31, 22, tzinfo=UTC)
    _, others = issue_codes(shop)
    assert redeem(shop, others[0], "bolt").new_batches[0].expires_at == datetime(2026, 6, 19, 22, tzinfo=UTC)


def test_a_code_is_redeemed_once_by_whomever(shop: Ledger) -> None:
    _, codes = issue_codes(shop)
    first = redeem(shop, codes[0], key="k")
    assert redeem(shop, codes[0], key="k") == first.as_replayed()
    before = row_counts(shop)
    for account in ("acme", "bolt"):
        with pytest.raises(NotAllowedNow, match="was redeemed before") as refused:
            redeem(shop, codes[0], account)
        # Who it was is nobody else's business.
        assert "acme" not in str(refused.value)
    assert row_counts(shop) == before


def test_a_customer_redeems_as_many_of_a_set_as_it_allows(shop: Ledger) -> None:
    _, codes = issue_codes(shop, 4, per_customer_limit=2)
    redeem(shop, codes[0])
    redeem(shop, codes[1])
    with pytest.raises(NotAllowedNow, match="may redeem 2 codes"):
        redeem(shop, codes[2])
    redeem(shop, codes[2], "bolt")
    _, others = issue_codes(shop, 1)
    redeem(shop, others[0])


def test_a_code_is_worth_nothing_from_its_last_instant_on(shop: Ledger, clock: FixedClock) -> None:
    until = NOW + timedelta(days=7)
    _, codes = issue_codes(shop, valid_until=until, per_customer_limit=2)
    clock.set(until - timedelta(microseconds=1))
    redeem(shop, codes[0])
    clock.set(until)
    with pytest.raises(NotAllowedNow, match="could be redeemed until 2026-03-17 12:00 UTC"):
        redeem(shop, codes[1])


def test_a_disabled_code_gives_nothing_and_the_others_still_do(shop: Ledger) -> None:
    set_id, codes = issue_codes(shop, per_customer_limit=3)
    ids = {row["code_hash"]: row["id"] for row in all_rows(shop)["gift_code"]}
    assert disable(shop, set_id, ids[hash_of(codes[0])]) is not None
    with pytest.raises(NotAllowedNow, match="was disabled"):
        redeem(shop, codes[0])
    redeem(shop, codes[1])
    with pytest.raises(NotAllowedNow, match="void the batch"):
        disable(shop, set_id, ids[hash_of(codes[1])])
    assert disable(shop, set_id) is not None
    with pytest.raises(NotAllowedNow, match="was disabled"):
        redeem(shop, codes[2])


def test_disabling_twice_books_nothing(shop: Ledger) -> None:
    set_id, _ = issue_codes(shop)
    (code, *_) = (row["id"] for row in all_rows(shop)["gift_code"])
    disable(shop, set_id, code)
    assert disable(shop, set_id, code) is None
    disable(shop, set_id)
    before = row_counts(shop)
    assert disable(shop, set_id) is None
    assert row_counts(shop) == before


def test_what_does_not_exist_cannot_be_disabled(shop: Ledger) -> None:
    set_id, _ = issue_codes(shop)
    other, _ = issue_codes(shop)
    code = next(row["id"] for row in all_rows(shop)["gift_code"] if row["set_id"] == other)
    with pytest.raises(NotFound, match="set of gift codes '99'"):
        disable(shop, 99)
    with pytest.raises(NotFound, match=f"gift code in set {set_id}"):
        disable(shop, set_id, code)


def test_the_same_codes_cannot_be_issued_again(shop: Ledger) -> None:
    (code,) = make_codes(1)
    command = make_set(hashes=(code.code_hash,), hints=(code.hint,))
    shop.execute(command, actor=ADMIN, key="first")
    before = row_counts(shop)
    with pytest.raises(InvalidCommand, match="issued before"):
        shop.execute(command, actor=ADMIN, key="second")
    assert row_counts(shop) == before


def make_set(**changes: object) -> IssueGiftCodes:
    good = {
        "label": "Fair",
        "credit_type": CreditType.PROMOTIONAL,
        "amount_micro": MICRO,
        "hashes": (HASH,),
        "hints": ("ABCD",),
        "reason": REASON,
    }
    return IssueGiftCodes(**(good | changes))  # type: ignore[arg-type]


WRONG: list[tuple[Command, str]] = [
    (make_set(label=" "), "label: must not be empty"),
    (make_set(credit_type=CreditType.PURCHASED), "credit_type: purchased credits come from a top-up"),
    (make_set(amount_micro=0), "amount: must be more than 0"),
    (make_set(hashes=(), hints=()), "hashes: give 1 to 10,000"),
    (make_set(hashes=(HASH,) * 10_001, hints=("A",) * 10_001), "not 10,001"),
    (make_set(hashes=(HASH, HASH), hints=("A", "B")), "all different"),
    (make_set(hashes=("SPRING-7K2QX",)), "SHA-256 in lower-case hex"),
    (make_set(hints=()), "hints: give one"),
    (make_set(hints=("ABCDE",)), "hints: give one of at most 4"),
    (make_set(expires_days=29), "expires_days: promotional credits live 30 to 90 days"),
    (make_set(credit_type=CreditType.REFERRAL, expires_days=3651), "live 0 to 3,650 days"),
    (make_set(valid_until=datetime(2027, 1, 1)), "valid_until: has no time zone"),  # noqa: DTZ001
    (make_set(valid_until=NOW), "valid_until: has passed"),
    (make_set(per_customer_limit=0), "per_customer_limit: must be between 1"),
    (make_set(reason=Reason("", "short")), "note: say why"),
    (RedeemGiftCode("acme", " - "), "code: has no letters"),
    (RedeemGiftCode("acme", ""), "code: must not be empty"),
    (RedeemGiftCode("acme", "A" * 101), "code: has 101"),
    (DisableGiftCodes(1, Reason("", "long enough a note")), "reason: choose"),
]


@pytest.mark.parametrize(("command", "complaint"), WRONG, ids=[complaint for _, complaint in WRONG])
def test_a_wrong_command_is_refused(untouched: Ledger, command: Command, complaint: str) -> None:
    before = row_counts(untouched)
    with pytest.raises(InvalidCommand, match=complaint):
        untouched.execute(command, actor=ADMIN, key=fresh_key())
    assert row_counts(untouched) == before


def test_a_set_weighs_all_its_codes_and_a_redemption_nothing(shop: Ledger) -> None:
    shop.rules = Rules(approval_limit_micro=100 * MICRO)
    codes = make_codes(3)
    command = make_set(
        amount_micro=40 * MICRO,
        hashes=tuple(code.code_hash for code in codes),
        hints=tuple(code.hint for code in codes),
    )
    assert shop.preview(command, actor=ADMIN).needs_approval
    shop.rules = Rules(approval_limit_micro=120 * MICRO)
    shop.execute(command, actor=ADMIN, key="codes")
    shop.rules = Rules(approval_limit_micro=10 * MICRO)
    assert redeem(shop, codes[0].text).available_after_micro == 40 * MICRO


def test_a_code_never_waits_in_a_request(shop: Ledger, manager: Actor) -> None:
    _, codes = issue_codes(shop)
    before = all_rows(shop)
    with pytest.raises(InvalidCommand, match="carries a secret"):
        shop.execute(AskApproval(RedeemGiftCode("acme", codes[0])), actor=manager, key="ask")
    assert all_rows(shop) == before


@pytest.mark.parametrize("role", Role)
def test_roles(shop: Ledger, role: Role) -> None:
    _, codes = issue_codes(shop)
    actor = Actor(f"{role}@example.com", role)
    for number, command in enumerate((make_set(), RedeemGiftCode("acme", codes[0]), DisableGiftCodes(1, REASON))):
        if role in (Role.ADMIN, Role.SYSTEM):
            shop.execute(command, actor=actor, key=f"k{number}")
        else:
            with pytest.raises(NotPermitted):
                shop.execute(command, actor=actor, key=f"k{number}")


def test_ten_thousand_codes_are_one_command(shop: Ledger) -> None:
    set_id, codes = issue_codes(shop, 10_000, credits=1)
    rows = all_rows(shop)["gift_code"]
    assert len(rows) == 10_000
    assert {row["set_id"] for row in rows} == {set_id}
    redeem(shop, codes[-1])


def test_a_preview_redeems_nothing(shop: Ledger) -> None:
    _, codes = issue_codes(shop)
    before = row_counts(shop)
    preview = shop.preview(RedeemGiftCode("acme", codes[0]), actor=ADMIN)
    assert (preview.available_after_micro, preview.transaction_id) == (50 * MICRO, None)
    assert row_counts(shop) == before
    assert redeem(shop, codes[0]).new_batches[0].expires_at == preview.new_batches[0].expires_at
