"""What people decide about mail: send one again, send a test, allow an address again that bounced."""

from dataclasses import dataclass
from typing import ClassVar

import sqlalchemy as sa

from ledger.commands import Command, Outcome, Reason, text_faults
from ledger.context import Context
from ledger.core.policy import Permission
from ledger.errors import Fault, NotAllowedNow, NotFound
from ledger.models import mail, mail_block
from ledger.outbox import ADDRESS_MAX_CHARS, NewMail, allow_again, block_name, is_address, queue_mail
from ledger.receipt import Receipt
from ledger.statements import Prepared

_MAIL = Prepared(
    sa.select(mail.c.key, mail.c.template, mail.c.to_address, mail.c.account_id, mail.c.variables, mail.c.state).where(
        mail.c.id == sa.bindparam("mail_id", type_=sa.BigInteger)
    )
)
_BLOCK = Prepared(
    sa.select(mail_block.c.since, mail_block.c.reason).where(mail_block.c.address == sa.bindparam("address"))
)


@dataclass(frozen=True, slots=True)
class SendMailAgain(Command):
    """Queue the same mail once more, to the same address or to another; answers the new mail's id in ``subject_id``."""

    kind: ClassVar[str] = "send_mail_again"
    permission: ClassVar[Permission] = Permission.MANAGE_MAIL

    mail_id: int
    note: str
    to_address: str = ""

    def faults(self) -> list[Fault]:
        found = text_faults("note", self.note, required=False)
        return found + (_address_faults(self.to_address) if self.to_address else [])


@dataclass(frozen=True, slots=True)
class SendTestMail(Command):
    """Queue a mail that says that it is a test; answers its id in ``subject_id``."""

    kind: ClassVar[str] = "send_test_mail"
    permission: ClassVar[Permission] = Permission.MANAGE_MAIL

    to_address: str

    def faults(self) -> list[Fault]:
        return _address_faults(self.to_address)


@dataclass(frozen=True, slots=True)
class AllowAddress(Command):
    """Send mail again to an address that was refused for good, because its owner has mended it."""

    kind: ClassVar[str] = "allow_address"
    permission: ClassVar[Permission] = Permission.MANAGE_MAIL

    address: str
    note: str

    def faults(self) -> list[Fault]:
        return _address_faults(self.address) + text_faults("note", self.note, required=False)


def _address_faults(address: str) -> list[Fault]:
    if is_address(address.strip()):
        return []
    return [Fault("to", f"must be one e-mail address of at most {ADDRESS_MAX_CHARS} characters, without a name")]


def send_mail_again(context: Context, command: SendMailAgain) -> Outcome:
    found, next_id = context.begin((_MAIL, {"mail_id": command.mail_id}), context.work.next_ids(mail))
    if not found:
        raise NotFound(what="mail", id=str(command.mail_id))
    key, template, address, account_id, variables, state = found[0]
    if state == "queued":
        raise NotAllowedNow(f"Mail {command.mail_id} waits to be sent already; the log says when it is tried next.")
    if not variables:
        raise NotAllowedNow(f"What mail {command.mail_id} said was removed after the time of retention.")
    to_address = command.to_address.strip() or address
    if not is_address(to_address):
        raise NotAllowedNow(f"Mail {command.mail_id} has no address that mail can be sent to; give another one.")
    _refuse_blocked(context, to_address)
    again = NewMail(f"{key}:again:{context.transaction_id}", template, to_address, variables, account_id)
    return _queued(context, again, context.work.ids_of(next_id)[0], command.kind, account_id, command.note)


def send_test_mail(context: Context, command: SendTestMail) -> Outcome:
    (next_id,) = context.begin(context.work.next_ids(mail))
    to_address = command.to_address.strip()
    _refuse_blocked(context, to_address)
    variables = {"sent_by": context.actor.id, "sent_at": context.at.isoformat()}
    test = NewMail(f"test:{context.transaction_id}", "test_mail", to_address, variables)
    return _queued(context, test, context.work.ids_of(next_id)[0], command.kind, None, "")


def allow_address(context: Context, command: AllowAddress) -> Outcome:
    (found,) = context.begin((_BLOCK, {"address": block_name(command.address)}))
    allow_again(context, command.address)
    receipt = Receipt(command.kind, None, context.at)
    return Outcome(receipt, None, context.at, Reason("", command.note), nothing_to_do=not found)


def _refuse_blocked(context: Context, address: str) -> None:
    (found,) = context.work.fetch((_BLOCK, {"address": block_name(address)}))
    if found:
        since, reason = found[0]
        raise NotAllowedNow(
            f"{address} bounced on {since:%Y-%m-%d} ({reason}) and gets no more mail. Allow the address again "
            "first, or give another one."
        )


def _queued(context: Context, new: NewMail, mail_id: int, kind: str, account_id: int | None, note: str) -> Outcome:
    queue_mail(context, new, mail_id=mail_id)
    receipt = Receipt(kind, None, context.at, subject_id=mail_id)
    return Outcome(receipt, account_id, context.at, Reason("", note))
