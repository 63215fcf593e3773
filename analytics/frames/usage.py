"""Use by day, single events, prices and stored forecasts."""

from collections import Counter
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pandas as pd
import sqlalchemy as sa

from analytics.frames.asking import ask, plain_rows
from analytics.frames.customers import RATE_DAYS
from analytics.frames.schema import Schema, day, instant, micro, text, value, whole
from ledger import queries

DAILY_USAGE = Schema(
    "one company-zone day, feature and credit type with use, sorted so",
    (
        day("day", "company-zone day of the event"),
        text("feature", "feature"),
        text("credit_type", "type of the credits that paid"),
        micro("used_micro", "used"),
        whole("events", "events; one paid by two types counts at the first"),
    ),
)
DAILY_USAGE_BY_TYPE = Schema(
    "one company-zone day and credit type with use, sorted so",
    tuple(column for column in DAILY_USAGE.columns if column.name != "feature"),
)
ACCOUNT_DAILY_USAGE = Schema(
    "one account and company-zone day with use, sorted so",
    (
        text("account", "external id"),
        day("day", "company-zone day of the event"),
        micro("used_micro", "used"),
        whole("events", "events"),
    ),
)
FEATURE_ACCOUNTS = Schema(
    "one feature and account with use, by feature, most used first",
    (
        text("feature", "feature"),
        text("account", "external id"),
        micro("used_micro", "used"),
        whole("events", "events"),
    ),
)
EVENTS = Schema(
    "one usage event, in booking order",
    (
        text("event_id", "the caller's id"),
        text("feature", "feature"),
        whole("quantity_micro", "millionths of a unit of the feature"),
        micro("cost_micro", "charged"),
        micro("given_back_micro", "of it given back since"),
        instant("occurred_at", "when it happened"),
        whole("transaction_id", "transaction that booked it"),
    ),
)
FEATURE_PRICES = Schema(
    "one version of a feature's price, by feature and start",
    (
        text("feature", "feature"),
        text("label", "name for people"),
        text("unit", "what is counted"),
        micro("price_micro", "per unit"),
        instant("effective_at", "in force from"),
        text("actor", "who set it"),
        instant("ends_at", "not for sale from then on; NaT means no end"),
        value("factors", "complexity to factor in millionths, a dictionary"),
    ),
)
FORECASTS = Schema(
    "the newest stored forecast of one account, by account",
    (
        text("account", "external id"),
        day("as_of", "last complete day that was known"),
        instant("computed_at", "when it was computed"),
        value("body", "the forecast as stored"),
    ),
)


def load_daily_usage(
    connection: sa.Connection, *, since: date, until: date, account: str | None = None
) -> pd.DataFrame:
    """Use in [since, until) of one account, or of all together: see DAILY_USAGE. Days without use are not in it."""
    return DAILY_USAGE.load(ask(connection, queries.daily_usage, since=since, until=until, account_name=account))


def load_daily_usage_by_type(
    connection: sa.Connection, *, since: date, until: date, account: str | None = None
) -> pd.DataFrame:
    """The same without the features, for whoever does not show them: see DAILY_USAGE_BY_TYPE. Much cheaper."""
    answer = ask(connection, queries.daily_usage_by_type, since=since, until=until, account_name=account)
    return DAILY_USAGE_BY_TYPE.load(answer)


def load_account_daily_usage(connection: sa.Connection, *, since: date, until: date) -> pd.DataFrame:
    """Use in [since, until) of every account by day: see ACCOUNT_DAILY_USAGE. One statement for all accounts."""
    return ACCOUNT_DAILY_USAGE.load(ask(connection, queries.account_daily_usage, since=since, until=until))


def load_feature_accounts(
    connection: sa.Connection, *, since: date, until: date, feature: str | None = None
) -> pd.DataFrame:
    """Which customers used which feature in [since, until): see FEATURE_ACCOUNTS."""
    return FEATURE_ACCOUNTS.load(ask(connection, queries.feature_accounts, since=since, until=until, feature=feature))


def load_feature_mix(
    connection: sa.Connection, *, today: date, account: str | None = None
) -> dict[str, dict[str, int]]:
    """What each account used of each feature on the last 28 complete days, micro-credits; of all accounts or one."""
    since = today - timedelta(days=RATE_DAYS)
    found: dict[str, dict[str, int]] = {}
    answer = ask(connection, queries.feature_accounts, since=since, until=today, account_name=account)
    for feature, name, used_micro, _events in plain_rows(answer):
        found.setdefault(name, {})[feature] = used_micro
    return found


def load_first_used_day(connection: sa.Connection, account: str | None = None) -> date | None:
    """The first day with use of one account, or of anybody; None without use."""
    found: date | None = ask(connection, queries.first_used_day, account_name=account).scalar_one()
    return found


def load_events(
    connection: sa.Connection, *, account: str, on: date, zone: ZoneInfo, limit: int | None = 200, offset: int = 0
) -> pd.DataFrame:
    """Usage events of one account on one company-zone day: see EVENTS."""
    since, until = (datetime.combine(on + timedelta(days=n), time(), tzinfo=zone) for n in (0, 1))
    return EVENTS.load(
        ask(connection, queries.events, account_name=account, since=since, until=until, limit=limit, offset=offset)
    )


def load_feature_prices(connection: sa.Connection) -> pd.DataFrame:
    """Every version of every feature's price: see FEATURE_PRICES."""
    return FEATURE_PRICES.load(ask(connection, queries.feature_prices))


def load_feature_labels(connection: sa.Connection, *, at: datetime) -> dict[str, str]:
    """What people call each feature: the label of its newest price version in force at an instant, by feature.

    No two are the same: a label that several features share, or that is another one's key, has the key behind it.
    Features without a version in force are not in it.

    Example: ``{"api_basic": "Basic API call", "export": "Export (export)", "pdf": "Export (pdf)"}``
    """
    prices = FEATURE_PRICES.read(ask(connection, queries.feature_prices))
    versions = zip(prices["feature"], prices["label"], prices["effective_at"], strict=True)
    # Versions come by feature and start, so the last one in force wins.
    labels = {feature: label or feature for feature, label, since in versions if since <= at}
    taken = Counter(name for feature, label in labels.items() for name in {feature.casefold(), label.casefold()})
    return {
        feature: label if label == feature or taken[label.casefold()] == 1 else f"{label} ({feature})"
        for feature, label in labels.items()
    }


def load_forecasts(connection: sa.Connection, *, as_of: date, account: str | None = None) -> pd.DataFrame:
    """The newest stored forecast of each account made from days up to ``as_of``: see FORECASTS."""
    return FORECASTS.load(ask(connection, queries.forecasts, as_of=as_of, account_name=account))
