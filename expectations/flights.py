"""Suites of the flights: ranges that hold for all flights, weather and aircraft of 2013.

New categories (a carrier, a destination) are accepted, since they are normal and drift monitors
them. Impossible values are refused.
"""

from __future__ import annotations

from datetime import datetime

from great_expectations.expectations import Expectation

from expectations.rules import between, lands, later, not_null, one_of

ORIGINS = ["EWR", "JFK", "LGA"]
MOST_FLIGHTS_A_FILE = 20_000


def schedules(as_of: datetime) -> list[Expectation]:
    """Return the suite of a day's flights, as published on the day before."""
    return [
        *lands("published", MOST_FLIGHTS_A_FILE, as_of),
        _from_new_york(),
        not_null("dest"),
        not_null("arrival_time"),
        later("departure_time", "published"),
        later("arrival_time", "departure_time"),
        between("departure_hour", 0, 24),
        between("arrival_hour", 0, 24),
        between("weekday", 1, 7),
        not_null("distance"),
        between("distance", 10, 6000),  # miles; 17 to Queens, 4,983 to Honolulu
    ]


def departures(as_of: datetime) -> list[Expectation]:
    """Return the suite of departed flights, with the delay in minutes."""
    return [
        *lands("reported", MOST_FLIGHTS_A_FILE, as_of),
        _from_new_york(),
        not_null("delay"),
        between("delay", -120, 2880),
        later("reported", "departed"),
    ]


def arrivals(as_of: datetime) -> list[Expectation]:
    """Return the suite of landed flights, with the delay in minutes."""
    return [
        *lands("reported", MOST_FLIGHTS_A_FILE, as_of),
        _from_new_york(),
        not_null("dest"),
        not_null("delay"),
        between("delay", -180, 2880),
        later("reported", "landed"),
    ]


def weather(as_of: datetime) -> list[Expectation]:
    """Return the suite of hourly weather: °F, %, degrees, mph, inches, millibars and miles."""
    return [
        *lands("reported", 1000, as_of),
        _from_new_york(),
        later("reported", "observed"),
        between("temperature", -60, 130),
        between("dew_point", -80, 100),
        between("humidity", 0, 100),
        between("wind_direction", 0, 360),
        between("wind_speed", 0, 150),
        between("wind_gust", 0, 250),
        between("precipitation", 0, 20),
        between("pressure", 850, 1100),
        between("visibility", 0, 100),
    ]


def planes(as_of: datetime) -> list[Expectation]:
    """Return the suite of the aircraft register."""
    return [
        *lands("published", 100_000, as_of),
        between("year", 1903, as_of.year + 1),
        between("engines", 1, 8),
        between("seats", 1, 900),
    ]


def _from_new_york() -> Expectation:
    return one_of("origin", ORIGINS)
