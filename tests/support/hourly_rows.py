"""Rows an hour apart from 1 January 2024, with columns of the test's choice."""

from datetime import UTC, datetime, timedelta

import polars as pl

START = datetime(2024, 1, 1, tzinfo=UTC)


def hourly(days: int, **columns: object) -> pl.DataFrame:
    times = [START + timedelta(hours=i) for i in range(24 * days)]
    return pl.DataFrame({"time": times, **columns})
