"""Words that people type on the command line, as the values that the ledger takes."""

from datetime import UTC, date, datetime
from typing import Any

import click

from ledger import credits_to_micro


class _Credits(click.ParamType[int]):
    name = "credits"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            return value if isinstance(value, int) else credits_to_micro(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class _Instant(click.ParamType[datetime]):
    name = "instant"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            at = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not an instant such as 2026-03-10T12:00:00+00:00", param, ctx)
        if at.tzinfo is None:
            self.fail(f"{value!r} has no offset; write 2026-03-10T12:00:00+00:00 or end with Z", param, ctx)
        return at.astimezone(UTC)


class _Day(click.ParamType[date]):
    name = "day"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        try:
            return value if isinstance(value, date) else date.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not a day such as 2026-03-10", param, ctx)


CREDITS, INSTANT, DAY = _Credits(), _Instant(), _Day()
