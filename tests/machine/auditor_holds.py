"""The auditor's copy of the rules of holds: docs/accounting.md, rule 14."""

from datetime import datetime, timedelta

from tests.machine.auditor import MICRO, Auditor, Event, Hold, Move, Verdict


def find(books: Auditor, account: str, reference: str) -> Hold | None:
    for one in books.holds:
        if (one.account, one.reference) == (account, reference):
            return one
    return None


def place(
    books: Auditor, account: str, reference: str, feature: str, amount: int, until: datetime | None, *, at: datetime
) -> Verdict:
    known = find(books, account, reference)
    if known is not None:
        if (known.feature, known.amount, known.until) != (feature, amount, until):
            return Verdict("hold_reused")
        return Verdict("replayed", takes=known.parts) if known.is_live(at) else Verdict("hold_already_resolved")
    if until is not None and until <= at:
        return Verdict("invalid_command")
    parts, missing = books.plan(account, amount, at)
    if missing:
        return Verdict("insufficient_credits")
    books.holds.append(Hold(account, reference, feature, amount, until, parts))
    act = books.book("place_hold", account, [Move(account, where, "available", "held", part) for where, part in parts])
    return Verdict(takes=parts, act=act)


def capture(
    books: Auditor,
    account: str,
    reference: str,
    event: str,
    amount: int | None,
    happened: datetime | None,
    *,
    at: datetime,
) -> Verdict:
    """Use what is held, or the first parts of it; the rest comes back."""
    if happened is not None and happened > at + timedelta(minutes=5):
        return Verdict("invalid_command")
    hold = find(books, account, reference)
    if hold is None:
        return Verdict("not_found")
    wanted = hold.amount if amount is None else amount
    if known := books.events.get((account, event)):
        is_same = (known.hold, known.cost, known.quantity) == (reference, wanted, MICRO)
        return Verdict("replayed" if is_same and happened in (None, known.happened) else "event_reused")
    if not hold.is_live(at):
        return Verdict("hold_already_resolved")
    if wanted > hold.amount:
        return Verdict("invalid_command")
    takes, rest, missing = [], [], wanted
    for where, part in hold.parts:
        now = min(part, missing)
        missing -= now
        takes += [(where, now)] if now else []
        rest += [(where, part - now)] if part > now else []
    books.events[account, event] = Event(hold.feature, MICRO, happened or at, wanted, reference)
    hold.state = "captured"
    act = books.book(
        "capture_hold", account, [Move(account, where, "held", "consumed", n, event) for where, n in takes]
    )
    gone = books.come_back(account, rest, at)
    books.add(books.repayment(account, at))
    return Verdict(takes=takes, returned=rest, expired=gone, act=act)


def release(books: Auditor, account: str, reference: str, *, at: datetime) -> Verdict:
    hold = find(books, account, reference)
    if hold is None:
        return Verdict("not_found")
    if not hold.is_live(at):
        return Verdict("hold_already_resolved")
    hold.state = "released"
    act = books.book("release_hold", account, [])
    gone = books.come_back(account, hold.parts, at)
    books.add(books.repayment(account, at))
    return Verdict(returned=hold.parts, expired=gone, act=act)


def extend(books: Auditor, account: str, reference: str, until: datetime, *, at: datetime) -> Verdict:
    hold = find(books, account, reference)
    if hold is None:
        return Verdict("not_found")
    if not hold.is_live(at):
        return Verdict("hold_already_resolved")
    if hold.until is None or until <= hold.until:
        return Verdict("invalid_command")
    hold.until = until
    return Verdict(act=books.book("extend_hold", account, []))
