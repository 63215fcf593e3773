"""Referrals: who may bring whom, and what a person should look at first."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

# Anybody can have an address there, so sharing the domain says nothing.
PUBLIC_MAIL = frozenset(
    {
        *("aol.com", "gmail.com", "gmx.de", "gmx.net", "googlemail.com", "hotmail.com", "icloud.com", "live.com"),
        *("mail.com", "me.com", "msn.com", "outlook.com", "pm.me", "posteo.de", "proton.me", "protonmail.com"),
        *("t-online.de", "web.de", "yahoo.com", "yandex.com", "zoho.com"),
    }
)
# Letters and digits that nobody mixes up when reading a code aloud.
_LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"


class ReferralState(StrEnum):
    """How far a referral has come."""

    INVITED = "invited"
    JOINED = "joined"
    QUALIFIED = "qualified"
    REWARDED = "rewarded"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Party:
    """One side of a referral: what is known of a customer."""

    account_id: int
    organisation: str
    email: str


def refusal(referrer: Party, referee: Party, referrers: Mapping[int, int]) -> str:
    """Why one customer cannot have brought the other, as the end of a sentence; empty when nothing is against it.

    Args: both sides; ``referrers`` says of every referred account which account brought it.
    Source: docs/accounting.md, rule 23.
    """
    if referrer.account_id == referee.account_id:
        return "nobody can refer themselves"
    if referrer.organisation and referrer.organisation == referee.organisation:
        return f"both belong to the organisation {referrer.organisation!r}"
    if referrer.email and normal_email(referrer.email) == normal_email(referee.email):
        return "both have the same e-mail address"
    if would_close_a_cycle(referrers, referrer=referrer.account_id, referee=referee.account_id):
        return "the referrer was brought by the customer who joins, directly or through others"
    return ""


def would_close_a_cycle(referrers: Mapping[int, int], *, referrer: int, referee: int) -> bool:
    """Whether the referee stands somewhere above the referrer already.

    >>> would_close_a_cycle({2: 1, 3: 2}, referrer=3, referee=1)
    True
    """
    seen: set[int] = set()
    above: int | None = referrer
    while above is not None and above not in seen:
        if above == referee:
            return True
        seen.add(above)
        above = referrers.get(above)
    return False


def suspicion(referrer: Party, referee: Party) -> str:
    """Why a person should look at a referral before anybody is rewarded; empty when nothing stands out."""
    (name, domain), (other, other_domain) = _parts(referrer.email), _parts(referee.email)
    if not domain or domain != other_domain:
        return ""
    if name.partition("+")[0] == other.partition("+")[0]:
        return f"both e-mail addresses belong to the mailbox {name.partition('+')[0]}@{domain}"
    return "" if domain in PUBLIC_MAIL else f"both e-mail addresses are at {domain}"


def default_code(account: str, programme: str) -> str:
    """The code that a customer gets unless another is wanted: always the same one for the same programme.

    >>> default_code("cus_acme", "friends")
    'ACME-4LLZU'
    """
    name = "".join(c for c in account.removeprefix("cus_").upper() if c.isascii() and c.isalnum())[:12]
    digest = hashlib.sha256(f"{programme}\n{account}".encode()).digest()
    return f"{name or 'CODE'}-" + "".join(_LETTERS[byte % len(_LETTERS)] for byte in digest[:5])


def normal_code(code: str) -> str:
    """A code as it is kept: capital letters, however it was typed."""
    return code.strip().upper()


def normal_email(email: str) -> str:
    """An e-mail address as it is compared."""
    return email.strip().casefold()


def _parts(email: str) -> tuple[str, str]:
    name, _, domain = normal_email(email).rpartition("@")
    return name, domain
