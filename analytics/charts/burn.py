"""Charts of credits consumed."""

from collections.abc import Collection, Mapping

import pandas as pd
import plotly.graph_objects as go

from analytics.charts.base import (
    PALETTE,
    TYPE_LABELS,
    Chart,
    Theme,
    as_typed,
    day_words,
    finish,
    pattern,
    quiet_colour,
    spoken,
    to_credits,
    weekends,
)

_HOVER = "%{x|%a %d %b %Y}: %{y:,.2~f} credits"


def daily_burn_by_type(
    daily: pd.DataFrame, *, zone: str, theme: Theme, patterns: bool = False, average_micro: float | None = None
) -> Chart:
    """Stacked bars: credits used per day by credit type, weekends shaded.

    Args: a frame of burn.daily_by_type; the company zone's name; average_micro draws a line, such as the mean day of
    the period before.
    """
    names = {name: TYPE_LABELS.get(name, name) for name in dict.fromkeys(daily["credit_type"])}
    return _stacked(
        daily,
        "credit_type",
        names,
        zone=zone,
        theme=theme,
        patterns=patterns,
        average_micro=average_micro,
        is_typed=False,
    )


def daily_burn_by_feature(
    daily: pd.DataFrame,
    *,
    zone: str,
    theme: Theme,
    labels: Mapping[str, str],
    patterns: bool = False,
    average_micro: float | None = None,
) -> Chart:
    """Stacked bars: credits used per day by feature, the most used ones and the rest, weekends shaded.

    Args: a frame of burn.daily_by_feature; labels as frames.load_feature_labels answers them, a feature without one
    is shown by its key; the rest as for `daily_burn_by_type`.
    """
    names = {name: labels.get(name, name) for name in dict.fromkeys(daily["feature"])}
    return _stacked(
        daily, "feature", names, zone=zone, theme=theme, patterns=patterns, average_micro=average_micro, is_typed=True
    )


def _stacked(
    daily: pd.DataFrame,
    key: str,
    names: Mapping[str, str],
    *,
    zone: str,
    theme: Theme,
    patterns: bool,
    average_micro: float | None,
    is_typed: bool,
) -> Chart:
    """The bars of each name, in the order and under the words of ``names``."""
    days = pd.Series(daily["day"].unique())
    columns = {"day": days.to_numpy()}
    figure = go.Figure()
    # The theme's colours begin again after five traces; a pattern tells the later ones apart.
    for number, (name, label) in enumerate(names.items()):
        values = to_credits(daily.loc[daily[key] == name, "used_micro"]).to_numpy()
        columns[_heading(label, name, columns) if is_typed else name] = values
        figure.add_bar(
            x=days,
            y=values,
            name=as_typed(label),
            marker={"pattern": pattern(number, patterns or number >= len(PALETTE[theme]))},
            hovertemplate=f"{_HOVER}<extra>%{{fullData.name}}</extra>",
        )
    headings = list(columns)[1:]
    table = pd.DataFrame(columns)
    table["total"] = table[headings].sum(axis=1) if headings else 0.0
    figure.update_layout(barmode="stack", shapes=weekends(days), hovermode="closest", bargap=0.15)
    if average_micro is not None and len(days):
        level = average_micro / 1_000_000
        figure.add_scatter(
            x=days,
            y=[level] * len(days),
            name="Mean day before",
            mode="lines",
            line={"dash": "dash", "color": quiet_colour(theme), "width": 2},
            hovertemplate="Mean day before: %{y:,.2~f} credits<extra></extra>",
        )
    finish(figure, theme=theme, x_title=f"Day ({zone})", y_title="Credits used per day")
    return Chart(figure, table, _finding(table), frozenset(headings) if is_typed else frozenset())


def _heading(label: str, name: str, taken: Collection[str]) -> str:
    """A column's heading that is not taken yet, whatever people call their features."""
    while label in taken or label == "total":
        label = f"{label} ({name})"
    return label


def _finding(table: pd.DataFrame) -> str:
    total = float(table["total"].sum())
    if total == 0:
        return "No credits were used on these days."
    top = table.iloc[int(table["total"].argmax())]
    mean = total / len(table)
    return (
        f"{spoken(total)} credits used on {len(table)} days, {spoken(mean)} a day; "
        f"the most on {day_words(top['day'])} with {spoken(float(top['total']))}."
    )
