"""Referral programmes, codes, and who brought whom."""

from dataclasses import dataclass
from datetime import datetime

import pandas as pd
import sqlalchemy as sa

from analytics.frames.asking import ask
from analytics.frames.schema import Schema, instant, maybe_whole, micro, text, whole
from ledger import queries

PROGRAMMES = Schema(
    "one referral programme, newest first",
    (
        text("code", "how it is named"),
        text("label", "name"),
        micro("referrer_micro", "reward of who invites"),
        micro("referee_micro", "reward of who joins"),
        maybe_whole("cap", "most rewards of one referrer; absent: no cap"),
        whole("expires_months", "months that rewards last"),
        instant("effective_at", "from when"),
        instant("ends_at", "until when; NaT: no end"),
    ),
)
REFERRAL_CODES = Schema(
    "one referral code, most used first",
    (
        text("code", "code"),
        text("programme", "programme"),
        text("account", "owner, external id"),
        text("name", "owner"),
        whole("joined", "customers who joined by it"),
        whole("rewarded", "of those, rewarded"),
        maybe_whole("cap", "most rewards of its owner; absent: no cap"),
        text("state", "open, ended or disabled"),
        instant("created_at", "since"),
    ),
)
REFERRALS = Schema(
    "one referral, newest first",
    (
        whole("referral_id", "number"),
        text("code", "code"),
        text("programme", "programme"),
        text("referrer", "who invites, external id"),
        text("referrer_name", "who invites"),
        text("referee", "who joined, external id; NaN: only invited"),
        text("referee_name", "who joined, or the e-mail that was invited"),
        text("state", "invited, joined, qualified, rewarded or refused"),
        text("held_because", "why a person has to look at it, or empty"),
        instant("changed_at", "last step"),
    ),
)


@dataclass(frozen=True, slots=True)
class Funnel:
    """How many referrals ever came so far; each is counted in every stage before its own."""

    invited: int
    joined: int
    qualified: int
    rewarded: int
    refused: int


def load_programmes(connection: sa.Connection) -> pd.DataFrame:
    """Referral programmes: see PROGRAMMES."""
    return PROGRAMMES.load(ask(connection, queries.referral_programmes))


def load_referral_codes(connection: sa.Connection, *, at: datetime, limit: int | None = 200) -> pd.DataFrame:
    """Referral codes: see REFERRAL_CODES."""
    return REFERRAL_CODES.load(ask(connection, queries.referral_codes, at=at, limit=limit))


def load_referrals(connection: sa.Connection, *, is_held: bool | None = None, limit: int | None = 200) -> pd.DataFrame:
    """Referrals, all or only those that wait for a person: see REFERRALS."""
    return REFERRALS.load(ask(connection, queries.referrals, is_held=is_held, limit=limit))


def load_funnel(connection: sa.Connection) -> Funnel:
    """How many referrals came how far."""
    return Funnel(*ask(connection, queries.referral_counts).one())
