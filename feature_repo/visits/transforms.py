"""Feature tables, spine and label of visits, as polars over the raw tables.

This is a baseline to improve: a prediction uses the newest row of each table, and each row of
enrolments is predicted as soon as it is known. A view returns the rows that became known
in [start, end). A row may use only what was known at its `created_timestamp`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import polars as pl

from feature_repo.baseline import first, known_in, newest

Raw = Mapping[str, pl.LazyFrame]

KEY = (
    "person",
    "begins",
)
LABEL_AFTER = timedelta(days=364)
"""A label is known no sooner than this after its prediction."""


def enrolments(raw: Raw, start: datetime, end: datetime) -> pl.LazyFrame:
    """Return the feature rows of enrolments; a prediction uses the newest one of its key."""
    rows = known_in(
        raw["enrolments"],
        "begins",
        "begins",
        start,
        end,
    )
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
    """Return each row of enrolments once, if start <= prediction_time < end."""
    rows = first(raw["enrolments"], KEY, "begins")
    rows = rows.with_columns(prediction_time=pl.col("begins"))
    rows = rows.filter(pl.col("prediction_time") >= start, pl.col("prediction_time") < end)
    return rows.select(
        "person",
        "begins",
        "prediction_time",
    )


def labels(raw: Raw, start: datetime, end: datetime) -> pl.LazyFrame:
    """Return the labels of the rows predicted in [start, end).

    The newest row of a key counts: a label that is null there was taken back.
    """
    rows = raw["enrolments"]
    label = pl.col("visits").cast(pl.Float64)
    latest = newest(rows, KEY, "begins").select(
        *KEY,
        label.alias("visits"),
        pl.col("begins").alias("label_known_time"),
    )
    predicted = spine(raw, start, end).select(*KEY, "prediction_time")
    known = pl.max_horizontal("label_known_time", pl.col("prediction_time") + LABEL_AFTER)
    rows = predicted.join(latest, on=KEY, how="inner").with_columns(label_known_time=known)
    return rows.select(*KEY, "prediction_time", "visits", "label_known_time")
