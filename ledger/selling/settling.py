"""What becomes of messages in the inbox: the provider is asked once about each thing they are about, and followed.

A message is a hint (docs/decisions/0009): whatever order messages come in, and however often, the answer is the same.
Each ends: settled (followed), unmatched (nobody here is meant), failed (refused for good, or tries ran out), or it was
ignored when it came. What cannot be asked now is asked again later.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from ledger import inbox
from ledger.core.payments import Provider
from ledger.core.policy import Actor, Permission
from ledger.errors import (
    GatewayError,
    LedgerCorrupt,
    LedgerError,
    NotAllowedNow,
    NotFound,
    ProviderRefused,
    Unavailable,
)
from ledger.facade import Ledger
from ledger.gateways import registry
from ledger.gateways.provider import AboutKind
from ledger.inbox import Ending, Message
from ledger.models import account, payment
from ledger.receipt import Receipt
from ledger.selling.customers import follow_customer
from ledger.selling.follow import Unmatched, follow_ref
from ledger.selling.mock_delivery import deliver
from ledger.selling.subscriptions import Followed, follow_invoice, follow_subscription, plan_payment

# So that a turn ends and its job can say how it went; the next turn goes on.
TURN_MAX = 500
_BILLED = (AboutKind.SUBSCRIPTION, AboutKind.INVOICE)
_log = logging.getLogger(__name__)


def settle_due(
    ledger: Ledger, *, limit: int = TURN_MAX, progress: Callable[[int, int], None] | None = None
) -> dict[str, int]:
    """Follow what the messages that are due are about; answers how many ended how.

    Messages about one payment are answered by one question. Whatever goes wrong with one of them keeps no other from
    its turn. Raises Unavailable when the database does not answer, LedgerCorrupt at the end of the turn.
    """
    deliver(ledger)
    counts = dict.fromkeys(("settled", "later", "unmatched", "failed"), 0)
    corrupt: LedgerCorrupt | None = None
    groups = _groups(ledger, inbox.due(ledger, limit=limit))
    for done, group in enumerate(groups, start=1):
        try:
            counts[_settle(ledger, group)] += len(group)
        except LedgerCorrupt as error:
            _log.error("a message contradicts the books: %s", error)
            inbox.postpone(ledger, group, str(error))
            corrupt = error
        if progress is not None:
            progress(done, len(groups))
    if corrupt is not None:
        raise corrupt
    return counts


def replay(ledger: Ledger, provider: Provider, event_id: str, *, actor: Actor) -> str:
    """Follow again what one message is about, whatever became of it before; answers its state then.

    Raises NotPermitted, NotFound, NotAllowedNow for one that says nothing to ask about.
    """
    ledger.require(actor, Permission.MANAGE_PAYMENTS)
    message = inbox.find(ledger, provider, event_id)
    if message is None:
        raise NotFound(what="message", id=event_id)
    if message.about is AboutKind.NOTHING:
        raise NotAllowedNow("This message names nothing that the provider could be asked about.")
    ended = _settle(ledger, [message])
    return "waiting" if ended == "later" else ended


def _settle(ledger: Ledger, group: Sequence[Message]) -> str:
    """Ask about one thing and note the answer on all messages about it; answers how they ended."""
    try:
        ending = _follow(ledger, group[0])
    except (Unavailable, LedgerCorrupt):
        raise
    except ProviderRefused as error:
        ending = Ending("failed", str(error))
    except NotFound as error:
        # Neither here nor there, such as a subscription of another shop at the same provider.
        ending = Ending("unmatched", str(error))
    except GatewayError as error:
        # No answer, or no key for it at present.
        inbox.postpone(ledger, group, str(error))
        return "later"
    except LedgerError as error:
        _log.warning("a message of %s cannot be booked now: %s", group[0].provider, error)
        inbox.postpone(ledger, group, str(error))
        return "later"
    except Exception as error:  # noqa: BLE001 - one that nobody foresaw keeps no other from being settled
        _log.exception("message %s of %s could not be settled", group[0].event_id, group[0].provider)
        inbox.postpone(ledger, group, f"Something went wrong on our side ({type(error).__name__}); the log says more.")
        return "later"
    inbox.end(ledger, group, ending)
    return ending.state


def _follow(ledger: Ledger, message: Message) -> Ending:
    match message.about:
        case AboutKind.PAYMENT:
            answer = follow_ref(ledger, message.provider, payment_ref=message.ref)
            return (isinstance(answer, Unmatched) and _of_plan(ledger, message)) or _of_payment(ledger, answer)
        case AboutKind.CHECKOUT:
            return _of_payment(ledger, follow_ref(ledger, message.provider, checkout_ref=message.ref))
        case AboutKind.CUSTOMER:
            followed = follow_customer(ledger, registry.gateway(ledger, message.provider), message.ref)
            state = "unmatched" if followed.account_id is None else "settled"
            return Ending(state, followed.words, account_id=followed.account_id)
        case AboutKind.SUBSCRIPTION:
            return _of_subscription(ledger, follow_subscription(ledger, message.provider, message.ref))
        case AboutKind.INVOICE:
            return _of_subscription(ledger, follow_invoice(ledger, message.provider, message.ref))
        case AboutKind.NOTHING:
            return Ending("ignored", "It names nothing to ask about.")


def _of_payment(ledger: Ledger, answer: Receipt | Unmatched) -> Ending:
    if isinstance(answer, Unmatched):
        return Ending("unmatched", answer.why)
    account_id = _account_id(ledger, answer.account)
    if answer.transaction_id is None:
        return Ending("settled", "Nothing new: the books said so already.", account_id=account_id)
    return Ending("settled", " ".join(answer.notes) or "Booked.", answer.transaction_id, account_id)


def _of_plan(ledger: Ledger, message: Message) -> Ending | None:
    """Of a payment that paid for a plan: its invoice is what is followed."""
    found = plan_payment(ledger, message.provider, message.ref)
    if found is None:
        return None
    name, invoice = found
    return Ending("settled", f"It paid the invoice {invoice} of a plan.", account_id=_account_id(ledger, name))


def _of_subscription(ledger: Ledger, answer: Followed) -> Ending:
    words = f"{answer.words[:1].upper()}{answer.words[1:]}."
    if not answer.is_matched:
        return Ending("unmatched", words)
    transaction_id = None if answer.receipt is None else answer.receipt.transaction_id
    return Ending("settled", words, transaction_id, _account_id(ledger, answer.account))


def _account_id(ledger: Ledger, name: str | None) -> int | None:
    if name is None:
        return None
    with ledger.database.reading() as connection:
        return connection.execute(sa.select(account.c.id).where(account.c.external_id == name)).scalar_one_or_none()


@dataclass(frozen=True, slots=True)
class _Thing:
    """What messages are about: a payment of ours, or something under the provider's name."""

    provider: Provider
    kind: str
    name: str


