"""Mail as it leaves the house: one message built safely, and where it goes: a mail server, or a folder of files.

A mailer is opened for one turn (`with open_mailer(...) as mailer`) and sends any number of messages over one
connection.
"""

import hashlib
import re
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path
from typing import Literal, Protocol

from ledger.errors import MailUnavailable
from ledger.mail import Letter
from ledger.mail.words import one_line
from ledger.outbox import is_address
from ledger.settings import settings

# For each answer of the server. A message needs about six, so a try ends long before its claim does.
TIMEOUT_SECONDS = 30.0
# Answers that speak of the sender, the sign-in or the connection: not the fault of the address.
_NOT_THE_ADDRESS = frozenset({530, 534, 535, 538})
# 5.1 bad address and 5.2 bad mailbox are the address; 5.2.2 is a full one, which empties again.
_THE_ADDRESS = re.compile(r"5\.(1\.\d+|2\.(?!2\b)\d+)\b")
_ENHANCED = re.compile(r"[245]\.\d+\.\d+\b")


@dataclass(frozen=True, slots=True)
class Sender:
    """Where mails go and from whom: the settings MAIL_* and SMTP_* (docs/mail.md). An empty host writes files."""

    from_address: str
    company: str
    host: str = ""
    port: int = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: str = ""
    password: str = field(default="", repr=False)
    folder: Path = Path("var/mail")
    timeout_seconds: float = TIMEOUT_SECONDS
    # The authorities that the server's certificate is checked against; those of this machine unless given.
    tls: ssl.SSLContext | None = None

    @classmethod
    def of_settings(cls, company: str) -> "Sender":
        """As the settings of this process say, in the name of a company."""
        known = settings()
        return cls(
            known.mail_from.strip(),
            one_line(company),
            host=known.smtp_host.strip(),
            port=known.smtp_port,
            security=known.smtp_security,
            user=known.smtp_user,
            password=known.smtp_password.get_secret_value(),
            folder=known.mail_folder,
        )

    @property
    def place(self) -> str:
        """Where mails go, in words and without secrets."""
        return f"{self.host}:{self.port} ({self.security})" if self.host else f"files in {self.folder}"


class AddressRefused(Exception):
    """The server refused the recipient for good; trying again would be refused again."""


class NotTaken(Exception):
    """The server did not take the message this time; later it may."""


class Mailer(Protocol):
    """Takes messages. Raises AddressRefused, NotTaken, or MailUnavailable when the connection is gone."""

    def send(self, message: EmailMessage) -> None: ...


def message_id(key: str, from_address: str) -> str:
    """The Message-ID of a mail: the same for every try, so that a second delivery can be recognised.

    >>> message_id("gift:1", "credits@example.com")
    '<e78a8461b4bbc8ad1f10e3b5e2fe5e5d@example.com>'
    """
    return f"<{hashlib.sha256(key.encode()).hexdigest()[:32]}@{from_address.rpartition('@')[2]}>"


def compose(letter: Letter, *, key: str, to_address: str, sender: Sender, at: datetime) -> EmailMessage:
    """The message of a letter. Raises ValueError when a header could not be written safely; nothing is repaired."""
    for address in (to_address, sender.from_address):
        if not is_address(address):
            raise ValueError(f"{address!r} is no e-mail address")
    message = EmailMessage(policy=SMTP)
    message["From"] = Address(sender.company, addr_spec=sender.from_address)
    message["To"] = Address(addr_spec=to_address)
    message["Subject"] = letter.subject
    message["Date"] = format_datetime(at)
    message["Message-ID"] = message_id(key, sender.from_address)
    # Holiday notes and other machines must not answer (RFC 3834).
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(letter.text)
    message.add_alternative(letter.html, subtype="html")
    return message


@contextmanager
def open_mailer(sender: Sender) -> Iterator[Mailer]:
    """A mailer for one turn. Raises MailUnavailable when the server is not there, not safe, or refuses the sign-in."""
    if not is_address(sender.from_address):
        raise MailUnavailable(place=sender.place, detail=f"MAIL_FROM {sender.from_address!r} is no e-mail address")
    if not sender.host:
        yield FileMailer(sender.folder)
        return
    connection = _connect(sender)
    try:
        yield SmtpMailer(connection, sender.place)
    finally:
        # Whatever the goodbye meets, all messages have had their answers.
        with suppress(smtplib.SMTPException, OSError):
            connection.quit()
        connection.close()


class FileMailer:
    """Writes each message into a folder, for development: any mail program opens the files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def send(self, message: EmailMessage) -> None:
        """Write the message as <Message-ID>.eml; a second delivery writes the same file."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            name = message["Message-ID"].strip("<>").partition("@")[0]
            (self._folder / f"{name}.eml").write_bytes(message.as_bytes())
        except OSError as error:
            raise MailUnavailable(place=f"files in {self._folder}", detail=_words(error)) from error


class SmtpMailer:
    """Hands messages to a mail server over one connection."""

    def __init__(self, connection: smtplib.SMTP, place: str) -> None:
        self._connection = connection
        self._place = place

    def send(self, message: EmailMessage) -> None:
        """Hand over a message to its only recipient; it returns when the server has taken it."""
        try:
            self._connection.send_message(message)
        except smtplib.SMTPRecipientsRefused as error:
            ((code, answer),) = error.recipients.values()
            if _is_about_the_address(code, _text(answer)):
                raise AddressRefused(f"{code} {_text(answer)}") from error
            raise NotTaken(f"{code} {_text(answer)}") from error
        except smtplib.SMTPServerDisconnected as error:
            raise MailUnavailable(place=self._place, detail=_words(error)) from error
        except smtplib.SMTPResponseException as error:
            raise NotTaken(f"{error.smtp_code} {_text(error.smtp_error)}") from error
        except smtplib.SMTPException as error:
            raise NotTaken(_words(error)) from error
        except OSError as error:
            raise MailUnavailable(place=self._place, detail=_words(error)) from error


def _connect(sender: Sender) -> smtplib.SMTP:
    tls = sender.tls or ssl.create_default_context()
    wait = sender.timeout_seconds
    try:
        if sender.security == "tls":
            connection: smtplib.SMTP = smtplib.SMTP_SSL(sender.host, sender.port, timeout=wait, context=tls)
        else:
            connection = smtplib.SMTP(sender.host, sender.port, timeout=wait)
    except (smtplib.SMTPException, OSError) as error:
        raise MailUnavailable(place=sender.place, detail=_words(error)) from error
    try:
        # A server without STARTTLS is refused, not spoken to in the clear.
        if sender.security == "starttls":
            connection.starttls(context=tls)
        if sender.user:
            connection.login(sender.user, sender.password)
    except (smtplib.SMTPException, OSError) as error:
        connection.close()
        raise MailUnavailable(place=sender.place, detail=_words(error)) from error
    return connection


def _is_about_the_address(code: int, answer: str) -> bool:
    """Whether a refusal is for good and about the recipient, not about us: a policy (5.7), sign-in, a full mailbox."""
    if code < 500 or code in _NOT_THE_ADDRESS:
        return False
    return _ENHANCED.match(answer) is None or _THE_ADDRESS.match(answer) is not None


def _text(answer: bytes | str) -> str:
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:300]


def _words(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{type(error).__name__}: {error.smtp_code} {_text(error.smtp_error)}"
    return f"{type(error).__name__}: {_text(str(error))}"
