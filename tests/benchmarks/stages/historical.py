"""Features of the spine as they were known: through Feast, by bare polars, by DuckDB."""

from __future__ import annotations

import polars as pl

from configs.schema.loading import load_use_case
from tests.benchmarks import bare, years
from tests.benchmarks.work import Answer, Work


def ours(rows: int) -> Work:
    """`features.historical`: Feast with our offline store, whose registry is up to date."""
    from tasks.features import retrieval

    use_case, asked = load_use_case(years.NAME), _spine(rows)
    retrieval.join_features(use_case, asked.head(100))  # what is imported on the way
    return lambda: _answer(retrieval.join_features(use_case, asked))


def polars(rows: int) -> Work:
    """A join_asof a view."""
    asked = _spine(rows)
    bare.asof(asked.head(100).lazy()).collect()
    return lambda: _answer(bare.asof(asked.lazy()).collect())


def duckdb(rows: int) -> Work:
    """The query of Feast's DuckDB store."""
    import duckdb  # noqa: F401

    time = pl.col("prediction_time").alias("event_timestamp")
    asked = _spine(rows).select(*bare.KEYS, time).to_pandas()
    return lambda: _answer(pl.from_pandas(bare.duckdb_rows(asked)))


def _spine(rows: int) -> pl.DataFrame:
    from tasks.features import retrieval

    return retrieval.build_spine(load_use_case(years.NAME), *years.span(rows), years.END)


def _answer(found: pl.DataFrame) -> Answer:
    """How many values are known."""
    names = [
        "airport_delay_3h",
        "carrier_delay_24h",
        "route_late_rate_7d",
        "pressure",
        "plane_year",
    ]
    return Answer(found.height, float(found.select(names).count().sum_horizontal().item()))
