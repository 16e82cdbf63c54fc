"""Feature tables are kept up to date: once, after a kill, and where the past was corrected."""

import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from configs.errors import NoRows
from configs.schema.loading import load_use_case
from configs.schema.use_case import UseCase
from configs.settings import ROOT, settings
from tasks.features import raw_tables, refresh, retrieval
from tasks.ingestion import feature_refresh
from tasks.storage import chunks
from tasks.storage.lake import open_lake
from tests.support.lake_rows import START, append_rows, land_rows, read_known_rows

DAY = timedelta(days=1)
LONG_AGO = START - 30 * DAY

KILLED_AT_THE_THIRD_VIEW = """
import os, signal
from datetime import datetime
from configs.schema.loading import load_use_case
from feature_repo.flights import transforms
from tasks.ingestion import feature_refresh
transforms.route_daily = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
feature_refresh.refresh_features(load_use_case("flights"), datetime.fromisoformat("{as_of}"))
"""


@pytest.fixture
def flights(home: Path) -> UseCase:
    """Everything known before 4 January is in the lake."""
    use_case = load_use_case("flights")
    land_rows(use_case, LONG_AGO, START + 3 * DAY)
    return use_case


def contents(use_case: UseCase) -> dict[str, pl.DataFrame]:
    tables = {}
    for view in use_case.features.views:
        rows = open_lake(use_case.name).scan(f"features/{view}").collect()
        tables[view] = rows.sort(rows.columns)
    return tables


def rebuilt(use_case: UseCase, as_of_days: int) -> dict[str, pl.DataFrame]:
    """What the feature tables would hold if they were built now and at once."""
    end = START + as_of_days * DAY
    raw = raw_tables.scan_raw_tables(use_case, end)
    tables = {}
    for view in use_case.features.views:
        rows = getattr(raw_tables.import_feature_module(use_case), view)(
            raw, LONG_AGO, end
        ).collect()
        tables[view] = rows.sort(rows.columns)
    return tables


def assert_same(one: dict[str, pl.DataFrame], other: dict[str, pl.DataFrame]) -> None:
    assert one.keys() == other.keys()
    for name in one:
        assert one[name].height > 0
        assert (
            one[name]
            .select(sorted(one[name].columns))
            .equals(other[name].select(sorted(other[name].columns)))
        ), name


def test_refreshing_twice_commits_nothing(flights: UseCase) -> None:
    versions = feature_refresh.refresh_features(flights, START + 3 * DAY)
    assert set(versions) == {f"features/{view}" for view in flights.features.views}
    assert feature_refresh.refresh_features(flights, START + 3 * DAY) == versions
    assert feature_refresh.refresh_features(flights, START + 2 * DAY) == versions


def test_day_by_day_is_at_once(flights: UseCase) -> None:
    for day in (1, 2, 3):
        feature_refresh.refresh_features(flights, START + day * DAY)
    land_rows(flights, START + 3 * DAY, START + 5 * DAY)
    feature_refresh.refresh_features(flights, START + 5 * DAY)
    assert_same(contents(flights), rebuilt(flights, 5))


def test_built_span_by_span_is_at_once_in_one_commit(flights: UseCase, monkeypatch) -> None:
    monkeypatch.setenv("MAINSPRING_PARTITION_ROWS", "2000")
    settings.cache_clear()
    built: list[chunks.TimeSpan] = []
    build = refresh._build_chunk
    monkeypatch.setattr(
        refresh, "_build_chunk", lambda span, **_: built.append(span) or build(span, **_)
    )
    versions = feature_refresh.refresh_features(flights, START + 3 * DAY)
    assert len(built) > 2 * len(flights.features.views)
    assert set(versions.values()) == {0}
    assert_same(contents(flights), rebuilt(flights, 3))
    assert not list(Path(open_lake("flights").uri("aside")).rglob("*.parquet"))


def test_refresh_features_killed_and_rerun_is_complete(
    flights: UseCase,
) -> None:
    as_of = START + 3 * DAY
    script = KILLED_AT_THE_THIRD_VIEW.format(as_of=as_of.isoformat())
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    lake = open_lake(flights.name)
    assert lake.exists("features/carrier_ops")
    assert not lake.exists("features/route_daily")
    versions = feature_refresh.refresh_features(flights, as_of)
    assert versions["features/carrier_ops"] == 0
    assert_same(contents(flights), rebuilt(flights, 3))


def test_a_late_correction_rebuilds_from_when_it_was_known(flights: UseCase) -> None:
    as_of = START + 3 * DAY
    feature_refresh.refresh_features(flights, as_of)
    was = contents(flights)
    corrected_at = START + 2 * DAY
    corrected = read_known_rows(flights, "departures", START + DAY, corrected_at).with_columns(
        pl.col("delay") + 100, reported=pl.lit(corrected_at)
    )
    append_rows(flights, "departures", "correction", corrected)
    feature_refresh.refresh_features(flights, as_of)
    now = contents(flights)
    assert_same(now, rebuilt(flights, 3))
    before = pl.col("created_timestamp") < corrected_at
    assert now["airport_ops"].filter(before).equals(was["airport_ops"].filter(before))
    assert not now["airport_ops"].filter(~before).equals(was["airport_ops"].filter(~before))


def test_rows_known_later_do_not_reach_an_earlier_as_of(flights: UseCase) -> None:
    feature_refresh.refresh_features(flights, START + DAY)
    for view, rows in contents(flights).items():
        assert (rows["created_timestamp"] < START + DAY).all(), view
    for name, rows in raw_tables.scan_raw_tables(flights, START + DAY).items():
        time = flights.tables[name].known_time
        assert rows.select(pl.col(time).max()).collect().item() <= START + DAY, name


def test_labels_are_those_known(flights: UseCase) -> None:
    window = (START, START + 2 * DAY)
    early = retrieval.build_labels(flights, *window, START + DAY)
    late = retrieval.build_labels(flights, *window, START + 3 * DAY)
    assert 0 < early.height < late.height
    assert (early["label_known_time"] <= START + DAY).all()


def test_without_raw_rows_the_message_names_the_tables(home: Path) -> None:
    with pytest.raises(NoRows, match="nothing was ingested into schedules"):
        feature_refresh.refresh_features(load_use_case("flights"), START)


def test_versions_of_every_table(flights: UseCase) -> None:
    raw = {f"raw/{name}" for name in flights.tables}
    assert set(raw_tables.read_table_versions(flights)) == raw
    feature_refresh.refresh_features(flights, START + DAY)
    both = raw | {f"features/{view}" for view in flights.features.views}
    assert set(raw_tables.read_table_versions(flights)) == both
