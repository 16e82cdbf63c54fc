"""Snapshots of a register are applied in the order in which they landed; the newest wins."""

from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest

from configs.schema.use_case import UseCase
from tests.support.landing import assert_rows_of_files_add_up, ingest_landed, rows_of
from tests.support.parcel_files import KNOWN_FROM, NOON, land_lines, parcels_use_case

DAY = 86_400.0


@pytest.fixture
def use_case(home: Path) -> UseCase:
    return parcels_use_case()


def land_snapshot(name: str, docks: int, day: float) -> None:
    land_lines(f"depots/{name}.csv", f"north,{docks}", header="depot,docks", modified=day * DAY)


def newest_docks(use_case: UseCase) -> int:
    rows = rows_of(use_case, "raw/depots").sort("_known")
    return int(rows["docks"][-1])


def known_times(use_case: UseCase) -> list[datetime]:
    return rows_of(use_case, "raw/depots")["_known"].sort().to_list()


@pytest.mark.parametrize("names", ["abc", "cab"])
def test_several_snapshots_of_one_run_apply_by_landing_time(use_case: UseCase, names: str) -> None:
    for day, (name, docks) in enumerate(zip(names, (3, 4, 9), strict=True)):
        land_snapshot(name, docks, 10 + day)
    ingest_landed(use_case, NOON)
    assert newest_docks(use_case) == 9
    assert known_times(use_case)[0] == KNOWN_FROM
    assert all(first < second for first, second in pairwise(known_times(use_case)))
    assert_rows_of_files_add_up(use_case)


@pytest.mark.parametrize("together", [True, False])
def test_a_register_may_change_back(use_case: UseCase, together: bool) -> None:
    for day, docks in enumerate((3, 4, 3, 3, 4)):
        land_snapshot(str(day), docks, 10 + day)
        if not together:
            ingest_landed(use_case, NOON + timedelta(days=day))
            assert newest_docks(use_case) == docks
    ingest_landed(use_case, NOON + timedelta(days=9))
    assert newest_docks(use_case) == 4
    assert rows_of(use_case, "raw/depots").height == 4, "the fourth says nothing new"
    assert_rows_of_files_add_up(use_case)


def test_the_last_snapshot_of_a_later_run_is_known_at_its_time(use_case: UseCase) -> None:
    land_snapshot("1", 3, 10)
    ingest_landed(use_case, NOON)
    land_snapshot("2", 4, 11)
    land_snapshot("3", 9, 12)
    later = NOON + timedelta(days=1)
    ingest_landed(use_case, later)
    assert known_times(use_case)[-1] == later
    known_now = rows_of(use_case, "raw/depots").filter(pl.col("_known") <= later)
    assert known_now.height == 3


@pytest.mark.parametrize("as_of", [NOON, NOON - timedelta(days=7)])
def test_a_snapshot_wins_over_the_one_before_at_any_time_of_ingest(
    use_case: UseCase, as_of: datetime
) -> None:
    for day, docks in enumerate((3, 4)):
        land_snapshot(str(day), docks, 10 + day)
        ingest_landed(use_case, NOON)
    land_snapshot("2", 9, 12)
    ingest_landed(use_case, as_of)
    assert newest_docks(use_case) == 9
