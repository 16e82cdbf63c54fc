"""A lake that holds real flights, as ingest would have left it, for tests of features."""

from datetime import UTC, datetime
from typing import Any

import polars as pl

from configs.schema.use_case import UseCase
from feature_repo.flights import source
from tasks.storage.lake import open_lake

START = datetime(2013, 1, 1, tzinfo=UTC)
_TYPES: dict[str, Any] = {
    "text": pl.String,
    "integer": pl.Int64,
    "number": pl.Float64,
    "boolean": pl.Boolean,
    "time": pl.Datetime("us", "UTC"),
}


def read_known_rows(use_case: UseCase, table: str, start: datetime, end: datetime) -> pl.DataFrame:
    """The rows of a table that became known in [start, end), in the lake's types."""
    columns = use_case.tables[table].columns
    rows = source._tables()[table].select(
        pl.col(name).cast(_TYPES[column.type]) for name, column in columns.items()
    )
    time = pl.col(use_case.tables[table].known_time)
    return rows.filter(time >= start, time < end).with_columns(_file=pl.lit(f"{table} {start}"))


def land_rows(use_case: UseCase, start: datetime, end: datetime) -> None:
    """Append to the raw tables what became known in [start, end)."""
    for table in use_case.tables:
        append_rows(use_case, table, f"{start} {end}", read_known_rows(use_case, table, start, end))


def append_rows(use_case: UseCase, table: str, batch: str, rows: pl.DataFrame) -> None:
    """Append rows to a raw table under a batch's name, if there are any."""
    if rows.height:
        open_lake(use_case.name).append_once(f"raw/{table}", {batch: rows})
