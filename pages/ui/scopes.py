"""Credits for some features only, in words."""

import pandas as pd

from analytics import frames
from pages.ui.guard import Visit
from pages.ui.text import credit_text, escape

_APART = ", "


def named(visit: Visit, scopes: pd.Series) -> list[str]:
    """The features of a column "only_for" under the names that people know; as typed, empty for credits for all."""
    labels = visit.ask(frames.load_feature_labels, at=visit.at)
    return [
        "" if pd.isna(scope) else _APART.join(labels.get(one, one) for one in str(scope).split(_APART))
        for scope in scopes
    ]


def sentence(visit: Visit, batches: pd.DataFrame) -> str:
    """How much of what is available pays for some features only, from frames.BATCHES; empty when nothing does."""
    usable = batches[(batches["state"] == "open") & batches["only_for"].notna()]
    free = (usable["left_micro"] - usable["held_micro"]).groupby(usable["only_for"]).sum()
    free = free[free > 0]
    if free.empty:
        return ""
    words = [
        f"{credit_text(int(micro), visit.locale)} only for {escape(label)}"
        for micro, label in zip(free, named(visit, pd.Series(free.index)), strict=True)
    ]
    return f"Of what is available: {'; '.join(words)}."
