"""The point-in-time join against an oracle of plain loops, on tables made to be awkward."""

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo.point_in_time import FeatureTable, join, latest

START = datetime(2013, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
TIME = pl.Datetime("us", "UTC")

# few hours and few keys, so that ties, duplicates, corrections and ttl borders are the rule
hours = st.integers(0, 12).map(lambda number: START + number * HOUR)
text_key = st.sampled_from(["a", "b", None])
number_key = st.sampled_from([1, 2, None])
feature_rows = st.lists(st.tuples(text_key, number_key, hours, hours), max_size=25)
entity_rows = st.lists(st.tuples(text_key, number_key, hours), max_size=15)
ttls = st.sampled_from([None, HOUR, 3 * HOUR, 100 * HOUR])
windows = st.sampled_from([HOUR, 4 * HOUR, timedelta(days=31)])

Row = tuple[Any, ...]


def oracle(asked: Row, rows: list[Row], ttl: timedelta | None) -> Row | None:
    """The row that a careful person would pick: keys, event and created, as a loop."""
    *keys, time = asked
    best: Row | None = None
    for row in rows:
        *its_keys, event, created, _ = row
        if None in keys or its_keys != keys or event > time or created > time:
            continue
        if ttl is not None and event < time - ttl:
            continue
        if best is None or (event, created) >= (best[-3], best[-2]):
            best = row  # of equal times the last one of the table
    return best


def table(rows: list[Row], keys: dict[str, Any], value: str, ttl: timedelta | None) -> FeatureTable:
    schema = {**keys, "event": TIME, "created": TIME, value: pl.Int64}
    return FeatureTable(
        rows=pl.DataFrame(rows, schema=schema, orient="row").lazy(),
        keys={key: key for key in keys},
        features={value: value},
        event="event",
        created="created",
        ttl=ttl,
    )


@given(feature_rows, feature_rows, entity_rows, ttls, ttls, windows)
@settings(max_examples=400)
def test_join_equals_the_oracle(
    both: list[Row],
    one: list[Row],
    asked: list[Row],
    ttl_both: timedelta | None,
    ttl_one: timedelta | None,
    window: timedelta,
) -> None:
    rows_both = [(*row, number) for number, row in enumerate(both)]
    rows_one = [(row[0], *row[2:], number) for number, row in enumerate(one)]
    entities = pl.DataFrame(
        asked, schema={"text": pl.String, "number": pl.Int64, "time": TIME}, orient="row"
    )
    found = join(
        entities,
        "time",
        [
            table(rows_both, {"text": pl.String, "number": pl.Int64}, "both", ttl_both),
            table(rows_one, {"text": pl.String}, "one", ttl_one),
        ],
        window,
    )
    expected_both = [oracle(row, rows_both, ttl_both) for row in asked]
    expected_one = [oracle((row[0], row[2]), rows_one, ttl_one) for row in asked]
    assert found.select(entities.columns).equals(entities)
    assert found["both"].to_list() == [row and row[-1] for row in expected_both]
    assert found["one"].to_list() == [row and row[-1] for row in expected_one]


@given(feature_rows, hours, hours)
@settings(max_examples=100)
def test_latest_is_what_was_known_at_the_end(
    rows: list[Row], one: datetime, other: datetime
) -> None:
    start, end = min(one, other), max(one, other)
    numbered = [(*row, number) for number, row in enumerate(rows)]
    keys = {"text": pl.String, "number": pl.Int64}
    found = latest(table(numbered, keys, "value", None), start, end).collect()
    expected = {
        row[:2]: picked[-1]
        for row in rows
        if (picked := oracle((*row[:2], end), numbered, end - start)) is not None
    }
    assert {(r["text"], r["number"]): r["value"] for r in found.to_dicts()} == expected


def test_a_late_correction_counts_from_when_it_was_known() -> None:
    event = START
    rows = [("a", event, event, 1), ("a", event, event + 5 * HOUR, 2)]
    asked = [("a", event + hour * HOUR) for hour in (0, 4, 5, 6)]
    entities = pl.DataFrame(asked, schema={"text": pl.String, "time": TIME}, orient="row")
    found = join(entities, "time", [table(rows, {"text": pl.String}, "value", None)])
    assert found["value"].to_list() == [1, 1, 2, 2]


def test_an_entity_row_without_time_is_refused() -> None:
    entities = pl.DataFrame({"text": ["a"], "time": pl.Series([None], dtype=TIME)})
    with pytest.raises(ValueError, match="1 entity rows have no time"):
        join(entities, "time", [table([], {"text": pl.String}, "value", None)])


def test_a_feature_named_like_a_column_is_refused() -> None:
    entities = pl.DataFrame({"text": ["a"], "time": [START], "value": [1]})
    with pytest.raises(ValueError, match="both columns and features: value"):
        join(entities, "time", [table([], {"text": pl.String}, "value", None)])
