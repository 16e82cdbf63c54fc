"""No value changes on its way into the lake: rows fit their table, or are refused by name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import hypothesis.strategies as st
import polars as pl
import pytest
from hypothesis import given

from configs.errors import Conflict, SchemaChanged
from tasks.storage.chunks import chunk_in_memory, spill_chunk
from tasks.storage.lake import Lake
from tasks.storage.table_schema import FittedChunks, choose_schema, fit_rows
from tests.support.day_rows import NEW_YEAR, WEEK, days

MOMENT = datetime(2024, 3, 1, 10, tzinfo=UTC)
VALUES = {
    pl.Int64(): [1, 2**53 + 1],
    pl.Int16(): [1, -3],
    pl.UInt8(): [1, 200],
    pl.UInt64(): [1, 2**63 - 1],
    pl.Float64(): [1.0, 7.5],
    pl.Float32(): [0.5, 2.0],
    pl.String(): ["0103", "A104"],
    pl.Boolean(): [True, False],
    pl.Datetime("us", "UTC"): [MOMENT, MOMENT + timedelta(microseconds=1)],
    pl.Datetime("ms", "UTC"): [MOMENT, MOMENT],
    pl.Datetime("us"): [MOMENT.replace(tzinfo=None)] * 2,
    pl.Date(): [MOMENT.date()] * 2,
    pl.Categorical(): ["a", "b"],
}
STORED = {
    pl.UInt8(): pl.Int16(),
    pl.UInt64(): pl.Int64(),
    pl.Datetime("ms", "UTC"): pl.Datetime("us", "UTC"),
    pl.Categorical(): pl.String(),
}


def rows_with(dtype: pl.DataType, first: int = 0) -> pl.DataFrame:
    return days(first, first + 2).with_columns(x=pl.Series(VALUES[dtype], dtype=dtype))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def test_a_first_commit_stores_every_value_as_it_is(lake: Lake) -> None:
    for number, (dtype, values) in enumerate(VALUES.items()):
        lake.append_once(f"t{number}", {"one": rows_with(dtype)})
        held = lake.scan(f"t{number}").collect().sort("day")["x"]
        assert held.dtype == STORED.get(dtype, dtype)
        assert held.cast(dtype).to_list() == values


@pytest.mark.parametrize("brought", VALUES, ids=str)
@pytest.mark.parametrize("held", VALUES, ids=str)
def test_rows_of_another_type_are_the_same_values_or_refused(
    held: pl.DataType, brought: pl.DataType
) -> None:
    stored, rows = choose_schema("t", None, [rows_with(held).schema]), rows_with(brought)
    if _is_lossless(stored["x"], brought):
        fitted = fit_rows("t", rows, choose_schema("t", stored, [rows.schema]))
        assert fitted.schema == stored
        assert fitted["x"].cast(brought).equals(rows["x"])
        return
    with pytest.raises(SchemaChanged, match="t: column x is") as refused:
        fit_rows("t", rows, choose_schema("t", stored, [rows.schema]))
    assert f"is {stored['x']} in the table, but {brought}" in str(refused.value)


def _is_lossless(stored: pl.DataType, brought: pl.DataType) -> bool:
    if stored.is_integer() and brought.is_integer():
        info = {pl.Int16(): 2**15, pl.Int64(): 2**63}
        return max(VALUES[brought]) < info[stored]
    widened = (brought, stored) == (pl.Float32(), pl.Float64())
    return widened or STORED.get(brought, brought) == stored


@pytest.mark.parametrize("write", ["append", "window", "chunks"])
def test_a_type_is_refused_by_every_way_to_write(lake: Lake, write: str) -> None:
    lake.append_once("t", {"before": rows_with(pl.Int64(), -4)})
    rows, half = rows_with(pl.Float64()), NEW_YEAR + timedelta(days=1)
    spans = [(NEW_YEAR, half), (half, WEEK[1])]
    folder = f"{lake.root}/aside"
    parts = [spill_chunk(span, rows[n : n + 1], folder) for n, span in enumerate(spans)]
    ways = {
        "append": lambda: lake.append_once("t", {"one": rows}),
        "window": lambda: lake.replace_window("t", rows, "day", WEEK),
        "chunks": lambda: lake.replace_window("t", parts, "day", WEEK),
    }
    with pytest.raises(SchemaChanged, match=r"/t: column x is Int64 in the table, but Float64"):
        ways[write]()
    assert lake.version("t") == 0


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1))
def test_an_integer_goes_in_whole_or_not_at_all(values: list[int]) -> None:
    rows = pl.DataFrame({"x": pl.Series(values, dtype=pl.Int64)})
    narrow = choose_schema("t", pl.Schema({"x": pl.Int32()}), [rows.schema])
    if all(-(2**31) <= value < 2**31 for value in values):
        assert fit_rows("t", rows, narrow)["x"].to_list() == values
        return
    with pytest.raises(SchemaChanged, match="it does not hold the value"):
        fit_rows("t", rows, narrow)


def test_a_column_that_goes_is_null_in_new_rows_and_kept_in_old_ones(lake: Lake) -> None:
    lake.append_once("t", {"one": days(0, 2).with_columns(gone=pl.lit(7))})
    lake.append_once("t", {"two": days(2, 3)})
    lake.append_once("t", {"three": days(3, 4).with_columns(new=pl.lit("n"))})
    held = lake.scan("t").collect().sort("day")
    assert held["gone"].to_list() == [7, 7, None, None]
    assert held["new"].to_list() == [None, None, None, "n"]


def test_a_column_of_nulls_takes_the_type_of_the_table_or_needs_one(lake: Lake) -> None:
    empty = days(2, 3).with_columns(x=pl.lit(None))
    with pytest.raises(SchemaChanged, match="column x has only nulls and no type"):
        lake.append_once("t", {"one": empty})
    lake.append_once("t", {"one": days(0, 2).with_columns(x=pl.lit(1.5))})
    lake.append_once("t", {"two": empty})
    assert lake.scan("t").collect().sort("day")["x"].to_list() == [1.5, 1.5, None]


def test_chunks_of_several_types_are_one_table_or_refused(lake: Lake) -> None:
    half = NEW_YEAR + timedelta(days=2)
    parts = [
        chunk_in_memory((NEW_YEAR, half), days(0, 2).with_columns(x=pl.lit(None))),
        chunk_in_memory((half, WEEK[1]), days(2, 4).with_columns(x=pl.lit(2.5))),
    ]
    lake.replace_window("t", parts, "day", WEEK)
    assert lake.scan("t").collect().sort("day")["x"].to_list() == [None, None, 2.5, 2.5]
    whole = chunk_in_memory((NEW_YEAR, half), days(0, 2).with_columns(x=pl.lit(1)))
    with pytest.raises(SchemaChanged, match="column x is Int32 in the table, but Float64"):
        lake.replace_window("other", [whole, parts[1]], "day", WEEK)


def test_rows_in_place_of_all_rows_bring_their_own_types(lake: Lake) -> None:
    lake.replace_window("t", days(0, 5).with_columns(x=pl.lit(1)), "day", WEEK)
    numbers = days(0, 4).with_columns(x=pl.lit(1.5))
    with pytest.raises(SchemaChanged, match=r"column x is Int32 .* Float64"):
        lake.replace_window(
            "t", days(0, 2).with_columns(x=1.5), "day", (NEW_YEAR, WEEK[0] + timedelta(days=2))
        )
    assert lake.replace_window("t", numbers, "day", WEEK) == 1
    assert lake.scan("t").collect().sort("day")["x"].to_list() == [1.5] * 4
    assert lake.scan("t", version=0).collect().schema["x"] == pl.Int32


def test_a_chunk_that_is_lost_on_the_way_keeps_its_type(lake: Lake) -> None:
    half = NEW_YEAR + timedelta(days=2)
    spans = [(NEW_YEAR, half), (half, WEEK[1])]
    parts = [spill_chunk(s, days(2 * n, 2 * n + 2), lake.root + "/x") for n, s in enumerate(spans)]
    reader = FittedChunks("t", parts, parts[0].read().schema)
    Path(parts[1].address).unlink()
    with pytest.raises(Exception, match="removed it"):
        reader.to_reader().read_all()
    assert isinstance(reader.error, Conflict)
