"""Raw rows with absurd but valid times: refresh stands them, and its cost follows the rows."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from configs.schema.loading import load_use_case
from configs.schema.use_case import UseCase
from configs.settings import settings
from tasks.checks.feature_module import check_feature_module
from tasks.features import online_store
from tasks.ingestion import feature_refresh
from tasks.storage.lake import open_lake
from tests.support.lake_rows import START, append_rows, land_rows, read_known_rows

DAY = timedelta(days=1)
AS_OF = START + 2 * DAY
FIRST, LAST = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, tzinfo=UTC)
TIMES = st.datetimes(FIRST.replace(tzinfo=None), LAST.replace(tzinfo=None)).map(
    lambda moment: moment.replace(tzinfo=UTC)
) | st.sampled_from([FIRST, LAST, AS_OF - timedelta(hours=1)])


@pytest.fixture
def flights(home: Path) -> UseCase:
    use_case = load_use_case("flights")
    land_rows(use_case, START - DAY, AS_OF)
    feature_refresh.refresh_features(use_case, AS_OF)
    return use_case


def time_columns(use_case: UseCase, table: str) -> list[str]:
    columns = use_case.tables[table].columns
    return [name for name, column in columns.items() if column.type == "time"]


def append_absurd(use_case: UseCase, batch: str, times: Iterator[datetime]) -> None:
    """Append the first row of each table again, with other times."""
    for table in use_case.tables:
        row = read_known_rows(use_case, table, START - 400 * DAY, AS_OF).head(1)
        absurd = row.with_columns(
            pl.lit(next(times)).cast(row.schema[name]).alias(name)
            for name in time_columns(use_case, table)
        )
        append_rows(use_case, table, batch, absurd)


@pytest.mark.slow
@examples(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(TIMES, min_size=20, max_size=20))
def test_refresh_stands_every_time(flights: UseCase, times: list[datetime]) -> None:
    append_absurd(flights, repr(times), iter(times))
    began = time.monotonic()
    feature_refresh.refresh_features(flights, AS_OF)
    feature_refresh.refresh_features(flights, AS_OF + DAY)
    assert time.monotonic() - began < 20
    assert [f.detail for f in check_feature_module(flights) if "Error" in f.detail] == []
    for view in flights.features.views:
        rows = open_lake("flights").scan(f"features/{view}").collect()
        assert rows.height < 5_000, view


def test_absurd_rows_of_every_kind_beside_others(flights: UseCase) -> None:
    lake, view = open_lake("flights"), "features/airport_ops"
    before = lake.scan(view).collect()
    append_absurd(flights, "first", iter([FIRST] * 20))
    append_absurd(flights, "last", iter([FIRST, LAST] * 10))
    rows = read_known_rows(flights, "weather", START, AS_OF).head(2)
    beyond_python = pl.Series([-(10**17), 3 * 10**17]).cast(pl.Datetime("us", "UTC"))
    beyond = rows.with_columns(observed=beyond_python, reported=beyond_python)
    append_rows(flights, "weather", "beyond", beyond)
    feature_refresh.refresh_features(flights, AS_OF)
    after = lake.scan(view).filter(pl.col("created_timestamp") >= START).collect()
    assert after.sort(before.columns).equals(before.sort(before.columns))
    planes = lake.scan("features/planes").select(pl.min("created_timestamp"))
    assert planes.collect().item() == datetime(1000, 1, 1, tzinfo=UTC)
    online_store.publish_features(flights, AS_OF)


def test_built_to_the_far_future_does_no_lasting_harm(flights: UseCase) -> None:
    feature_refresh.refresh_features(flights, LAST)
    land_rows(flights, AS_OF, AS_OF + DAY)
    feature_refresh.refresh_features(flights, AS_OF + DAY)
    newest = open_lake("flights").scan("features/weather").select(pl.max("event_timestamp"))
    assert newest.collect().item() > AS_OF


def test_rows_taken_out_of_raw_leave_the_features(flights: UseCase) -> None:
    from deltalake import DeltaTable

    append_absurd(flights, "absurd", iter([AS_OF - DAY] * 20))
    feature_refresh.refresh_features(flights, AS_OF)
    table = DeltaTable(f"{settings().lake}/flights/raw/weather")
    DeltaTable.delete(table, f"reported = '{(AS_OF - DAY).isoformat()}'")
    feature_refresh.refresh_features(flights, AS_OF)
    weather = open_lake("flights").scan("features/weather").collect()
    assert weather.filter(event_timestamp=AS_OF - DAY).select("origin").is_duplicated().sum() == 0
