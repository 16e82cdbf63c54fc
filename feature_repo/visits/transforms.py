"""Feature tables, spine and label of visits, as polars over the raw tables.

A baseline to begin with: a view gives the newest row of its table, and a row of enrolments is
predicted as soon as it is known. Every view gives the rows that became known in [start, end), and
a row uses only what was known at its `created_timestamp`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import polars as pl

from feature_repo.baseline import first, known_in, newest

Raw = Mapping[str, pl.LazyFrame]

KEY = ("person", "begins")
LABEL_AFTER = timedelta(days=364)
"""A label is known no sooner than this after its prediction."""


def enrolments(raw: Raw, start: datetime, end: datetime) -> pl.LazyFrame:
    """By person, begins: the newest row of enrolments. Known when `begins` says."""
    rows = known_in(raw["enrolments"], "begins", "begins", start, end)
    return rows.select(
        "person",
        "begins",
        "site",
        "plan",
        "coinsurance",
        "deductible",
        "incentive",
        "income",
        "age",
        "female",
        "education",
        "family_size",
        "child",
        "chronic",
        "limited",
        "mental_health",
        "health_index",
        "health",
        "event_timestamp",
        "created_timestamp",
    )


def spine(raw: Raw, start: datetime, end: datetime) -> pl.LazyFrame:
    """The rows of enrolments with start <= prediction_time < end, each once."""
    asked = first(raw["enrolments"], KEY, "begins")
    asked = asked.with_columns(prediction_time=pl.col("begins"))
    asked = asked.filter(pl.col("prediction_time") >= start, pl.col("prediction_time") < end)
    return asked.select("person", "begins", "prediction_time")


def labels(raw: Raw, start: datetime, end: datetime) -> pl.LazyFrame:
    """`visits` of what is predicted in [start, end); the newest row counts."""
    rows = raw["enrolments"].drop_nulls("visits")
    told = newest(rows, KEY, "begins")
    told = told.select(*KEY, visits=pl.col("visits").cast(pl.Float64), told="begins")
    asked = spine(raw, start, end).select(*KEY, "prediction_time")
    known = pl.max_horizontal("told", pl.col("prediction_time") + LABEL_AFTER)
    rows = asked.join(told, on=KEY, how="inner").with_columns(label_known_time=known)
    return rows.select(*KEY, "prediction_time", "visits", "label_known_time")
