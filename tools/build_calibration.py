"""Builds analytics/calibration_default.json, the error ratios that ship for installations without their own history.

usage: python -m tools.build_calibration DATA_DIR [OUT_FILE]

DATA_DIR holds usage.csv.gz (customer_id, day, feature, units) and customers.csv (customer_id, first_day, last_day).
Only ratios without names are written. About two minutes on two cores.
"""

import json
import sys
from pathlib import Path

import pandas as pd

from analytics.calibration import DEFAULT_FILE, HORIZONS, build
from ledger.core.amounts import MICRO

PRICES_CREDITS = {"linux": 1, "macos": 5, "windows": 10, "other_os": 25}
SOURCE = (
    "daily downloads of 196 packages, 2023-04 to 2026-04 (simonw/package-stats, from pypistats.org), priced as usage"
)


def load_histories(data_dir: Path) -> dict[str, pd.DataFrame]:
    """Daily use by customer from the first to the last day of its series, days without use filled with zero."""
    usage = pd.read_csv(data_dir / "usage.csv.gz", parse_dates=["day"])
    spans = pd.read_csv(data_dir / "customers.csv", parse_dates=["first_day", "last_day"]).set_index("customer_id")
    usage["used_micro"] = usage["units"] * usage["feature"].map(PRICES_CREDITS) * MICRO
    daily = usage.groupby(["customer_id", "day"])["used_micro"].sum()
    histories = {}
    for customer, span in spans.iterrows():
        days = pd.date_range(span["first_day"], span["last_day"])
        used = daily.xs(str(customer)).reindex(days, fill_value=0).astype("int64")
        histories[str(customer)] = pd.DataFrame({"day": days, "used_micro": used.to_numpy()})
    return histories


def main(data_dir: Path, out_file: Path) -> None:
    calibration = build(load_histories(data_dir), source=SOURCE)
    body = calibration.to_body(HORIZONS)
    members = ",\n".join(json.dumps(member, separators=(",", ":")) for member in body.pop("members"))
    # One member a line, so that a rebuilt file can be reviewed as a diff.
    out_file.write_text(json.dumps(body)[:-1] + ', "members": [\n' + members + "\n]}\n", encoding="utf-8")
    print(f"{len(calibration.members)} past forecasts written to {out_file}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else DEFAULT_FILE)
