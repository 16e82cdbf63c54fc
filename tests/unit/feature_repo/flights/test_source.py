from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import polars as pl
import pytest

from configs.schema.loading import load_use_case
from feature_repo.flights.source import FIRST_DAY, KNOWN, write_landing
from tasks.ingestion.parsing.file_schema import lake_schema, parse_file

NEW_YEAR = date(2013, 1, 1)
TABLES = load_use_case("flights").tables


@pytest.fixture(scope="module")
def fortnight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files known from the first day to 13 January: 14 days."""
    folder = tmp_path_factory.mktemp("landing")
    write_landing(folder, FIRST_DAY, FIRST_DAY + timedelta(days=14))
    return folder


def parse_table(folder: Path, table: str) -> pl.DataFrame:
    """All landed rows of a table, read as the product reads them."""
    paths = sorted((folder / table).iterdir())
    return pl.concat([parse_file(path.read_bytes(), path.name, TABLES[table]) for path in paths])


def digests(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(p.relative_to(folder)): sha256(p.read_bytes()).hexdigest() for p in files}


def test_a_file_a_table_and_day(fortnight: Path) -> None:
    assert {t: len(list((fortnight / t).iterdir())) for t in KNOWN} == {
        "schedules": 14,
        "departures": 13,
        "arrivals": 13,
        "weather": 13,
        "planes": 1,
    }


@pytest.mark.parametrize("table", KNOWN)
def test_a_file_holds_what_became_known_on_its_day(fortnight: Path, table: str) -> None:
    for path in (fortnight / table).iterdir():
        known = parse_file(path.read_bytes(), path.name, TABLES[table])[TABLES[table].known_time]
        assert known.dt.date().unique().to_list() == [date.fromisoformat(path.stem)]


@pytest.mark.parametrize("table", KNOWN)
def test_columns_are_those_of_the_use_case(fortnight: Path, table: str) -> None:
    assert parse_table(fortnight, table).schema == lake_schema(TABLES[table])
    assert parse_table(fortnight, table).select(TABLES[table].key).is_duplicated().sum() == 0


def test_write_landing_is_idempotent_and_reproducible(fortnight: Path, tmp_path: Path) -> None:
    end = FIRST_DAY + timedelta(days=3)
    assert write_landing(fortnight, FIRST_DAY, end) == 0
    written = write_landing(tmp_path, FIRST_DAY, end)
    assert written == len(digests(tmp_path)) == 1 + 3 * 4 - 3
    assert digests(tmp_path).items() <= digests(fortnight).items()


def test_nothing_is_known_before_it_happened(fortnight: Path) -> None:
    for table, minutes in (("departures", 1), ("arrivals", 10), ("weather", 20)):
        landed = parse_table(fortnight, table)
        lag = landed[TABLES[table].known_time] - landed[TABLES[table].event_time]
        assert lag.unique().to_list() == [timedelta(minutes=minutes)]
    schedules = parse_table(fortnight, "schedules")
    assert (schedules["departure_time"] - schedules["published"]).min() > timedelta(hours=12)
    assert (schedules["arrival_time"] > schedules["departure_time"]).all()


def test_flights_land_after_they_left_and_cancelled_ones_never(fortnight: Path) -> None:
    keys = ["carrier", "flight", "origin", "flight_date"]
    departures, arrivals = parse_table(fortnight, "departures"), parse_table(fortnight, "arrivals")
    both = arrivals.join(departures, on=keys)
    assert both.height == arrivals.height  # nobody lands who never left
    aloft = both["landed"] - both["departed"]
    assert aloft.min() > timedelta(minutes=25)
    assert aloft.max() < timedelta(hours=13)
    flown_out = parse_table(fortnight, "schedules").filter(pl.col("flight_date").dt.day() == 5)
    left = flown_out.join(departures, on=keys, how="semi")
    assert (flown_out.height, left.height) == (720, 717)  # three of 5 January were cancelled


def test_the_first_flight_of_the_year(fortnight: Path) -> None:
    """UA 1545 to Houston, 5:15 to 8:19 local (Central time there), 2 and 11 minutes late."""
    the_flight = (pl.col("flight") == 1545) & (pl.col("flight_date").dt.date() == NEW_YEAR)
    planned = parse_table(fortnight, "schedules").filter(the_flight).row(0, named=True)
    assert planned["published"] == datetime(2012, 12, 31, 12, tzinfo=UTC)
    assert planned["departure_time"] == datetime(2013, 1, 1, 10, 15, tzinfo=UTC)
    assert planned["arrival_time"] == datetime(2013, 1, 1, 14, 19, tzinfo=UTC)
    assert (planned["departure_hour"], planned["weekday"]) == (5.25, 2)
    left = parse_table(fortnight, "departures").filter(the_flight).row(0, named=True)
    assert (left["departed"], left["delay"]) == (datetime(2013, 1, 1, 10, 17, tzinfo=UTC), 2)
    came = parse_table(fortnight, "arrivals").filter(the_flight).row(0, named=True)
    assert (came["landed"], came["delay"]) == (datetime(2013, 1, 1, 14, 30, tzinfo=UTC), 11)
