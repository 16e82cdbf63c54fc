"""The feature tables after one more day: that day, or all of history again."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from configs.schema.loading import load_use_case
from tests.benchmarks import years
from tests.benchmarks.work import Answer, Work

_DAY = timedelta(days=1)


def by_day(rows: int) -> Work:
    """`features.refresh`: what one more day of raw rows changes."""
    return _refresh(rows, from_nothing=False)


def all_again(rows: int) -> Work:
    """The same function where no feature table is there yet."""
    return _refresh(rows, from_nothing=True)


def _refresh(rows: int, *, from_nothing: bool) -> Work:
    from tasks.ingestion import feature_refresh
    from tasks.storage.lake import open_lake

    use_case = load_use_case(years.NAME)
    years.borrow_lake(without="features" if from_nothing else "")
    lake = open_lake(years.NAME)
    for name, table in use_case.tables.items():
        again = pl.col(table.known_time).is_between(years.END - 365 * _DAY, years.END - 364 * _DAY)
        day = lake.scan(f"raw/{name}").filter(again).collect()
        later = day.with_columns(pl.selectors.datetime() + 365 * _DAY)
        if day.height:
            lake.append_once(f"raw/{name}", {"one more day": later})

    def work() -> Answer:
        feature_refresh.refresh_features(use_case, years.END + _DAY)
        newest = lake.scan("features/airport_ops").filter(pl.col("created_timestamp") > years.END)
        return Answer(rows, newest.select(pl.len()).collect().item())

    return work
