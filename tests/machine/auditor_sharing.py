"""The auditor's copy of the rules of overdrafts and transfers: docs/accounting.md, rules 18 and 20."""

from datetime import datetime

from tests.machine.auditor import Auditor, Lot, Move, Verdict
from tests.machine.auditor_corrections import cents_of


def allow_overdraft(books: Auditor, account: str, limit: int, until: datetime | None, *, at: datetime) -> Verdict:
    if until is not None and (limit == 0 or until <= at):
        return Verdict("invalid_command")
    if limit < books.owed.get(account, 0) or books.overdrafts.get(account, (0, None)) == (limit, until):
        return Verdict("not_allowed_now")
    books.overdrafts[account] = (limit, until)
    return Verdict(act=books.book("overdraft", account, []))


def transfer(
    books: Auditor, sender: str, receiver: str, amount: int, place: int | None, *, kind: str, at: datetime
) -> Verdict:
    """Move credits, in burn order or from one batch; what each batch gives becomes a batch of the receiver."""
    if sender == receiver:
        return Verdict("invalid_command")
    if not books.organisations[sender] or books.organisations[sender] != books.organisations[receiver]:
        return Verdict("not_allowed_now")
    if books.owed.get(sender, 0):
        return Verdict("not_allowed_now")
    if place is None:
        parts, missing = books.plan(sender, amount, at)
        if missing:
            return Verdict("insufficient_credits")
    else:
        if books.lots[place].account != sender:
            return Verdict("not_found")
        if books.lots[place].is_over(at) or books.lots[place].free < amount:
            return Verdict("batch_closed")
        parts = [(place, amount)]
    copies = [_part(books.lots[where], receiver, part) for where, part in parts]
    act = books.book(kind, sender, [Move(sender, where, "available", "transferred", part) for where, part in parts])
    for copy in copies:
        new = books.put_down(copy)
        books.add([Move(receiver, new, "transferred", "available", copy.granted)])
        books.repay_from(new, copy.granted, at)
    return Verdict(takes=parts, act=act)


def _part(lot: Lot, receiver: str, amount: int) -> Lot:
    """What leaves a lot: everything about it stays, and it takes along what it takes off the cost of the rest."""
    cents = cents_of(lot.cents, lot.left, lot.granted) - cents_of(lot.cents, lot.left - amount, lot.granted)
    return Lot(receiver, lot.credit_type, amount, 0, lot.priority, lot.starts, lot.ends, cents=cents)
