"""Charts of credits consumed."""

import pandas as pd
import plotly.graph_objects as go

from analytics.charts.base import (
    PALETTE,
    TYPE_LABELS,
    Chart,
    Theme,
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
    return _stacked(daily, "credit_type", zone=zone, theme=theme, patterns=patterns, average_micro=average_micro)


def daily_burn_by_feature(
    daily: pd.DataFrame, *, zone: str, theme: Theme, patterns: bool = False, average_micro: float | None = None
) -> Chart:
    """Stacked bars: credits used per day by feature, the most used ones and the rest, weekends shaded.

    Args: a frame of burn.daily_by_feature; the rest as for `daily_burn_by_type`.
    """
    return _stacked(daily, "feature", zone=zone, theme=theme, patterns=patterns, average_micro=average_micro)


def _stacked(
    daily: pd.DataFrame, key: str, *, zone: str, theme: Theme, patterns: bool, average_micro: float | None
) -> Chart:
    names = list(dict.fromkeys(daily[key]))
    labels = [TYPE_LABELS.get(name, name) if key == "credit_type" else name for name in names]
    days = pd.Series(daily["day"].unique())
    table = pd.DataFrame({"day": days})
    figure = go.Figure()
    # The theme's colours begin again after five traces; a pattern tells the later ones apart.
    for number, (name, label) in enumerate(zip(names, labels, strict=True)):
        values = to_credits(daily.loc[daily[key] == name, "used_micro"]).to_numpy()
        table[name] = values
        figure.add_bar(
            x=days,
            y=values,
            name=label,
            marker={"pattern": pattern(number, patterns or number >= len(PALETTE[theme]))},
            hovertemplate=f"{_HOVER}<extra>{label}</extra>",
        )
    figure.update_layout(barmode="stack", shapes=weekends(days), hovermode="closest", bargap=0.15)
    table["total"] = table[names].sum(axis=1) if names else 0.0
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
    return Chart(figure, table, _finding(table))


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
