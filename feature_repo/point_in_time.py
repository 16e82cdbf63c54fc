"""Point-in-time join: for each entity row, the features known by its time.

A feature row has two times: when it happened (event) and when it was known (created). At a time t
the correct row of a key has event <= t, created <= t, and the latest (event, created). This is an
ASOF join on known = max(event, created) over records. A record is a row that had the latest
(event, created) of its key when it became known; all other rows are dropped. The time to live is
applied afterwards, which is exact: if the latest row has expired, all have.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class FeatureTable:
    """Feature rows and the mapping to entity rows.

    `keys` maps key columns to those of the entity rows, `features` maps columns to output names.
    Without a `ttl`, rows never expire. Without `created`, a row is known when it happens. Unless
    `by_created`, `created` only decides which of two rows of one event is the newer.
    """

    rows: pl.LazyFrame
    keys: Mapping[str, str]
    features: Mapping[str, str]
    event: str
    created: str | None
    ttl: timedelta | None = None
    by_created: bool = True
    name: str = "a table"

    @property
    def times(self) -> list[str]:
        """Return the columns of the times: event, and created if there is one."""
        return [self.event, *([self.created] if self.created else [])]

    @property
    def known_times(self) -> list[str]:
        """Return the columns whose latest value is when a row was known."""
        return self.times if self.by_created else [self.event]

    def known(self, start: datetime | None, end: datetime | None) -> pl.LazyFrame:
        """Return the rows with start <= event that were known by `end`, inclusive."""
        rows = self.rows.drop_nulls(list(self.keys)) if self.keys else self.rows
        if start is not None:
            rows = rows.filter(pl.col(self.event) >= start)
        if end is not None:
            rows = rows.filter(pl.col(time) <= end for time in self.known_times)
        return rows

    def require_columns(self) -> None:
        """Raise ValueError if the rows lack a column, or a time is no time."""
        schema = self.rows.collect_schema()
        names = [*self.keys, *self.features, *self.times]
        missing = [name for name in names if name not in schema]
        if missing:
            raise ValueError(
                f"{self.name} has no column {', '.join(missing)}; columns: {', '.join(schema)}"
            )
        for name in self.times:
            if schema[name] != pl.Datetime:
                raise ValueError(f"{self.name}: column {name} is {schema[name]}, not a time")


def join(
    entities: pl.DataFrame,
    time: str,
    tables: Sequence[FeatureTable],
    window: timedelta = timedelta(days=366),
    rows: int = 500_000,
) -> pl.DataFrame:
    """Add the features to all entity rows, in their order; unknown values are null.

    Memory grows with `rows` and `window`, not with the number of entity rows. Of feature rows with
    equal key and times, the last one in the table counts. Warns of a table all of whose rows were
    known later. Raises ValueError if a time is null, a column is missing, or a feature has the name
    of another column.

    Args:
        entities: rows with the keys of all tables.
        time: column of the prediction time (UTC).
        tables: feature tables to join.
        window: span of time that is joined at once.
        rows: number of entity rows that are joined at once.
    """
    _require_names(entities, time, tables)
    if not tables:
        return entities
    order = None if entities[time].is_sorted() else entities[time].arg_sort()
    ordered = entities if order is None else entities[order]
    parts = _windows(ordered, time, window, rows)
    features = [_join_window(part, time, tables) for part in parts]
    if not features:
        features = [_join_all(ordered, time, [(table, table.rows) for table in tables])]
    joined = pl.concat(features)
    _warn_if_known_later(entities[time], tables, joined)
    return entities.hstack(joined if order is None else joined[order.arg_sort()])


def latest(table: FeatureTable, start: datetime, end: datetime) -> pl.LazyFrame:
    """Return each key's newest row with start <= event that was known by `end`."""
    known = table.known(start, end).sort(*table.times, maintain_order=True)
    if not table.keys:
        return known.tail(1)
    return known.unique(list(table.keys), keep="last", maintain_order=True)


def _require_names(entities: pl.DataFrame, time: str, tables: Sequence[FeatureTable]) -> None:
    names = [*entities.columns, *(name for t in tables for name in t.features.values())]
    duplicates = sorted({name for name in names if names.count(name) > 1})
    if duplicates:
        raise ValueError(f"these names are both columns and features: {', '.join(duplicates)}")
    if entities[time].null_count():
        raise ValueError(f"{time}: {entities[time].null_count()} entity rows have no time")
    for table in tables:
        table.require_columns()
        missing = [key for key in table.keys.values() if key not in entities.columns]
        if missing:
            raise ValueError(f"the entity rows have no column {', '.join(missing)}: {table.name}")


