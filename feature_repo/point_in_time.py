"""Point-in-time join: for each entity row, the features known by its time.

A feature row has two times: when it happened (event) and when it was known (created). At a time t
the correct row of a key has event <= t, created <= t, and the latest (event, created). This is an
ASOF join on known = max(event, created) over records. A record is a row that had the latest
(event, created) of its key when it became known; all other rows are dropped. The time to live is
applied afterwards, which is exact: if the latest row has expired, all have.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl


@dataclass(frozen=True)
class FeatureTable:
    """Feature rows and the mapping to entity rows.

    `keys` maps key columns to those of the entity rows, `features` maps columns to output names.
    Without a `ttl`, rows never expire.
    """

    rows: pl.LazyFrame
    keys: Mapping[str, str]
    features: Mapping[str, str]
    event: str
    created: str
    ttl: timedelta | None = None

    def known(self, start: datetime | None, end: datetime) -> pl.LazyFrame:
        """Return the rows with start <= event that were known by `end`, inclusive."""
        seen = (pl.col(self.event) <= end) & (pl.col(self.created) <= end)
        if start is not None:
            seen &= pl.col(self.event) >= start
        return self.rows.filter(seen).drop_nulls(list(self.keys))


def join(
    entities: pl.DataFrame,
    time: str,
    tables: Sequence[FeatureTable],
    window: timedelta = timedelta(days=366),
    rows: int = 500_000,
) -> pl.DataFrame:
    """Add the features to all entity rows, in their order; unknown values are null.

    Memory grows with `rows` and `window`, not with the number of entity rows. Of feature rows with
    equal key and times, the last one in the table counts. Raises ValueError if a time is null, or
    if a feature has the name of another column.

    Args:
        entities: rows with the keys of all tables.
        time: column of the prediction time (UTC).
        tables: feature tables to join.
        window: span of time that is joined at once.
        rows: number of entity rows that are joined at once.
    """
    names = [*entities.columns, *(name for t in tables for name in t.features.values())]
    duplicates = sorted({name for name in names if names.count(name) > 1})
    if duplicates:
        raise ValueError(f"these names are both columns and features: {', '.join(duplicates)}")
    if entities[time].null_count():
        raise ValueError(f"{time}: {entities[time].null_count()} entity rows have no time")
    ordered = in_order(entities.with_row_index("_row"), time)
    joined = [_join_window(part, time, tables) for part in _windows(ordered, time, window, rows)]
    if not joined:
        joined = [_join_all(ordered, time, [(table, table.rows) for table in tables])]
    return in_order(pl.concat(joined), "_row").drop("_row")


def in_order(rows: pl.DataFrame, column: str) -> pl.DataFrame:
    """Return the rows sorted by a column; sorted rows are not copied."""
    return rows if rows[column].is_sorted() else rows.sort(column)


def latest(table: FeatureTable, start: datetime, end: datetime) -> pl.LazyFrame:
    """Return each key's newest row with start <= event that was known by `end`."""
    known = table.known(start, end).sort(table.event, table.created, maintain_order=True)
    return known.unique(list(table.keys), keep="last", maintain_order=True)


def _windows(
    ordered: pl.DataFrame, time: str, window: timedelta, rows: int
) -> Iterator[pl.DataFrame]:
    """Split rows sorted by time into spans of at most `window` and `rows` rows."""
    if ordered.is_empty():
        return
    since = (pl.col(time) - pl.col(time).first()).dt.total_microseconds()
    numbered = ordered.with_columns(_window=since // (window // timedelta(microseconds=1)))
    for span in numbered.partition_by("_window", maintain_order=True, include_key=False):
        yield from span.iter_slices(rows)


def _join_window(entities: pl.DataFrame, time: str, tables: Sequence[FeatureTable]) -> pl.DataFrame:
    first, last = entities[time][0], entities[time][-1]
    known = [(t, t.known(first - t.ttl if t.ttl else None, last)) for t in tables]
    return _join_all(entities, time, known)


def _join_all(
    entities: pl.DataFrame, time: str, tables: Sequence[tuple[FeatureTable, pl.LazyFrame]]
) -> pl.DataFrame:
    """Add each table's features to the rows; all tables are joined in parallel."""
    features = pl.collect_all([_join_one(entities, time, *table) for table in tables])
    return pl.concat([entities, *features], how="horizontal")


def _join_one(
    entities: pl.DataFrame, time: str, table: FeatureTable, rows: pl.LazyFrame
) -> pl.LazyFrame:
    """Return the features of one table by ASOF join on its records.

    `entities` are sorted by time.
    """
    types = rows.collect_schema()
    by = {f"_key{i}": (key, name) for i, (key, name) in enumerate(table.keys.items())}
    requested = entities.lazy().select(
        pl.col(time).alias("_time"),
        *(pl.col(name).cast(types[key]).alias(alias) for alias, (key, name) in by.items()),
    )
    records = _records(rows, table).select(
        *(pl.col(key).alias(alias) for alias, (key, _) in by.items()),
        pl.col("_known").cast(entities.schema[time]),
        pl.col(table.event).alias("_event"),
        *(pl.col(column).alias(name) for column, name in table.features.items()),
    )
    joined = requested.join_asof(
        records,
        left_on="_time",
        right_on="_known",
        by=list(by),
        check_sortedness=False,
    )
    names = list(table.features.values())
    if table.ttl is None:
        return joined.select(names)
    alive = pl.col("_event") >= pl.col("_time") - table.ttl
    return joined.select(pl.when(alive).then(pl.col(name)).alias(name) for name in names)


def _records(rows: pl.LazyFrame, table: FeatureTable) -> pl.LazyFrame:
    """Return the records of each key, sorted by `_known`.

    Of two rows with the same event, the one known later was created later or is sorted later. So a
    record in event is a record in (event, created). Without corrections both times only grow: then
    each row is a record, and no further sort is needed.
    """
    known = rows.with_columns(_known=pl.max_horizontal(table.event, table.created))
    ordered = known.sort("_known", maintain_order=True).collect()
    if ordered[table.event].is_sorted() and ordered[table.created].is_sorted():
        return ordered.lazy()
    best = pl.col(table.event).cum_max().over(list(table.keys))
    return (
        ordered.lazy()
        .sort("_known", table.event, table.created, maintain_order=True)
        .filter(pl.col(table.event) >= best)
    )
