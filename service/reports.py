"""The balance report of one customer now: for the command line and the HTTP API."""

from datetime import datetime
from zoneinfo import ZoneInfo

from analytics import frames, outlook
from analytics.outlook import Outlook
from analytics.report import Report, load_report
from ledger import Ledger
from ledger.settings import settings


def make_report(ledger: Ledger, account: str) -> Report:
    """The report as of now. A forecast that no run has made for yesterday is made and stored first, as on the page.

    Raises: NotFound.
    """
    at, zone = ledger.clock.now(), ledger.company_zone
    found = _outlook(ledger, account, at, zone)
    if found is None or found.forecast.as_of < outlook.as_of(frames.today(at, zone)):
        # The forecast brings Prophet, which takes seconds to import.
        from service.forecasts import refresh

        refresh(ledger, accounts=[account], processes=1)
        found = _outlook(ledger, account, at, zone)
        assert found is not None, "a forecast was stored a moment ago"
    with ledger.database.reading() as connection:
        return load_report(
            connection, account=account, at=at, zone=zone, outlook=found, public_url=settings().public_url
        )


def _outlook(ledger: Ledger, account: str, at: datetime, zone: ZoneInfo) -> Outlook | None:
    with ledger.database.reading() as connection:
        # Says that nobody has this id, before a forecast is made for it.
        frames.load_customer(connection, account)
        stored_at = frames.load_forecast_head(connection)
        return outlook.load_one(connection, account=account, at=at, zone=zone, stored_at=stored_at)
