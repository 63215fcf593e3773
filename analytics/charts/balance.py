"""Charts of what is on the shelf: balance over time, batches, what expires."""

import pandas as pd
import plotly.graph_objects as go

from analytics.charts.base import (
    PALETTE,
    TYPE_LABELS,
    Chart,
    Theme,
    band_colour,
    day_words,
    finish,
    pattern,
    quiet_colour,
    spoken,
    text_colour,
    to_credits,
)
from ledger.core.records import CreditType

# Figures of a day are those at its end, so they are drawn there; the hover still names the day.
_END_OF_DAY = pd.Timedelta(hours=23, minutes=59)
_LABELLED_EXPIRIES = 4


def balance_timeline(
    past: pd.DataFrame,
    ahead: pd.DataFrame | None,
    expiries: pd.DataFrame | None = None,
    *,
    now: pd.Timestamp,
    zone: str,
    theme: Theme,
) -> Chart:
    """Past balance as steps, today, and the forecast: dashed likely line in its 80 % band, expiries as markers.

    Args:
        past: a frame of balances.past; its last row is now.
        ahead: Projection.balance (day, likely, low_80, high_80 in credits), or None without a forecast.
        expiries: credits that will expire unused: day, credits (float), label; zero rows are left out.
        now: the local time without a zone, where today's line stands; zone is the name of that zone.
    """
    colour = PALETTE[theme][0]
    figure = go.Figure()
    ends = (past["day"] + _END_OF_DAY).where(past["day"] < now.normalize(), now)
    have = to_credits(past["available_micro"])
    figure.add_scatter(
        x=ends,
        y=have,
        name="Available",
        mode="lines",
        line={"shape": "hv", "color": colour, "width": 2},
        hovertemplate="%{x|%a %d %b %Y}: %{y:,.2~f} credits<extra>Available</extra>",
    )
    if ahead is not None and not ahead.empty:
        _draw_ahead(figure, ahead, have, now, theme)
        if expiries is not None:
            _draw_expiries(figure, expiries, ahead, theme)
    figure.update_layout(shapes=[_today(now, theme)], annotations=[_today_label(now, theme)], hovermode="closest")
    finish(figure, theme=theme, x_title=f"Day ({zone})", y_title="Credits available at the end of the day")
    table = past.assign(available=have, expired=to_credits(past["expired_micro"]))[["day", "available", "expired"]]
    if ahead is not None:
        table = pd.concat(
            [table[table["day"] < now.normalize()], ahead[["day", "likely", "low_80", "high_80"]]], ignore_index=True
        )
    return Chart(figure, table, _finding(have, ahead))


def _draw_ahead(figure: go.Figure, ahead: pd.DataFrame, have: pd.Series, now: pd.Timestamp, theme: Theme) -> None:
    start = [float(have.iloc[-1])] if len(have) else []
    days = pd.concat([pd.Series([now] * len(start), dtype="datetime64[us]"), ahead["day"] + _END_OF_DAY])
    low, likely, high = ([*start, *ahead[name]] for name in ("low_80", "likely", "high_80"))
    edge = {"width": 0, "color": band_colour(theme)}
    figure.add_scatter(x=days, y=high, mode="lines", line=edge, showlegend=False, hoverinfo="skip")
    figure.add_scatter(
        x=days,
        y=low,
        name="80 % range",
        mode="lines",
        line=edge,
        fill="tonexty",
        fillcolor=band_colour(theme),
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=days,
        y=likely,
        name="Likely",
        mode="lines",
        line={"dash": "dash", "color": PALETTE[theme][0], "width": 2},
        customdata=list(zip(low, high, strict=True)),
        hovertemplate=(
            "%{x|%a %d %b %Y}: likely %{y:,.0f} credits, "
            "%{customdata[0]:,.0f} to %{customdata[1]:,.0f} (80 %)<extra></extra>"
        ),
    )


def _draw_expiries(figure: go.Figure, expiries: pd.DataFrame, ahead: pd.DataFrame, theme: Theme) -> None:
    shown = expiries[(expiries["credits"] > 0) & expiries["day"].isin(ahead["day"])]
    if shown.empty:
        return
    level = ahead.set_index("day")["likely"]
    largest = set(shown["credits"].nlargest(_LABELLED_EXPIRIES).index)
    figure.add_scatter(
        x=shown["day"] + _END_OF_DAY,
        y=level.reindex(shown["day"]).to_numpy(),
        name="Expires unused",
        mode="markers+text",
        marker={"symbol": "triangle-down", "size": 11, "color": text_colour(theme)},
        text=[label if index in largest else "" for index, label in shown["label"].items()],
        textposition="top right",
        textfont={"color": text_colour(theme)},
        customdata=shown[["credits", "label"]].to_numpy(),
        hovertemplate="%{x|%a %d %b %Y}: %{customdata[0]:,.2~f} credits expire unused, %{customdata[1]}<extra></extra>",
    )


def _today(now: pd.Timestamp, theme: Theme) -> dict[str, object]:
    line = {"color": quiet_colour(theme), "width": 1, "dash": "dot"}
    return {"type": "line", "x0": now, "x1": now, "y0": 0, "y1": 1, "xref": "x", "yref": "paper", "line": line}


def _today_label(now: pd.Timestamp, theme: Theme) -> dict[str, object]:
    font = {"color": text_colour(theme)}
    where = {"x": now, "y": 1, "xref": "x", "yref": "paper", "xanchor": "left", "yanchor": "top"}
    return {**where, "text": "Today", "showarrow": False, "font": font}


