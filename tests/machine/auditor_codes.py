"""The auditor's copy of the rules of gift codes: docs/accounting.md, rule 21."""

from datetime import datetime, timedelta

from tests.machine.auditor import Auditor, CodeSet, Verdict


def issue(books: Auditor, new: CodeSet, *, at: datetime) -> Verdict:
    if new.days is not None and new.credit_type == "promotional" and not 30 <= new.days <= 90:
        return Verdict("invalid_command")
    if new.until is not None and new.until <= at:
        return Verdict("invalid_command")
    books.code_sets.append(new)
    return Verdict()


def redeem(books: Auditor, account: str, number: int, code: str, *, at: datetime) -> Verdict:
    """Give the credits of a code, once."""
    one = books.code_sets[number]
    is_over = one.until is not None and one.until <= at
    if code in one.redeemed or one.is_disabled or is_over:
        return Verdict("not_allowed_now")
    if list(one.redeemed.values()).count(account) >= one.limit:
        return Verdict("not_allowed_now")
    one.redeemed[code] = account
    last = None
    if one.days is not None:
        last = at.astimezone(books.zones[account]).date() + timedelta(days=one.days)
    return books.give(account, one.credit_type, one.amount, at=at, last=last, kind="redeem_gift_code")


def disable(books: Auditor, number: int) -> Verdict:
    """Make what is left of a set worthless."""
    if books.code_sets[number].is_disabled:
        return Verdict("replayed")
    books.code_sets[number].is_disabled = True
    return Verdict()
