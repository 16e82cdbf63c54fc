"""The lake's promises: once, atomically, and as of a version."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from configs.errors import BadConfig, Conflict, NoRows
from configs.settings import settings
from tasks.storage.chunks import chunk_in_memory
from tasks.storage.lake import Lake, open_lake
from tests.support.day_rows import NEW_YEAR, WEEK, days


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def test_a_batch_gets_in_exactly_once(lake):
    assert lake.append_once("raw/x", {"one": days(0, 2), "two": days(2, 3)}) == 0
    assert lake.append_once("raw/x", {"two": days(2, 3)}) == 0
    assert lake.append_once("raw/x", {"two": days(2, 3), "three": days(3, 4)}) == 1
    assert lake.scan("raw/x").collect().height == 4
    assert lake.holds("raw/x", "one")
    assert not lake.holds("raw/x", "four")


@pytest.mark.parametrize("before", [1, 0], ids=["a later commit", "the first commit"])
def test_of_many_at_the_same_batch_one_gets_in(lake, before):
    if before:
        lake.append_once("raw/x", {"zero": days(0, 1)})

    def append(_: int) -> bool:
        try:
            lake.append_once("raw/x", {"one": days(1, 2)})
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert any(pool.map(append, range(8)))
    assert lake.scan("raw/x").collect().height == before + 1


def test_rows_are_appended_on_the_version_that_was_read_or_not_at_all(lake):
    rows = [chunk_in_memory(WEEK, days(0, 2))]
    lake.append_on("t", rows, None)
    with pytest.raises(Conflict):
        lake.append_on("t", rows, None)
    lake.append_on("t", rows, 0)
    with pytest.raises(Conflict):
        lake.append_on("t", rows, 0)
    assert (lake.version("t"), lake.scan("t").collect().height) == (1, 4)


@pytest.mark.parametrize("before", [[], [-3, -1], [-3, 2]], ids=["nothing", "others", "some"])
def test_replace_window_by_many_writers_keeps_the_last_one(lake, before):
    if before:
        lake.append_once("t", {"before": days(*before)})

    def replace(writer: int) -> bool:
        try:
            lake.replace_window("t", days(0, 5, value=writer), "day", WEEK)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert any(pool.map(replace, range(1, 5)))
    inside = lake.scan("t").filter(pl.col("day") >= NEW_YEAR).collect()
    assert (inside.height, inside["value"].n_unique()) == (5, 1)


def test_a_window_is_replaced_and_the_rest_stays(lake):
    lake.replace_window("t", days(0, 10), "day", (NEW_YEAR, NEW_YEAR + timedelta(days=10)))
    lake.replace_window("t", days(2, 4, value=9), "day", WEEK)
    values = lake.scan("t").collect().sort("day")["value"].to_list()
    assert values == [9, 9, 0, 0, 0]


def test_the_same_window_again_commits_nothing(lake):
    version = lake.replace_window("t", days(0, 5), "day", WEEK)
    again = days(0, 5).reverse().with_columns(run=pl.lit("b"))
    assert lake.replace_window("t", again, "day", WEEK, keys=["day"], ignoring=["run"]) == version
    assert lake.replace_window("t", again, "day", WEEK, keys=["day"]) == 1


def test_an_empty_window_empties_only_itself(lake):
    assert lake.replace_window("t", days(0, 0), "day", WEEK) is None
    lake.replace_window("t", days(0, 5), "day", WEEK)
    lake.replace_window("t", days(0, 0), "day", (NEW_YEAR, NEW_YEAR + timedelta(days=1)))
    assert lake.scan("t").collect().height == 4


def test_a_new_column_is_null_in_the_rows_from_before_it(lake):
    lake.replace_window("t", days(0, 4), "day", WEEK)
    since = (NEW_YEAR + timedelta(days=2), WEEK[1])
    more = days(2, 4).with_columns(arm=pl.lit("champion"))
    assert lake.replace_window("t", more, "day", since, keys=["day"]) == 1
    assert lake.replace_window("t", more, "day", since, keys=["day"]) == 1
    lake.append_once("t", {"one": days(4, 5).with_columns(arm=pl.lit("b"), extra=pl.lit(1))})
    held = lake.scan("t").collect().sort("day")
    assert held["arm"].to_list() == [None, None, "champion", "champion", "b"]
    assert held["extra"].to_list() == [None] * 4 + [1]


def test_rows_are_removed_by_a_condition_and_those_of_null_stay(lake):
    lake.append_once("raw/x", {"one": days(0, 3)})
    late = days(3, 6).with_columns(new=pl.Series(["a", "b", None]))
    lake.append_once("raw/x", {"two": late})
    lake.append_once(
        "raw/x", {"three": late.head(1).with_columns(day=pl.lit(None, pl.Datetime("us", "UTC")))}
    )
    assert lake.keep_rows("raw/x", pl.col("new") != "a") == 3
    kept = lake.scan("raw/x").collect()
    assert kept["new"].to_list().count("b") == 1
    assert kept["new"].null_count() == 4
    assert lake.append_once("raw/x", {"two": late}) == 3
    assert lake.keep_rows("raw/y", pl.col("new") != "a") is None


def test_rows_outside_the_window_are_a_mistake(lake):
    with pytest.raises(ValueError, match="3 rows lie outside"):
        lake.replace_window("t", days(0, 10), "day", WEEK)


def test_old_versions_stay_readable_and_notes_are_kept(lake):
    lake.replace_window("t", days(0, 5), "day", WEEK, note={"raw": {"x": 3}})
    lake.replace_window("t", days(0, 2), "day", WEEK)
    assert lake.scan("t", version=0).collect().height == 5
    assert lake.scan("t").collect().height == 2
    assert lake.note("t") == {"raw": {"x": 3}}
    assert lake.versions(["t", "none"]) == {"t": 1}


def test_a_table_that_is_not_there_says_so(lake):
    assert lake.version("t") is None
    assert lake.note("t") == {}
    with pytest.raises(NoRows, match="nothing was ever written"):
        lake.scan("t")


def test_lake_opens_many_commits_from_a_checkpoint(lake):
    for day in range(12):
        lake.append_once("raw/x", {f"day {day}": days(day, day + 1)})
    log = Path(lake.uri("raw/x")) / "_delta_log"
    assert list(log.glob("*.checkpoint.parquet"))
    assert lake.scan("raw/x", version=0).collect().height == 1
    assert lake.holds("raw/x", "day 0")


def test_a_pinned_table_is_read_as_it_was_and_never_written(lake, tmp_path):
    lake.append_once("raw/x", {"one": days(0, 2)}, note={"built_to": 1})
    lake.append_once("raw/x", {"two": days(2, 3)}, note={"built_to": 2})
    view = Lake(str(tmp_path / "view"), lake.root, {"raw/x": 0})
    assert view.versions(["raw/x", "raw/y"]) == {"raw/x": 0}
    assert view.scan("raw/x").collect().height == 2
    assert view.note("raw/x") == {"built_to": 1}
    assert view.earliest_changed("raw/x", "day", None, 0) is not None
    with pytest.raises(BadConfig, match="raw/x is only read here"):
        view.append_once("raw/x", {"three": days(3, 4)})
    with pytest.raises(BadConfig, match="holds it at version 0"):
        view.replace_window("raw/x", days(0, 1, 9), "day", WEEK)
    assert view.append_once("predictions", {"one": days(0, 1)}) == 0
    assert not lake.exists("predictions")
    assert lake.version("raw/x") == 1


def test_the_settings_pin_tables_of_a_use_case(home, lake, monkeypatch):
    monkeypatch.setenv("MAINSPRING_PINNED", '{"flights/raw/x": 3, "churn/raw/x": 5}')
    settings.cache_clear()
    assert open_lake("flights").pinned == {"raw/x": 3}
    assert open_lake("flights").uri("raw/x") == f"{settings().lake}/flights/raw/x"
    monkeypatch.setenv("MAINSPRING_PINNED_LAKE", "s3://real/lake")
    settings.cache_clear()
    assert open_lake("churn").uri("raw/x") == "s3://real/lake/churn/raw/x"
    assert open_lake("churn").uri("raw/y") == f"{settings().lake}/churn/raw/y"