def _warn_if_known_later(
    times: pl.Series, tables: Sequence[FeatureTable], joined: pl.DataFrame
) -> None:
    """Warn of each table that gave no value because all its rows were known after all times."""
    for table in tables:
        values = sum(joined[name].count() for name in table.features.values())
        if times.is_empty() or values or not (table.by_created and table.created):
            continue
        last = times.max()
        assert isinstance(last, datetime)
        happened = table.rows.filter(pl.col(table.event) <= last).select(pl.len()).collect().item()
        if happened and table.known(None, last).select(pl.len()).collect().item() == 0:
            warnings.warn(
                f"{table.name}: {happened} rows happened by {last}, but all have a later "
                f"{table.created}, so their features are null. A history that was loaded at once "
                f"needs the time at which each row was known as {table.created}",
                stacklevel=2,
            )


def _windows(
    ordered: pl.DataFrame, time: str, window: timedelta, rows: int
) -> Iterator[pl.DataFrame]:
    """Split rows sorted by time into spans of at most `window` and `rows` rows."""
    if ordered.is_empty():
        return
    since = ordered[time].to_physical() - ordered[time].to_physical()[0]
    start = 0
    for length in (since // (window // _MICROSECOND)).rle().struct.field("len"):
        yield from ordered.slice(start, length).iter_slices(rows)
        start += length


def _join_window(entities: pl.DataFrame, time: str, tables: Sequence[FeatureTable]) -> pl.DataFrame:
    first, last = entities[time][0], entities[time][-1]
    known = [(t, t.known(first - t.ttl if t.ttl else None, last)) for t in tables]
    return _join_all(entities, time, known)


def _join_all(
    entities: pl.DataFrame, time: str, tables: Sequence[tuple[FeatureTable, pl.LazyFrame]]
) -> pl.DataFrame:
    """Return each table's features of the rows; all tables are joined in parallel."""
    features = pl.collect_all([_join_one(entities, time, *table) for table in tables])
    return pl.concat(features, how="horizontal")


def _join_one(
    entities: pl.DataFrame, time: str, table: FeatureTable, rows: pl.LazyFrame
) -> pl.LazyFrame:
    """Return the features of one table by ASOF join on its records.

    `entities` are sorted by time. All columns have names of our own while they are joined, so that
    they cannot meet names of the data.
    """
    types, unit = rows.collect_schema(), entities.schema[time]
    by = {f"key{i}": (key, name) for i, (key, name) in enumerate(table.keys.items())}
    features = {f"feature{i}": column for i, column in enumerate(table.features)}
    requested = entities.lazy().select(
        pl.col(time).alias("time"),
        *(pl.col(name).cast(types[key]).alias(alias) for alias, (key, name) in by.items()),
    )
    renamed = rows.select(
        *(pl.col(key).alias(alias) for alias, (key, _) in by.items()),
        *(pl.col(column).alias(alias) for alias, column in features.items()),
        event=pl.col(table.event).cast(unit),
        created=pl.col(table.times[-1]).cast(unit),
        known=pl.max_horizontal(table.known_times).cast(unit),
    )
    joined = requested.join_asof(
        _records(renamed, list(by)),
        left_on="time",
        right_on="known",
        by=list(by) or None,
        check_sortedness=False,
    )
    alive = pl.col("event") >= pl.col("time") - table.ttl if table.ttl else pl.lit(value=True)
    names = zip(features, table.features.values(), strict=True)
    return joined.select(pl.when(alive).then(pl.col(alias)).alias(name) for alias, name in names)


def _records(rows: pl.LazyFrame, keys: Sequence[str]) -> pl.LazyFrame:
    """Return the records of each key, sorted by `known`.

    Of two rows with the same event, the one known later was created later or is sorted later. So a
    record in event is a record in (event, created). Without corrections both times only grow: then
    each row is a record, and no further sort is needed.
    """
    ordered = rows.sort("known", maintain_order=True).collect()
    if ordered["event"].is_sorted() and ordered["created"].is_sorted():
        return ordered.lazy()
    best = pl.col("event").cum_max()
    return (
        ordered.lazy()
        .sort("known", "event", "created", maintain_order=True)
        .filter(pl.col("event") >= (best.over(keys) if keys else best))
    )
