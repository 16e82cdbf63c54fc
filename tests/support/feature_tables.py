"""Raw and feature tables of flights with one row each."""

from datetime import UTC, datetime, timedelta

import polars as pl

from configs.schema.loading import load_use_case
from tasks.storage.lake import open_lake

FLIGHTS = load_use_case("flights")
APRIL = datetime(2013, 4, 1, tzinfo=UTC)
DAY, WEEK = timedelta(days=1), timedelta(days=7)


def build_features_until(until: datetime) -> None:
    """Raw and feature tables of one row each, built up to a moment."""
    lake, rows = open_lake("flights"), pl.DataFrame({"time": [APRIL - WEEK]})
    for table in FLIGHTS.tables:
        lake.append_once(f"raw/{table}", {"one": rows})
    note = {"raw": {}, "built_to": until.isoformat()}
    for view in FLIGHTS.features.views:
        window = (APRIL - 2 * WEEK, until)
        lake.replace_window(f"features/{view}", rows, "time", window, note=note)
