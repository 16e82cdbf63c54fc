"""Durations and moments."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from configs.clock import (
    CLOCK_GRACE,
    as_utc,
    parse_duration,
    parse_row_count,
    utc_or_now,
    write_duration,
    write_row_count,
)
from configs.errors import BadConfig


@pytest.mark.parametrize("text", ["90m", "5h", "3d", "4w"])
def test_durations_read_back_as_written(text):
    assert write_duration(parse_duration(text)) == text


@pytest.mark.parametrize(("text", "count"), [(200, 200), (1, 1), ("5%", 0.05), ("0.5%", 0.005)])
def test_row_counts_read_back_as_written(text, count):
    assert parse_row_count(text) == count
    assert write_row_count(count) == text
    assert parse_row_count(count) == count


@pytest.mark.parametrize("text", [0, -3, 2.5, "0%", "200%", "many", True, None, "5", 1.0])
def test_row_counts_without_sense_are_refused(text):
    with pytest.raises(ValueError, match="share like 5%"):
        parse_row_count(text)


def test_a_moment_is_utc():
    naive = datetime(2013, 5, 1)  # noqa: DTZ001 - what a person types
    assert utc_or_now(naive) == datetime(2013, 5, 1, tzinfo=UTC)
    east = datetime(2013, 5, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    assert utc_or_now(east) == datetime(2013, 5, 1, tzinfo=UTC)
    assert utc_or_now().tzinfo is UTC


EAST, WEST = timezone(timedelta(hours=14)), timezone(timedelta(hours=-12))


@pytest.mark.parametrize(
    "moment",
    [
        datetime(1, 1, 1, tzinfo=EAST), datetime(1, 1, 1, tzinfo=UTC), datetime(1899, 12, 31),  # noqa: DTZ001
        datetime(9999, 12, 31, 23, tzinfo=WEST), datetime(9999, 12, 31, tzinfo=UTC),
        datetime(2262, 4, 12, tzinfo=UTC), datetime.now(UTC) + CLOCK_GRACE + timedelta(hours=1),
    ],
)  # fmt: skip
def test_an_as_of_without_sense_is_refused_by_name(moment: datetime) -> None:
    with pytest.raises(BadConfig, match="as_of: "):
        utc_or_now(moment)


def test_a_clock_that_runs_ahead_a_little_is_allowed() -> None:
    ahead = datetime.now(UTC) + CLOCK_GRACE / 2
    assert utc_or_now(ahead) == ahead


def test_stored_moments_are_read_whatever_they_are() -> None:
    assert as_utc(datetime(9999, 1, 1)).year == 9999  # noqa: DTZ001
