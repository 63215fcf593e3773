"""The auditor's copy of the rules of usage and give-back: docs/accounting.md, rules 6, 7, 15 and 18."""

from datetime import datetime, timedelta

from tests.machine.auditor import MICRO, Act, Auditor, Event, Move, Verdict


def set_price(books: Auditor, feature: str, since: datetime, credits_micro: int) -> Verdict:
    if any(one == feature and from_ == since for one, from_, _ in books.prices):
        return Verdict("invalid_command")
    books.prices.append((feature, since, credits_micro))
    return Verdict()


def charge(
    books: Auditor, account: str, event: str, feature: str, quantity: int, happened: datetime, *, at: datetime
) -> Verdict:
    """Charge one use."""
    if known := books.events.get((account, event)):
        is_same = (known.feature, known.quantity, known.happened) == (feature, quantity, happened)
        return Verdict("replayed" if is_same else "event_reused")
    if happened > at + timedelta(minutes=5):
        return Verdict("invalid_command")
    since, price = None, 0
    for one, from_, credits_micro in books.prices:
        if one == feature and from_ <= happened and (since is None or from_ > since):
            since, price = from_, credits_micro
    if since is None:
        return Verdict("not_found")
    cost, rest = divmod(price * quantity, MICRO)
    cost += 1 if rest else 0
    parts, missing = books.plan(account, cost, at)
    if missing > books.credit_line(account, at):
        return Verdict("insufficient_credits")
    books.events[account, event] = Event(feature, quantity, happened, cost)
    moves = [Move(account, place, "available", "consumed", part, event) for place, part in parts]
    if missing:
        moves.append(Move(account, None, "owed", "consumed", missing, event))
    return Verdict(takes=parts, act=books.book("usage", account, moves))


def charge_all(
    books: Auditor, account: str, uses: list[tuple[str, str, int, datetime]], *, at: datetime
) -> tuple[Verdict, list[str | None]]:
    """Charge many uses as one act, each on its own merits; answers also the fate of each."""
    first = len(books.acts)
    verdicts = [charge(books, account, *use, at=at) for use in uses]
    fates = [verdict.refusal for verdict in verdicts]
    if None not in fates:
        return Verdict("replayed"), fates
    together: dict[int, int] = {}
    for verdict in verdicts:
        for place, amount in verdict.takes:
            together[place] = together.get(place, 0) + amount
    books.acts[first:] = [Act("usage", account, [move for act in books.acts[first:] for move in act.moves])]
    return Verdict(takes=list(together.items()), act=first), fates


def paid_for(books: Auditor, account: str, event: str) -> list[tuple[int | None, int]]:
    """What each batch, or debt, has paid for a use and did not get back, in the order of taking."""
    paid: dict[int | None, int] = {}
    for act in books.acts:
        for move in act.moves:
            if (move.account, move.event) == (account, event):
                sign = 1 if move.target == "consumed" else -1
                paid[move.place] = paid.get(move.place, 0) + sign * move.amount
    return [(place, amount) for place, amount in paid.items() if amount]


def give_back(books: Auditor, account: str, event: str, amount: int | None, *, at: datetime) -> Verdict:
    """Return credits of one use, last taken first; debt is forgiven as far as it is still owed."""
    if (account, event) not in books.events:
        return Verdict("not_found")
    paid = paid_for(books, account, event)
    left = sum(part for _, part in paid)
    amount = left if amount is None else amount
    if not left or amount > left:
        return Verdict("invalid_command")
    moves, returned, gone = [], [], []
    for place, part in reversed(paid):
        if place is None:
            part = min(part, books.owed.get(account, 0), amount)
            moves += [Move(account, None, "consumed", "owed", part, event)] if part else []
        elif part := min(part, amount):
            moves.append(Move(account, place, "consumed", "available", part, event))
            returned.append((place, part))
            gone += [(place, part)] if books.lots[place].is_over(at) else []
        amount -= part
    if amount:
        return Verdict("not_allowed_now")
    act = books.book("give_back", account, moves)
    books.add([Move(account, place, "available", "expired", part) for place, part in gone])
    books.add(books.repayment(account, at))
    return Verdict(returned=returned, expired=gone, act=act)
