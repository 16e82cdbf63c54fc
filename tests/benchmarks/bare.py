"""What others would write: bare polars, and the SQL of Feast's DuckDB store."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from deltalake import DeltaTable

from configs.settings import settings
from infra.storage.delta import list_data_files
from tests.benchmarks.years import NAME

Ttl = timedelta | None
VIEWS: dict[str, tuple[tuple[str, ...], Ttl]] = {
    "airport_ops": (("origin",), timedelta(hours=2)),
    "carrier_ops": (("carrier", "origin"), timedelta(hours=6)),
    "route_daily": (("carrier", "origin", "dest"), timedelta(days=3)),
    "tail_last": (("tailnum",), timedelta(days=2)),
    "weather": (("origin",), timedelta(hours=3)),
    "planes": (("tailnum",), None),
}
KEYS = ("carrier", "dest", "origin", "tailnum")
_TIMES = ("event_timestamp", "created_timestamp")


def table(name: str) -> str:
    """The folder of a table of the lake."""
    return f"{settings().lake}/{NAME}/{name}"


def scan(name: str) -> pl.LazyFrame:
    """The rows of a table of the lake; polars' own scan_delta fails in folders with odd names."""
    files = list_data_files(DeltaTable(Path(table(name))))
    return pl.scan_parquet([f"{table(name)}/{file}" for file in files], glob=False)


def asof(spine: pl.LazyFrame) -> pl.LazyFrame:
    """The spine, in order of time, with the newest known row of each view by polars' ASOF join."""
    time = pl.col("prediction_time")
    for view, (keys, ttl) in VIEWS.items():
        rows = scan(f"features/{view}")
        features = _features(view, rows)
        spine = spine.join_asof(
            rows.sort("created_timestamp", "event_timestamp"),
            left_on="prediction_time",
            right_on="created_timestamp",
            by=keys,
            check_sortedness=False,
        )
        if ttl is not None:
            alive = pl.col("event_timestamp") >= time - ttl
            spine = spine.with_columns(pl.when(alive).then(name).alias(name) for name in features)
        spine = spine.drop(_TIMES, strict=False)
    return spine


def duckdb_rows(asked: Any) -> Any:
    """The entity rows (pandas, with event_timestamp) with their features, as pandas, by the query
    that Feast 0.67 gives to DuckDB (infra/offline_stores/ibis.py, point_in_time_join, compiled by
    ibis 12), which needs ibis, and that is not installed here.
    """
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
    for view in VIEWS:
        connection.register(view, scan(f"features/{view}").collect().to_arrow())
    connection.register("asked", asked)
    return connection.execute(_point_in_time_join()).df()


def _point_in_time_join() -> str:
    columns = (f'"{name}"' for name in ("event_timestamp", *KEYS))
    texts = (f"CAST({name} AS TEXT)" for name in columns)
    row_id = " || ".join(
        f"CASE WHEN {t} IS NULL THEN 'N' ELSE CAST(LENGTH({t}) AS TEXT) || ':' || {t} END"
        for t in texts
    )
    names, joins = [], []
    for view, (keys, ttl) in VIEWS.items():
        features = _features(view, scan(f"features/{view}"))
        names += [f"{view}.{name}" for name in features]
        joins.append(_view_join(view, keys, ttl, features))
    return (
        f"WITH entity AS (SELECT *, '_' || {row_id} AS entity_row_id FROM asked) "
        f"SELECT entity.* EXCLUDE (entity_row_id), {', '.join(names)} FROM entity {' '.join(joins)}"
    )


def _view_join(view: str, keys: tuple[str, ...], ttl: Ttl, features: list[str]) -> str:
    on = [f"f.{key} = e.{key}" for key in keys]
    on += [f"f.{time} <= e.event_timestamp" for time in _TIMES]
    if ttl is not None:
        on.append("f.expires >= e.event_timestamp")
    seconds = int(ttl.total_seconds()) if ttl else 0
    expires = f"event_timestamp + INTERVAL '{seconds}' SECOND AS expires"
    return f"""
        LEFT JOIN (
            SELECT entity_row_id, {", ".join(features)} FROM (
                SELECT f.*, e.entity_row_id, ROW_NUMBER() OVER (
                    PARTITION BY e.entity_row_id
                    ORDER BY f.event_timestamp DESC, f.created_timestamp DESC
                    ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
                ) - 1 AS rn
                FROM (SELECT *, {expires} FROM {view}) AS f
                INNER JOIN entity AS e ON {" AND ".join(on)}
            ) WHERE rn = 0
        ) AS {view} ON {view}.entity_row_id = entity.entity_row_id"""


def _features(view: str, rows: pl.LazyFrame) -> list[str]:
    return [n for n in rows.collect_schema() if n not in (*VIEWS[view][0], *_TIMES)]


def spine() -> pl.LazyFrame:
    """The flights, two hours before they leave, as if no schedule were ever changed."""
    minutes = (pl.col("arrival_time") - pl.col("departure_time")).dt.total_minutes()
    return (
        scan("raw/schedules")
        .with_columns(
            prediction_time=pl.col("departure_time") - timedelta(hours=2),
            scheduled_minutes=minutes,
        )
        .sort("prediction_time")
    )


def matrix(frame: pl.DataFrame, inputs: Any) -> np.ndarray[Any, Any]:
    """The model's float32 matrix, with categories as their places in the vocabulary."""
    codes = [
        pl.col(name)
        .cast(pl.Enum(inputs.vocabulary[name]), strict=False)
        .to_physical()
        .cast(pl.Float32)
        .fill_null(len(inputs.vocabulary[name]) + 1)
        for name in inputs.categorical
    ]
    numbers = [pl.col(name).cast(pl.Float32).fill_null(float("nan")) for name in inputs.numeric]
    return frame.select(*numbers, *codes).to_numpy(order="c")
