"""Ticks: the multiples of a step at which a span is open, whatever lies between the spans."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_repo.rolling import ticks

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
START = datetime(2013, 1, 1, tzinfo=UTC)
LONG_AGO, FAR_AHEAD = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)
TIME = pl.Datetime("us", "UTC")

MINUTES = st.integers(-300, 600)


def find_ticks(
    spans: list[tuple[datetime, datetime | None]], start: datetime, end: datetime, **more: timedelta
) -> list[datetime]:
    schema = {"opens": TIME, "closes": TIME}
    frame = pl.DataFrame(spans, schema=schema, orient="row").lazy()
    opens, closes = pl.col("opens"), pl.col("closes")
    every = more.pop("every", HOUR)
    found = ticks(frame, every, start, end, opens=opens, closes=closes, **more).collect()
    assert found.schema == {"tick": TIME}
    return found["tick"].to_list()


def test_ticks_are_multiples_inside_the_window() -> None:
    always = [(START - DAY, None)]
    start = START + timedelta(minutes=1)
    assert find_ticks(always, start, START + 3 * HOUR) == [START + HOUR, START + 2 * HOUR]
    at_five = find_ticks(always, START, START + 2 * DAY, every=DAY, at=5 * HOUR)
    assert at_five == [START + 5 * HOUR, START + DAY + 5 * HOUR]


@given(st.lists(st.tuples(MINUTES, st.none() | MINUTES)), st.integers(0, 59))
def test_a_tick_is_where_a_span_is_open(minutes: list[tuple[int, int | None]], offset: int) -> None:
    def moment(minute: int | None) -> datetime | None:
        return None if minute is None else START + timedelta(minutes=minute)

    spans = [(moment(opens), moment(closes)) for opens, closes in minutes]
    hours = [START + timedelta(minutes=offset) + hour * HOUR for hour in range(-1, 7)]
    expected = [
        hour
        for hour in hours
        if START <= hour < START + 6 * HOUR
        and any(opens <= hour and (closes is None or hour < closes) for opens, closes in spans)
    ]
    at = timedelta(minutes=offset)
    assert find_ticks(spans, START, START + 6 * HOUR, at=at) == expected


@pytest.mark.parametrize("alone", [LONG_AGO, datetime(1000, 1, 1, tzinfo=UTC), START, FAR_AHEAD])
def test_the_years_between_spans_have_no_ticks(alone: datetime) -> None:
    spans = [(alone, alone + HOUR), (START, START + HOUR)]
    quarters = find_ticks(spans, LONG_AGO, FAR_AHEAD + HOUR, every=timedelta(minutes=15))
    assert len(quarters) == 4 * len({alone, START})
