"""The job that finds alerts: looks at the accounts that moved, and writes what it found through ledger/alerts.py."""

from analytics import watch
from ledger import Ledger
from ledger.alerts import find_all, record_look
from ledger.settings import settings
from service.alert_mails import Writer


def find_alerts(ledger: Ledger) -> dict[str, int]:
    """Look at what moved since the last look, and at what a day, a forecast or a time is due for.

    Returns the figures of the run: accounts looked at, alerts raised, alerts that are over, mails queued. Safe to
    repeat at any time, and from several processes at once.
    """
    at, zone = ledger.clock.now(), ledger.company_zone
    with ledger.database.reading() as connection:
        look = watch.look_due(connection, at=at, zone=zone)
        # A mail about a balance says how long it will last, so whoever is about to be told gets its run-out computed.
        found = find_all(connection, list(look.seen.values()), at)
        raising = [id_ for id_, one in found.items() if one.raised]
        look = watch.with_forecasts(connection, look, raising)
    operators = tuple(address for one in settings().operators_mail.split(",") if (address := one.strip()))
    recorded = record_look(ledger, look.seen.values(), at=at, compose=Writer(zone, ledger), operators=operators)
    return {"looked": recorded.looked, "raised": recorded.raised, "over": recorded.over, "mails": recorded.mails}
