"""The batches of a customer as choices: what is left of each, and until when."""

from collections.abc import Callable, Collection
from typing import Any

import pandas as pd

from analytics import frames
from ledger.core.lifecycle import last_day
from pages.ui import forms
from pages.ui.guard import Visit
from pages.ui.text import credit_text, day_text


def batches(visit: Visit, account: str | None, *, states: Collection[str]) -> dict[int, dict[str, Any]]:
    """The rows of a customer's batches that are in one of the states, by id, in burn order; none without a customer."""
    if account is None:
        return {}
    found = visit.ask(frames.load_batches, account=account, at=visit.at)
    rows = found[found["state"].isin(states)].to_dict("records")
    return {int(row["batch_id"]): {str(name): value for name, value in row.items()} for row in rows}


def batch_words(
    visit: Visit,
    account: str | None,
    rows: dict[int, dict[str, Any]],
    more: Callable[[dict[str, Any]], str] | None = None,
) -> dict[str, str]:
    """Choices of a select box: the id, and the batch in words with what ``more`` adds."""
    return {
        str(number): f"Batch {number}: {credit_text(row['left_micro'], visit.locale)} {row['credit_type']} left, "
        + ends_text(visit, account, row)
        + (more(row) if more else "")
        for number, row in rows.items()
    }


def ends_text(visit: Visit, account: str | None, row: dict[str, Any]) -> str:
    """Until when a batch can be used, in the customer's zone."""
    if pd.isna(row["expires_at"]):
        return "never expires"
    day = last_day(row["expires_at"], forms.customer_zone(visit, account))
    ended = row["state"] == "expired"
    return f"{'ended' if ended else 'usable through'} {day_text(day, visit.locale)}"
