"""A real mail server on a free port of this machine, whose answers a test decides."""

import datetime as dt
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOST = "127.0.0.1"


@dataclass
class Inbox:
    """What the server got, and how it answers: to recipients by address, and to messages one after another."""

    refusals: dict[str, str] = field(default_factory=dict)
    data_answers: list[str] = field(default_factory=list)
    received: list[tuple[list[str], EmailMessage]] = field(default_factory=list)
    over_tls: list[bool] = field(default_factory=list)
    port: int = 0
    user: str = ""
    password: str = ""

    @property
    def messages(self) -> list[EmailMessage]:
        return [message for _, message in self.received]

    async def handle_RCPT(  # noqa: N802 - the name that the server calls
        self, _server: Any, _session: Session, envelope: Envelope, address: str, _options: Any
    ) -> str:
        if address in self.refusals:
            return self.refusals[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, session: Session, envelope: Envelope) -> str:  # noqa: N802
        answer = self.data_answers.pop(0) if self.data_answers else "250 OK"
        if answer.startswith("250"):
            assert isinstance(envelope.content, bytes)
            message = message_from_bytes(envelope.content, policy=default)
            assert isinstance(message, EmailMessage)
            self.received.append((list(envelope.rcpt_tos), message))
            self.over_tls.append(session.ssl is not None)
        return answer

    def sign_in(self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        is_right = (data.login.decode(), data.password.decode()) == (self.user, self.password)
        return AuthResult(success=is_right, handled=False)


@dataclass(frozen=True)
class Certificate:
    """A certificate that signs itself, for this machine's own address; clients trust it by `client`."""

    server: ssl.SSLContext
    client: ssl.SSLContext


@contextmanager
def mail_server(
    *, certificate: Certificate | None = None, is_wrapped: bool = False, user: str = "", password: str = ""
) -> Iterator[Inbox]:
    """A running server: with a certificate it offers STARTTLS, or speaks TLS from the first byte (``is_wrapped``)."""
    inbox = Inbox(user=user, password=password)
    options: dict[str, Any] = {}
    if certificate is not None and is_wrapped:
        options["ssl_context"] = certificate.server
    elif certificate is not None:
        options |= {"tls_context": certificate.server, "require_starttls": True}
    if user:
        options |= {"authenticator": inbox.sign_in, "auth_required": True, "auth_require_tls": not is_wrapped}
    with socket.create_server((HOST, 0)) as probe:
        inbox.port = probe.getsockname()[1]
    controller = Controller(inbox, hostname=HOST, port=inbox.port, **options)
    controller.start()
    try:
        yield inbox
    finally:
        controller.stop()


@contextmanager
def silent_server() -> Iterator[int]:
    """The port of a server that takes connections and never says a word."""
    with socket.create_server((HOST, 0)) as listener:
        taken: list[socket.socket] = []

        def take() -> None:
            while True:
                try:
                    taken.append(listener.accept()[0])
                except OSError:
                    return  # the listener was closed: the test is over

        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(timeout=5)
            for one in taken:
                one.close()


def make_certificate(folder: Path) -> Certificate:
    """A fresh self-signed certificate; its files stay in the folder."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    begins = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + dt.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    chain, secret = folder / "server.crt", folder / "server.key"
    chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(chain, secret)
    return Certificate(server, ssl.create_default_context(cafile=str(chain)))
