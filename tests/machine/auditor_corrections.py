"""The auditor's copy of the rules of taking back and of a longer life: docs/accounting.md, rules 16, 17 and 19."""

from datetime import date, datetime, timedelta
from fractions import Fraction

from tests.machine.auditor import Auditor, Move, Verdict

_HAS_A_MIRROR = ("grant", "top_up", "adjust", "void", "usage", "transfer", "gift")


def void(books: Auditor, account: str, place: int, *, at: datetime) -> Verdict:
    """Take away what is left of one batch."""
    lot = books.lots[place]
    if lot.account != account:
        return Verdict("not_found")
    if lot.held or lot.is_over(at) or not lot.left:
        return Verdict("not_allowed_now")
    takes = [(place, lot.left)]
    return Verdict(
        takes=takes, act=books.book("void", account, [Move(account, place, "available", "removed", lot.left)])
    )


def extend(books: Auditor, account: str, place: int, last: date | None, *, at: datetime) -> Verdict:
    """Let a batch live through a day, or for ever; what of it had expired comes back."""
    lot = books.lots[place]
    if lot.account != account:
        return Verdict("not_found")
    if lot.ends is None or not (lot.left or lot.expired):
        return Verdict("not_allowed_now")
    today = at.astimezone(books.zones[account]).date()
    is_promotional = lot.credit_type == "promotional"
    if last is None:
        ends = None
        if is_promotional:
            return Verdict("invalid_command")
    else:
        ends = books.midnight_after(last, books.zones[account])
        if last < today or (is_promotional and last > today + timedelta(days=90)) or ends <= lot.ends:
            return Verdict("invalid_command")
    lot.ends = ends
    returned = [(place, lot.expired)] if lot.expired else []
    act = books.book(
        "extend_expiry", account, [Move(account, place, "expired", "available", n) for place, n in returned]
    )
    books.add(books.repayment(account, at))
    return Verdict(returned=returned, act=act)


def reverse(books: Auditor, number: int, *, at: datetime) -> Verdict:
    """Mirror an act move by move, last first, all of it or nothing."""
    act = books.acts[number]
    if act.kind not in _HAS_A_MIRROR or not act.moves:
        return Verdict("not_allowed_now")
    if act.is_reversed:
        return Verdict("already_reversed")
    events = [(move.account, move.event) for move in act.moves if move.event is not None]
    if any((m.account, m.event) in events and m.origin == "consumed" for one in books.acts for m in one.moves):
        return Verdict("not_allowed_now")
    mirror = [move._replace(origin=move.target, target=move.origin) for move in reversed(act.moves)]
    net: dict[int, int] = {}
    debt: dict[str, int] = {}
    for move in mirror:
        if move.place is not None:
            into = (move.target == "available") - (move.origin == "available")
            net[move.place] = net.get(move.place, 0) + into * move.amount
        more = (move.origin == "owed") - (move.target == "owed")
        debt[move.account] = debt.get(move.account, 0) + more * move.amount
    for place, amount in net.items():
        lot = books.lots[place]
        if amount < 0 and (lot.is_over(at) or lot.free < -amount):
            return Verdict("not_allowed_now")
    for account, more in debt.items():
        if -more > books.owed.get(account, 0) or (more > 0 and more > books.credit_line(account, at)):
            return Verdict("not_allowed_now")
    act.is_reversed = True
    new = books.book("reverse", act.account, mirror)
    gone = [(place, amount) for place, amount in net.items() if amount > 0 and books.lots[place].is_over(at)]
    books.add([Move(books.lots[place].account, place, "available", "expired", amount) for place, amount in gone])
    for account in debt:
        books.add(books.repayment(account, at))
    return Verdict(
        takes=[(place, -amount) for place, amount in net.items() if amount < 0],
        returned=[(place, amount) for place, amount in net.items() if amount > 0],
        expired=gone,
        act=new,
    )


def cents_of(cents: int, part: int, whole: int) -> int:
    """The cost of a part, to the cent, halves up."""
    return int(Fraction(cents * part, whole) + Fraction(1, 2))


def refund(books: Auditor, account: str, place: int, amount: int | None, *, at: datetime) -> Verdict:
    """Paid credits leave the shelf and take along what they take off the cost of the rest."""
    lot = books.lots[place]
    if lot.account != account:
        return Verdict("not_found")
    if lot.credit_type != "purchased":
        return Verdict("not_allowed_now")
    amount = lot.free if amount is None else amount
    if lot.is_over(at) or not lot.free or amount > lot.free:
        return Verdict("batch_closed")
    cents = cents_of(lot.cents, lot.left, lot.granted) - cents_of(lot.cents, lot.left - amount, lot.granted)
    if not cents:
        return Verdict("not_allowed_now")
    act = books.book("refund", account, [Move(account, place, "available", "refunded", amount)])
    return Verdict(takes=[(place, amount)], cents=cents, act=act)
