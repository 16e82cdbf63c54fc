"""Impossible times go to quarantine by name; a file that is early waits for its time."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from tests.support.landing import assert_rows_of_files_add_up, ingest_landed, rows_of
from tests.support.parcel_files import NOON, land_lines, line, parcels_use_case

IMPOSSIBLE = ["0001-01-01", "1969-12-31T23:59:59Z", "1000-01-01", "2262-04-11", "9999-12-31"]
POSSIBLE = ["1970-01-01", "2024-03-01T11:59:59Z", "2024-03-01T12:04:00Z"]


def land(name: str, *times: str) -> None:
    path = land_lines(name, *(line(f"{name}{n}", 1, time) for n, time in enumerate(times)))
    assert path.stat().st_mtime > NOON.timestamp()


def test_rows_with_impossible_times_are_quarantined_by_name(home: Path) -> None:
    use_case = parcels_use_case()
    land("parcels/a.csv", *IMPOSSIBLE, *POSSIBLE)
    land("parcels/b.csv", *IMPOSSIBLE)
    first, second = ingest_landed(use_case, NOON).verdicts
    assert (first.accepted, first.quarantined) == (len(POSSIBLE), len(IMPOSSIBLE))
    assert first.reason == second.reason == "time_out_of_bounds(sent)"
    assert second.quarantined == len(IMPOSSIBLE)
    assert rows_of(use_case, "raw/parcels")["sent"].max() == NOON + timedelta(minutes=4)
    assert_rows_of_files_add_up(use_case)


def test_a_table_has_an_epoch_and_a_horizon_of_its_own(home: Path) -> None:
    use_case = parcels_use_case(epoch=datetime(1900, 1, 1, tzinfo=UTC), horizon="1d")
    land("parcels/a.csv", "1899-12-31", "1900-01-01", "2024-03-01")
    (verdict,) = ingest_landed(use_case, NOON).verdicts
    assert (verdict.accepted, verdict.quarantined) == (2, 1)


@pytest.mark.parametrize("as_of", [NOON, datetime(1999, 1, 1, tzinfo=UTC)])
def test_a_file_from_the_future_is_taken_by_itself_when_its_time_has_come(
    home: Path, as_of: datetime
) -> None:
    use_case = parcels_use_case()
    land("parcels/a.csv", "2024-03-01T10:00:00Z", "2024-03-01T12:10:00Z")
    (early,) = ingest_landed(use_case, as_of).verdicts
    assert (early.status, early.cause, early.rows) == ("refused", "time", 2)
    assert "parcels/a.csv" in early.reason
    assert str(as_of) in early.reason
    assert ingest_landed(use_case, as_of + timedelta(minutes=4)).verdicts == []
    assert_rows_of_files_add_up(use_case)
    (taken,) = ingest_landed(use_case, NOON + timedelta(minutes=6)).verdicts
    assert (taken.status, taken.accepted) == ("accepted", 2)
    assert rows_of(use_case, "raw/parcels").select(pl.len()).item() == 2
