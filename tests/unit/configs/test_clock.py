"""Durations and moments."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from configs.clock import parse_duration, utc_or_now, write_duration


@pytest.mark.parametrize("text", ["90m", "5h", "3d", "4w"])
def test_durations_read_back_as_written(text):
    assert write_duration(parse_duration(text)) == text


def test_a_moment_is_utc():
    naive = datetime(2013, 5, 1)  # noqa: DTZ001 - what a person types
    assert utc_or_now(naive) == datetime(2013, 5, 1, tzinfo=UTC)
    east = datetime(2013, 5, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    assert utc_or_now(east) == datetime(2013, 5, 1, tzinfo=UTC)
    assert utc_or_now().tzinfo is UTC