def _groups(ledger: Ledger, messages: Sequence[Message]) -> list[list[Message]]:
    """Messages by the thing that they are about, in the order in which they came, those of plans first."""
    ours = _payments(ledger, messages)
    groups: dict[_Thing, list[Message]] = {}
    for one in messages:
        named = ours.get((one.provider, one.about, one.ref))
        thing = _Thing(one.provider, one.about.value, one.ref) if named is None else _Thing(one.provider, "ours", named)
        groups.setdefault(thing, []).append(one)
    # Invoices first: they say which payments are of a plan, and no sale.
    return sorted(groups.values(), key=lambda group: group[0].about not in _BILLED)


def _payments(ledger: Ledger, messages: Sequence[Message]) -> dict[tuple[Provider, AboutKind, str], str]:
    """Which payment of ours is meant, where the provider's name of it, or of its checkout, is known here."""
    found: dict[tuple[Provider, AboutKind, str], str] = {}
    for kind, column in ((AboutKind.PAYMENT, payment.c.payment_ref), (AboutKind.CHECKOUT, payment.c.checkout_ref)):
        for provider in Provider:
            refs = _refs(messages, provider, kind)
            if not refs:
                continue
            statement = sa.select(column, payment.c.name).where(payment.c.provider == provider.value, column.in_(refs))
            with ledger.database.reading() as connection:
                found |= {(provider, kind, ref): name for ref, name in connection.execute(statement)}
    return found


def _refs(messages: Iterable[Message], provider: Provider, kind: AboutKind) -> list[str]:
    return sorted({one.ref for one in messages if (one.provider, one.about) == (provider, kind)})
