"""The monitoring table: written once a moment, whatever happens twice."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tasks.monitoring.measurements import (
    MONITORING_TABLE,
    Measurement,
    build_measurement_rows,
    has_later_window,
    read_measurements,
    save_measurements,
)
from tasks.storage.lake import Lake

MONDAY = datetime(2024, 3, 4, tzinfo=UTC)
WEEK = timedelta(days=7)


def numbers(at: datetime, value: float = 0.7) -> list[Measurement]:
    return [
        Measurement("performance", "roc_auc", at - WEEK, at, value, 0.75, coverage=0.9, rows=10),
        Measurement("drift", "x", at - WEEK, at, 0.2, 0.0, 0.1, rows=10, verdict="page"),
        Measurement("performance", "roc_auc_5w", at - 5 * WEEK, at, None, 0.75, 0.7, 0.3, 10),
    ]


def test_measurement_rows_keep_values_and_nulls() -> None:
    rows = build_measurement_rows(numbers(MONDAY), MONDAY, 3)
    assert rows["model_version"].to_list() == [3, 3, 3]
    assert rows["verdict"].to_list() == [None, "page", None]
    assert rows["value"].to_list() == [0.7, 0.2, None]
    assert build_measurement_rows([], MONDAY, 3).schema == rows.schema


def test_saving_twice_commits_once(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    rows = build_measurement_rows(numbers(MONDAY), MONDAY, 1)
    assert save_measurements(lake, rows, MONDAY) == 0
    assert save_measurements(lake, rows.reverse(), MONDAY) == 0
    assert lake.version(MONITORING_TABLE) == 0


def test_other_numbers_replace_those_of_their_moment_only(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    save_measurements(lake, build_measurement_rows(numbers(MONDAY), MONDAY, 1), MONDAY)
    save_measurements(
        lake, build_measurement_rows(numbers(MONDAY + WEEK), MONDAY + WEEK, 1), MONDAY + WEEK
    )
    save_measurements(lake, build_measurement_rows(numbers(MONDAY, 0.6)[:1], MONDAY, 1), MONDAY)
    assert read_measurements(lake, MONDAY)["value"].to_list() == [0.6]
    assert read_measurements(lake, MONDAY + WEEK).height == 4


@pytest.mark.parametrize("before", [timedelta(microseconds=1), timedelta(hours=3), 9 * WEEK])
def test_measurements_of_the_past_are_history_without_verdicts(
    tmp_path: Path, before: timedelta
) -> None:
    lake, at = Lake(str(tmp_path)), MONDAY - before
    assert not has_later_window(lake, at)
    save_measurements(lake, build_measurement_rows(numbers(MONDAY), MONDAY, 1), MONDAY)
    assert has_later_window(lake, at)
    assert not has_later_window(lake, MONDAY)
    for _ in range(2):
        save_measurements(lake, build_measurement_rows(numbers(at), at, 1), at)
        assert read_measurements(lake, at)["verdict"].to_list() == [None] * 3
    assert "page" in read_measurements(lake, MONDAY)["verdict"].to_list()


def test_before_the_first_window_the_history_is_empty(tmp_path: Path) -> None:
    found = read_measurements(Lake(str(tmp_path)), MONDAY)
    assert found.is_empty()
    assert found.schema == build_measurement_rows([], MONDAY, 1).schema
