"""Signatures of messages by the convention "Standard Webhooks", which Polar and the mock provider keep."""

import hmac
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from standardwebhooks.webhooks import Webhook

from ledger.gateways.provider import SignatureRefused

TOLERANCE = timedelta(minutes=5)


def sign(body: str, *, id: str, secret: str, at: datetime) -> dict[str, str]:
    """The headers of a signed message, names in lower case."""
    signature = Webhook(secret).sign(id, at.astimezone(UTC), body)
    return {"webhook-id": id, "webhook-timestamp": str(int(at.timestamp())), "webhook-signature": signature}


def verify(body: bytes, headers: Mapping[str, str], *, secrets: Iterable[str], at: datetime) -> None:
    """Check that one of the secrets signed a message, not more than five minutes before or after ``at``.

    The library's own check reads the clock of the machine and one secret; ours is told the time and knows the old
    secret beside the new one. Raises SignatureRefused.
    """
    try:
        id_ = headers["webhook-id"]
        sent_at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
        given = headers["webhook-signature"].split()
        text = body.decode()
    except (KeyError, ValueError, OverflowError, OSError) as error:
        raise SignatureRefused("the headers of the signature are missing or cannot be read") from error
    expected = [Webhook(secret).sign(id_, sent_at, text) for secret in secrets]
    if not any(hmac.compare_digest(one.encode(), other.encode()) for one in expected for other in given):
        raise SignatureRefused("the signature is not of a secret that is set up")
    if abs(at - sent_at) > TOLERANCE:
        raise SignatureRefused("the time in it is more than five minutes away")
