"""Feature tables, spine and label of the flights, as polars over the raw tables.

Every view returns the rows that became known in [start, end). A row uses only what was known at its
`event_timestamp`. A raw row that corrects another (same key, known later) counts from when it was
known. Raw tables are read only as far back as a window needs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import polars as pl

from feature_repo.rolling import ticks, totals, versions

Raw = Mapping[str, pl.LazyFrame]

FLIGHT = ("carrier", "flight", "origin", "flight_date")
LATE_MINUTES = 15
PREDICTED_BEFORE = timedelta(hours=2)
"""A flight is predicted this long before its scheduled departure."""

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_TICK_LAG = timedelta(minutes=1)
_ROUTE_LAG = timedelta(hours=1)
_OVERDUE_FOR = 6 * _HOUR  # later it hardly leaves: cancellations are never reported
_FLIGHT_DAYS = 3 * _DAY  # all that is known about a flight happens within 3 days of its date
_MEMORY = 30 * _DAY  # how far back a corrected landing is searched


def airport_ops(raw: Raw, start: datetime, end: datetime) -> pl.LazyFrame:
    """Return delays and overdue flights by origin, every 15 minutes.

    Columns: mean delay (minutes) of the departures of the last 1, 3 and 24 hours, and the number
    of flights that were due in the last 6 hours and have not left. Known a minute later. There is
    no row if no flight left for 24 hours.
    """
    start, end = start - _TICK_LAG, end - _TICK_LAG
    every = timedelta(minutes=15)
    delays = _mean_delays(raw, ["origin"], every, "airport", (1, 3, 24), start, end)
    overdue = totals(
        _waiting(raw, start, end),
        delays,
        ["origin"],
        ["airport_overdue"],
        opens=pl.max_horizontal("since", "departure_time"),
        closes=pl.min_horizontal("until", "left", pl.col("departure_time") + _OVERDUE_FOR),
    )
    return _known(overdue, _TICK_LAG)


def carrier_ops(raw: Raw, start: datetime, end: datetime) -> pl.LazyFrame:
    """Return delays by carrier and origin, every hour.

    Columns: mean delay (minutes) of the departures of the last 3 and 24 hours. Known a minute
    later. There is no row if no flight left for 24 hours.
    """
    start, end = start - _TICK_LAG, end - _TICK_LAG
    by = ["carrier", "origin"]
    return _known(_mean_delays(raw, by, _HOUR, "carrier", (3, 24), start, end), _TICK_LAG)


def route_daily(raw: Raw, start: datetime, end: datetime) -> pl.LazyFrame:
    """Return the late share by carrier, origin and destination, daily at 05:00.

    Columns: share of late arrivals in the last 7 and 28 days. Known an hour later. There is no row
    without an arrival in 28 days.
    """
    start, end = start - _ROUTE_LAG, end - _ROUTE_LAG
    by = ["carrier", "origin", "dest"]
    late = (pl.col("delay") > LATE_MINUTES).cast(pl.Int64).alias("late")
    arrivals = _recent(raw["arrivals"], "landed", start - 28 * _DAY, end).with_columns(late)
    since = pl.col("since")
    windows = {d: pl.min_horizontal("until", pl.col("landed") + d * _DAY) for d in (7, 28)}
    moments = ticks(arrivals, _DAY, start, end, opens=since, closes=windows[28], at=5 * _HOUR)
    rows = _grid(arrivals, by, moments)
    for days, closes in windows.items():
        rows = totals(arrivals, rows, by, ["late", "one"], opens=since, closes=closes)
        rate = _ratio("late", "one").alias(f"route_late_rate_{days}d")
        rows = rows.with_columns(rate).drop("late", "one")
    return _known(rows.drop_nulls("route_late_rate_28d"), _ROUTE_LAG)


def tail_last(raw: Raw, start: datetime, end: datetime) -> pl.LazyFrame:
    """Return the delay (minutes) of each landing by tail number. Known when it is reported.

    A correction that moves a landing back keeps the time of the row that it corrects. Otherwise it
    would look older than that row and never replace it.
    """
    arrivals = _recent(raw["arrivals"], "landed", start - _MEMORY, end)
    before = pl.col("landed", "since").shift(1).over(FLIGHT).name.prefix("before_")
    remembered = pl.col("since") - pl.col("before_since") <= _MEMORY
    landed = pl.when(remembered).then(pl.max_horizontal("landed", "before_landed"))
    return (
        arrivals.with_columns(before)
        .filter(pl.col("since") >= start, pl.col("tailnum").is_not_null())
        .select(
            "tailnum",
            tail_delay="delay",
            event_timestamp=landed.otherwise("landed"),
            created_timestamp="since",
        )
    )


def weather(raw: Raw, start: datetime, end: datetime) -> pl.LazyFrame:
    """Return the weather of each observation by origin. Known when it is reported."""
    numbers = [
        "temperature", "dew_point", "humidity", "wind_direction", "wind_speed", "wind_gust",
        "precipitation", "pressure", "visibility",
    ]  # fmt: skip
    known = pl.max_horizontal("observed", "reported")
    return (
        raw["weather"]
        .filter(known >= start, known < end)
        .select("origin", *numbers, event_timestamp="observed", created_timestamp=known)
    )


def planes(raw: Raw, start: datetime, end: datetime) -> pl.LazyFrame:
    """Return year built and seats by tail number, from when they are published."""
    return (
        raw["planes"]
        .filter(pl.col("published") >= start, pl.col("published") < end)
        .select(
            "tailnum",
            plane_year="year",
            plane_seats="seats",
            event_timestamp="published",
            created_timestamp="published",
        )
    )


def spine(raw: Raw, start: datetime, end: datetime) -> pl.LazyFrame:
    """Return the flights with start <= prediction_time < end, one row each, as scheduled by then.

    A flight is predicted once, even if its schedule changes after the prediction.
    """
    prediction_time = pl.col("departure_time") - PREDICTED_BEFORE
    minutes = (pl.col("arrival_time") - pl.col("departure_time")).dt.total_minutes()
    held = pl.col("since") <= pl.col("prediction_time")
    stood = pl.col("until").is_null() | (pl.col("until") > pl.col("prediction_time"))
    return (
        versions(_of_days(raw["schedules"], start, end), FLIGHT, "published", "published")
        .with_columns(prediction_time=prediction_time)
        .filter(held & stood)
        .sort("prediction_time", *FLIGHT)
        .unique(FLIGHT, keep="first", maintain_order=True)
        .filter(pl.col("prediction_time") >= start, pl.col("prediction_time") < end)
        .select(
            *FLIGHT, "dest", "tailnum", "prediction_time",
            "departure_hour", "arrival_hour", "weekday", "distance",
            scheduled_minutes=minutes,
        )
    )  # fmt: skip


def labels(raw: Raw, start: datetime, end: datetime) -> pl.LazyFrame:
    """Return whether the flights of the spine arrived late.

    `late` is 1 for more than 15 minutes. The newest report of an arrival counts. Cancelled and
    diverted flights have no row, nor have flights whose newest report lacks the delay.
    """
    arrivals = versions(_of_days(raw["arrivals"], start, end), FLIGHT, "landed", "reported")
    newest = arrivals.filter(pl.col("until").is_null(), pl.col("delay").is_not_null())
    known = newest.select(
        *FLIGHT, late=(pl.col("delay") > LATE_MINUTES).cast(pl.Int8), label_known_time="since"
    )
    return (
        spine(raw, start, end)
        .select(*FLIGHT, "prediction_time")
        .join(known, on=FLIGHT, how="inner", maintain_order="left")
    )


def _mean_delays(
    raw: Raw,
    by: Sequence[str],
    every: timedelta,
    prefix: str,
    hours: Sequence[int],
    start: datetime,
    end: datetime,
) -> pl.LazyFrame:
    """Return the mean delay in minutes of the departures of the last `hours`, at each tick."""
    longest = max(hours)
    departures = _recent(raw["departures"], "departed", start - longest * _HOUR, end)
    seconds = (pl.col("delay") * 60).round().cast(pl.Int64).alias("seconds")
    since = pl.col("since")
    windows = {h: pl.min_horizontal("until", pl.col("departed") + h * _HOUR) for h in hours}
    moments = ticks(departures, every, start, end, opens=since, closes=windows[longest])
    rows = _grid(departures, by, moments)
    for window, closes in windows.items():
        rows = totals(
            departures.with_columns(seconds),
            rows,
            by,
            ["seconds", "one"],
            opens=since,
            closes=closes,
        )
        mean = (_ratio("seconds", "one") / 60).alias(f"{prefix}_delay_{window}h")
        rows = rows.with_columns(mean).drop("seconds", "one")
    return rows.drop_nulls(f"{prefix}_delay_{longest}h")


def _waiting(raw: Raw, start: datetime, end: datetime) -> pl.LazyFrame:
    """Add `left` to schedule rows: when the departure was first known, null if never."""
    left = (
        _of_days(raw["departures"], start, end)
        .group_by(FLIGHT)
        .agg(left=pl.max_horizontal("departed", "reported").min())
    )
    schedules = _of_days(raw["schedules"], start, end)
    return (
        versions(schedules, FLIGHT, "published", "published")
        .join(left, on=FLIGHT, how="left")
        .with_columns(airport_overdue=pl.lit(1, pl.Int64))
    )


def _recent(rows: pl.LazyFrame, event: str, start: datetime, end: datetime) -> pl.LazyFrame:
    """Return the versions known in [start, end) of rows with a delay; `one` counts them.

    A row is never known before it happened. So the result has all rows that happened since `start`
    and their corrections.
    """
    known = pl.max_horizontal(event, "reported")
    rows = rows.filter(known >= start, known < end).drop_nulls("delay")
    return versions(rows, FLIGHT, event, "reported").with_columns(one=pl.lit(1, pl.Int64))


def _of_days(rows: pl.LazyFrame, start: datetime, end: datetime) -> pl.LazyFrame:
    """Return the rows of flights that can matter in [start, end), by their date."""
    date = pl.col("flight_date")
    return rows.filter(date >= start - _FLIGHT_DAYS, date < end + _FLIGHT_DAYS)


def _grid(rows: pl.LazyFrame, by: Sequence[str], moments: pl.LazyFrame) -> pl.LazyFrame:
    """Return every existing combination of `by` at every moment."""
    return rows.select(by).drop_nulls().unique().join(moments, how="cross")


def _ratio(total: str, count: str) -> pl.Expr:
    """Return total over count, null where the count is 0."""
    return pl.when(pl.col(count) > 0).then(pl.col(total) / pl.col(count))


def _known(rows: pl.LazyFrame, lag: timedelta) -> pl.LazyFrame:
    """Replace ticks by the two times of a feature row."""
    return rows.with_columns(created_timestamp=pl.col("tick") + lag).rename(
        {"tick": "event_timestamp"}
    )