def _finding(have: pd.Series, ahead: pd.DataFrame | None) -> str:
    if have.empty:
        return "No balance to show."
    words = f"{spoken(float(have.iloc[-1]))} credits available now, {spoken(float(have.iloc[0]))} at the start"
    if ahead is None or ahead.empty:
        return f"{words}; no forecast."
    out = ahead.loc[ahead["likely"] <= 0, "day"]
    if len(out):
        return f"{words}; most likely nothing is left at the end of {day_words(out.iloc[0])}."
    last = ahead.iloc[-1]
    return (
        f"{words}; on {day_words(last['day'])} most likely {spoken(round(float(last['likely'])))}, "
        f"between {spoken(round(float(last['low_80'])))} and {spoken(round(float(last['high_80'])))}."
    )


def expiring_buckets(buckets: pd.DataFrame, *, theme: Theme, patterns: bool = False) -> Chart:
    """Stacked bars: credits that end within 3, 14, 30, 60, 90 days by type. Args: a frame of expiry.by_bucket."""
    names = list(dict.fromkeys(buckets["bucket"]))
    table = pd.DataFrame({"bucket": names})
    figure = go.Figure()
    for number, kind in enumerate(CreditType):
        rows = buckets[buckets["credit_type"] == kind.value]
        left = to_credits(rows["left_micro"]).to_numpy()
        table[kind.value] = left
        label = TYPE_LABELS[kind.value]
        figure.add_bar(
            x=names,
            y=left,
            name=label,
            customdata=to_credits(rows["wasted_micro"]).to_numpy().reshape(-1, 1),
            marker={"pattern": pattern(number, patterns)},
            hovertemplate=(
                "%{x}: %{y:,.2~f} credits end, %{customdata[0]:,.2~f} of them unused at today's pace"
                f"<extra>{label}</extra>"
            ),
        )
    figure.update_layout(barmode="stack", hovermode="closest")
    finish(figure, theme=theme, x_title="Days until the last usable one", y_title="Credits that end")
    wasted = to_credits(buckets.groupby("bucket", sort=False)["wasted_micro"].sum()).to_numpy()
    table["total"] = table[[kind.value for kind in CreditType]].sum(axis=1)
    table["unused at today's pace"] = wasted
    total, lost = float(table["total"].sum()), float(wasted.sum())
    if total == 0:
        return Chart(figure, table, "No credits end within 90 days.")
    alt = f"{spoken(total)} credits end within 90 days; at today's pace {spoken(lost)} of them expire unused."
    return Chart(figure, table, alt)


def batches_bar(batches: pd.DataFrame, *, theme: Theme, patterns: bool = False) -> Chart:
    """One horizontal bar per batch that is open or scheduled, in burn order from the top: left by type, and gone.

    Args: a frame of frames.BATCHES.
    """
    live = batches[batches["state"].isin(["open", "scheduled"])]
    names = [_batch_name(row) for row in live.itertuples()]
    left, granted = to_credits(live["left_micro"]).to_numpy(), to_credits(live["granted_micro"]).to_numpy()
    figure = go.Figure()
    for number, kind in enumerate(CreditType):
        figure.add_bar(
            x=[amount if of == kind.value else 0.0 for amount, of in zip(left, live["credit_type"], strict=True)],
            y=names,
            orientation="h",
            name=TYPE_LABELS[kind.value],
            marker={"pattern": pattern(number, patterns)},
            hovertemplate="%{y}: %{x:,.2~f} credits left<extra></extra>",
        )
    figure.add_bar(
        x=granted - left,
        y=names,
        orientation="h",
        name="Gone",
        marker={"color": quiet_colour(theme), "opacity": 0.35},
        hovertemplate="%{y}: %{x:,.2~f} credits used, expired or removed<extra></extra>",
    )
    finish(figure, theme=theme, x_title="Credits", y_title="Batch, first to burn on top")
    figure.update_layout(barmode="stack", height=120 + 34 * max(len(names), 1), hovermode="closest")
    figure.update_yaxes(autorange="reversed", rangemode="normal")
    table = pd.DataFrame({"batch": names, "left": left, "gone": granted - left})
    if live.empty:
        return Chart(figure, table, "No batch has credits left.")
    alt = f"{len(live)} batches with {spoken(float(left.sum()))} credits left; {names[0]} burns first."
    return Chart(figure, table, alt)


def waste_markers(wasted: pd.DataFrame, batches: pd.DataFrame) -> pd.DataFrame:
    """Markers for `balance_timeline` from Projection.wasted and frames.BATCHES: day, credits, label."""
    kinds = dict(zip(batches["batch_id"], batches["credit_type"], strict=True))
    amounts = wasted["wasted_likely"].to_numpy()
    return pd.DataFrame(
        {
            "day": pd.Series(wasted["expires_on"], dtype="datetime64[us]").to_numpy(),
            "credits": amounts,
            "label": [
                f"−{spoken(float(amount))} {kinds.get(number, '')}".strip()
                for amount, number in zip(amounts, wasted["batch_id"], strict=True)
            ],
        }
    )


def _batch_name(row: object) -> str:
    number = getattr(row, "burn_number", None)
    place = f"{int(number)}. " if number is not None and not pd.isna(number) else ""
    return f"{place}{TYPE_LABELS[row.credit_type]} #{row.batch_id}"  # type: ignore[attr-defined]
