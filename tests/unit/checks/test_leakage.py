"""A feature module that knows the future is found out, whatever it says of itself."""

from datetime import timedelta
from functools import cache

import polars as pl
import pytest

from configs.schema.loading import load_use_case
from feature_repo.flights import transforms
from tasks.checks.leakage import FeatureFunction, Leak, find_leaks
from tests.support.lake_rows import START, read_known_rows

DAY = timedelta(days=1)
FLIGHTS = load_use_case("flights")


@cache
def raw_of_flights() -> dict[str, pl.LazyFrame]:
    """What was known before 4 January."""
    end = START + 3 * DAY
    return {
        name: read_known_rows(FLIGHTS, name, START - 9 * DAY, end).lazy() for name in FLIGHTS.tables
    }


def list_leaks(name: str, function: FeatureFunction) -> list[Leak]:
    return list(find_leaks(FLIGHTS, {name: function}, raw_of_flights()))


def observed_is_known(rows, start, end):
    """A view that takes the time of an observation for the time that it was known."""
    observed = pl.col("observed")
    return (
        rows["weather"]
        .filter(observed >= start, observed < end)
        .select("origin", "pressure", event_timestamp="observed", created_timestamp="observed")
    )


def mean_of_the_day(rows, start, end):
    """A view whose row of a morning knows the delays of the whole day."""
    day = pl.col("departed").dt.truncate("1d")
    return (
        rows["departures"]
        .group_by("origin", event_timestamp=day)
        .agg(pl.col("delay").mean())
        .with_columns(created_timestamp=pl.col("event_timestamp") + timedelta(hours=5))
        .filter(pl.col("created_timestamp").is_between(start, end, closed="left"))
    )


def those_that_came(rows, start, end):
    """A spine that leaves out the flights that will be cancelled."""
    came = rows["arrivals"].select(transforms.FLIGHT)
    return transforms.spine(rows, start, end).join(came, on=transforms.FLIGHT, how="semi")


def known_at_departure(rows, start, end):
    """A label that says it was known when the flight left."""
    return transforms.labels(rows, start, end).with_columns(
        label_known_time=pl.col("prediction_time") + timedelta(hours=2)
    )


def test_the_shipped_features_know_nothing_early() -> None:
    names = ("spine", "labels", *FLIGHTS.features.views)
    assert (
        list(
            find_leaks(
                FLIGHTS, {name: getattr(transforms, name) for name in names}, raw_of_flights()
            )
        )
        == []
    )


@pytest.mark.parametrize(
    ("name", "function", "time", "table"),
    [
        ("weather", observed_is_known, "created_timestamp", "weather"),
        ("airport_ops", mean_of_the_day, "created_timestamp", "departures"),
        ("spine", those_that_came, "prediction_time", "arrivals"),
        ("labels", known_at_departure, "label_known_time", "arrivals"),
    ],
)
def test_who_knows_the_future_is_named_with_the_table(name, function, time, table) -> None:
    (leak,) = list_leaks(name, function)
    assert (leak.function, leak.time, leak.tables) == (name, time, (table,))
    assert leak.rows > 0
