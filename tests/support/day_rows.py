"""Small frames with one row a day from 1 January 2013, for tests of tables."""

from datetime import UTC, datetime, timedelta

import polars as pl

NEW_YEAR = datetime(2013, 1, 1, tzinfo=UTC)
WEEK = (NEW_YEAR, NEW_YEAR + timedelta(days=7))


def days(first: int, last: int, value: int = 0) -> pl.DataFrame:
    times = [NEW_YEAR + timedelta(days=d) for d in range(first, last)]
    return pl.DataFrame(
        {"day": times, "value": [value] * len(times), "run": ["a"] * len(times)},
        schema_overrides={"day": pl.Datetime("us", "UTC"), "value": pl.Int64, "run": pl.String},
    )
