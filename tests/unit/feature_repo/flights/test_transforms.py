"""The flights' views, spine and label on real flights of January, with corrections added."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo.flights import source, transforms
from feature_repo.flights.transforms import FLIGHT
from feature_repo.rolling import totals

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
START = datetime(2013, 1, 1, tzinfo=UTC)
END = START + 7 * DAY
TIME = pl.Datetime("us", "UTC")
VIEWS = ("airport_ops", "carrier_ops", "route_daily", "tail_last", "weather", "planes")
EVENTS = {"departures": "departed", "arrivals": "landed"}

Tables = Mapping[str, pl.LazyFrame]


@cache
def tables() -> dict[str, pl.DataFrame]:
    """What becomes known from 30 December to 8 January; every 20th flight is corrected later."""
    rows = {
        name: _of_types(frame).filter(pl.col(source.KNOWN[name]) < END)
        for name, frame in source._tables().items()
    }
    for name, event in EVENTS.items():
        corrected = (
            rows[name]
            .gather_every(20, offset=3)
            .with_columns(
                pl.col("delay") + 45,
                pl.col(event) - HOUR,
                reported=pl.col("reported") + pl.duration(hours=pl.int_range(pl.len()) % 30),
            )
        )
        rows[name] = pl.concat([rows[name], corrected]).filter(pl.col("reported") < END)
    moved = (
        rows["schedules"]
        .gather_every(50, offset=7)
        .with_columns(
            pl.col("departure_time") + 2 * HOUR, published=pl.col("published") + 21 * HOUR
        )
    )
    rows["schedules"] = pl.concat([rows["schedules"], moved]).filter(pl.col("published") < END)
    return rows


def _of_types(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col(pl.Datetime).dt.cast_time_unit("us"))


def lazy_tables() -> dict[str, pl.LazyFrame]:
    return {name: frame.lazy() for name, frame in tables().items()}


def view(name: str, tables: Tables, start: datetime, end: datetime) -> pl.DataFrame:
    rows: pl.DataFrame = getattr(transforms, name)(tables, start, end).collect()
    return rows.sort(rows.columns)


@pytest.mark.parametrize("name", VIEWS)
def test_built_by_the_day_is_built_at_once(name: str) -> None:
    start = START - 2 * DAY
    days = [view(name, lazy_tables(), start + n * DAY, start + (n + 1) * DAY) for n in range(9)]
    at_once = view(name, lazy_tables(), start, END)
    assert at_once.height > 0
    assert pl.concat(days).sort(at_once.columns).equals(at_once)


@pytest.mark.parametrize("name", VIEWS)
def test_views_return_rows_known_in_the_window(name: str) -> None:
    rows = view(name, lazy_tables(), START - 2 * DAY, END)
    known, happened = rows["created_timestamp"], rows["event_timestamp"]
    assert (known >= START - 2 * DAY).all()
    assert (known < END).all()
    assert (happened <= known).all()


def changed_after(moment: datetime) -> dict[str, pl.LazyFrame]:
    """The same tables up to `moment`, and quite another world after it."""
    numbers = pl.col(pl.Float64) * 3 + 1000
    return {
        name: pl.concat(
            [
                frame.filter(pl.col(source.KNOWN[name]) <= moment),
                frame.filter(pl.col(source.KNOWN[name]) > moment)
                .gather_every(2)
                .with_columns(numbers),
            ]
        ).lazy()
        for name, frame in tables().items()
    }


@given(st.integers(0, 6 * 24 * 60))
@settings(max_examples=15)
def test_nothing_known_later_changes_a_row(minutes: int) -> None:
    moment = START + timedelta(minutes=minutes)
    other = changed_after(moment)
    for name in VIEWS:
        before = pl.col("created_timestamp") <= moment
        was = view(name, lazy_tables(), START - DAY, END).filter(before)
        assert view(name, other, START - DAY, END).filter(before).equals(was), name
    asked = pl.col("prediction_time") <= moment
    was = view("spine", lazy_tables(), START, END).filter(asked)
    assert view("spine", other, START, END).filter(asked).equals(was)


def test_spine_is_one_row_a_flight_two_hours_before() -> None:
    rows = view("spine", lazy_tables(), START, END)
    assert not rows.select(FLIGHT).is_duplicated().any()
    assert ((rows["prediction_time"] >= START) & (rows["prediction_time"] < END)).all()
    last = (
        tables()["schedules"]
        .join(rows.select(*FLIGHT, "prediction_time"), on=FLIGHT)
        .filter(pl.col("published") <= pl.col("prediction_time"))
        .sort("published")
        .unique(FLIGHT, keep="last")
    )
    assert last.height == rows.height
    assert (last["departure_time"] - last["prediction_time"] == 2 * HOUR).all()


def test_cancelled_and_diverted_flights_have_no_label() -> None:
    spine, labels = (
        view("spine", lazy_tables(), START, END - 2 * DAY),
        view("labels", lazy_tables(), START, END - 2 * DAY),
    )
    arrived = tables()["arrivals"].select(FLIGHT).unique()
    unlabelled = spine.join(labels, on=FLIGHT, how="anti")
    assert unlabelled.height > 0
    assert unlabelled.join(arrived, on=FLIGHT, how="semi").is_empty()
    assert labels.height == spine.join(arrived, on=FLIGHT, how="semi").height


def test_the_newest_report_of_an_arrival_is_the_label() -> None:
    labels = view("labels", lazy_tables(), START, END)
    newest = tables()["arrivals"].sort("reported").unique(FLIGHT, keep="last")
    both = labels.join(newest, on=FLIGHT)
    assert both.height == labels.height
    assert (both["late"] == (both["delay"] > 15)).all()
    assert (both["label_known_time"] == both["reported"]).all()


def test_a_label_that_is_taken_back_is_none_from_then_on() -> None:
    arrivals = tables()["arrivals"]
    taken_back = arrivals.head(5).with_columns(
        delay=pl.lit(None, pl.Float64), reported=pl.col("reported") + 2 * DAY
    )
    reported = pl.concat([arrivals, taken_back]).lazy()
    before = view("labels", lazy_tables(), START, END)
    after = view("labels", lazy_tables() | {"arrivals": reported}, START, END)
    lost = before.join(after, on=FLIGHT, how="anti").select(FLIGHT)
    assert lost.sort(FLIGHT).equals(taken_back.select(FLIGHT).sort(FLIGHT))


def test_no_labelled_flight_lacks_its_tail_number() -> None:
    """Only cancelled flights lack one: where there is a label, it must tell nothing."""
    labelled = view("spine", lazy_tables(), START, END).join(
        view("labels", lazy_tables(), START, END), on=FLIGHT
    )
    assert labelled["tailnum"].null_count() == 0


def test_views_replace_corrected_rows() -> None:
    rows = pl.DataFrame(
        {
            "carrier": "UA", "flight": 1, "origin": "EWR", "flight_date": START, "dest": "BOS",
            "tailnum": "N1", "landed": [START + 5 * HOUR, START + 4 * HOUR], "delay": [60.0, 0.0],
            "reported": [START + 6 * HOUR, START + 8 * HOUR],
        }
    ).lazy()  # fmt: skip
    found = transforms.tail_last({"arrivals": rows}, START, END).collect()
    assert found["tail_delay"].to_list() == [60.0, 0.0]
    assert found["event_timestamp"].to_list() == [START + 5 * HOUR, START + 5 * HOUR]


def test_means_and_waiting_flights_equal_a_loop() -> None:
    """airport_ops at one moment, counted row by row."""
    moment = START + 3 * DAY + 20 * HOUR
    now = view("airport_ops", lazy_tables(), moment, moment + timedelta(minutes=2)).filter(
        pl.col("event_timestamp") == moment
    )
    departures = tables()["departures"].filter(pl.col("reported") <= moment)
    newest = departures.sort("reported").unique(FLIGHT, keep="last")
    due = (
        tables()["schedules"]
        .filter(pl.col("published") <= moment)
        .sort("published")
        .unique(FLIGHT, keep="last")
        .filter(pl.col("departure_time").is_between(moment - 6 * HOUR, moment, closed="right"))
        .join(newest, on=FLIGHT, how="anti")
    )
    assert now.height == 3
    for row in now.iter_rows(named=True):
        of_origin = pl.col("origin") == row["origin"]
        for hours in (1, 3, 24):
            window = newest.filter(of_origin, pl.col("departed") > moment - hours * HOUR)
            mean = window["delay"].mean()
            assert row[f"airport_delay_{hours}h"] == pytest.approx(mean), hours
        assert row["airport_overdue"] == due.filter(of_origin).height


spans = st.lists(
    st.tuples(
        st.sampled_from("ab"),
        st.integers(0, 20),
        st.integers(0, 20) | st.none(),
        st.integers(-5, 5),
    ),
    max_size=20,
)


@given(spans)
@settings(max_examples=200)
def test_totals_equal_a_loop(rows: list[tuple[str, int, int | None, int]]) -> None:
    frame = pl.DataFrame(
        [(by, START + o * HOUR, c if c is None else START + c * HOUR, v) for by, o, c, v in rows],
        schema={"by": pl.String, "opens": TIME, "closes": TIME, "value": pl.Int64},
        orient="row",
    )
    hours = pl.LazyFrame({"tick": [START + hour * HOUR for hour in range(24)]})
    grid = pl.DataFrame({"by": ["a", "b"]}).lazy().join(hours.cast({"tick": TIME}), how="cross")
    found = totals(
        frame.lazy(), grid, ["by"], ["value"], opens=pl.col("opens"), closes=pl.col("closes")
    ).collect()
    for row in found.iter_rows(named=True):
        hour = (row["tick"] - START) // HOUR
        expected = sum(
            v for by, o, c, v in rows if by == row["by"] and o <= hour and (c is None or hour < c)
        )
        assert row["value"] == expected
