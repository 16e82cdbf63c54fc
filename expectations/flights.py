"""Suites of the flights: ranges that no real flight, weather or aircraft of 2013 leaves.

They let in what is new (another carrier, another destination), because life brings that and
drift watches it; they stop what cannot be.
"""

from __future__ import annotations

from datetime import datetime

from great_expectations.expectations import (
    Expectation,
    ExpectColumnMaxToBeBetween,
    ExpectColumnPairValuesAToBeGreaterThanB,
    ExpectColumnValuesToBeBetween,
    ExpectColumnValuesToBeInSet,
    ExpectColumnValuesToNotBeNull,
    ExpectTableRowCountToBeBetween,
)

ORIGINS = ["EWR", "JFK", "LGA"]
MOST_FLIGHTS_A_FILE = 20_000


def schedules(as_of: datetime) -> list[Expectation]:
    """The flights of a day as published on the day before."""
    return [
        *_lands("published", MOST_FLIGHTS_A_FILE, as_of),
        _from_new_york(),
        _there("dest"),
        _there("arrival_time"),
        _later("departure_time", "published"),
        _later("arrival_time", "departure_time"),
        _between("departure_hour", 0, 24),
        _between("arrival_hour", 0, 24),
        _between("weekday", 1, 7),
        _there("distance"),
        _between("distance", 10, 6000),  # miles; 17 to Queens, 4,983 to Honolulu
    ]


def departures(as_of: datetime) -> list[Expectation]:
    """Flights that have left, with the delay in minutes."""
    return [
        *_lands("reported", MOST_FLIGHTS_A_FILE, as_of),
        _from_new_york(),
        _there("delay"),
        _between("delay", -120, 2880),
        _later("reported", "departed"),
    ]


def arrivals(as_of: datetime) -> list[Expectation]:
    """Flights that have landed, with the delay in minutes."""
    return [
        *_lands("reported", MOST_FLIGHTS_A_FILE, as_of),
        _from_new_york(),
        _there("dest"),
        _there("delay"),
        _between("delay", -180, 2880),
        _later("reported", "landed"),
    ]


def weather(as_of: datetime) -> list[Expectation]:
    """Hourly observations: °F, %, degrees, mph, inches, millibars and miles."""
    return [
        *_lands("reported", 1000, as_of),
        _from_new_york(),
        _later("reported", "observed"),
        _between("temperature", -60, 130),
        _between("dew_point", -80, 100),
        _between("humidity", 0, 100),
        _between("wind_direction", 0, 360),
        _between("wind_speed", 0, 150),
        _between("wind_gust", 0, 250),
        _between("precipitation", 0, 20),
        _between("pressure", 850, 1100),
        _between("visibility", 0, 100),
    ]


def planes(as_of: datetime) -> list[Expectation]:
    """The aircraft register."""
    return [
        *_lands("published", 100_000, as_of),
        _between("year", 1903, as_of.year + 1),
        _between("engines", 1, 8),
        _between("seats", 1, 900),
    ]


def _lands(known: str, most: int, as_of: datetime) -> list[Expectation]:
    """What a file as a whole must hold: some rows, not a flood, and nothing from the future."""
    return [
        ExpectTableRowCountToBeBetween(min_value=1, max_value=most),
        ExpectColumnMaxToBeBetween(column=known, max_value=as_of),
    ]


def _from_new_york() -> Expectation:
    return ExpectColumnValuesToBeInSet(column="origin", value_set=ORIGINS)


def _there(column: str) -> Expectation:
    return ExpectColumnValuesToNotBeNull(column=column)


def _between(column: str, least: float, most: float) -> Expectation:
    return ExpectColumnValuesToBeBetween(column=column, min_value=least, max_value=most)


def _later(column: str, than: str) -> Expectation:
    return ExpectColumnPairValuesAToBeGreaterThanB(column_A=column, column_B=than)
