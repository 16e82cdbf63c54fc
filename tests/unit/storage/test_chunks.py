"""Rows put aside are whole or not there, and a window in parts is the window in one piece."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from configs.errors import Conflict
from tasks.storage.chunks import Chunk, chunk_in_memory, remove_spill, spill_chunk, spill_folder
from tasks.storage.lake import Lake

START = datetime(2013, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
WEEK = (START, START + 7 * DAY)


def hours(first: int, last: int, value: int = 0) -> pl.DataFrame:
    times = [START + timedelta(hours=h) for h in range(first, last)]
    types = {"at": pl.Datetime("us", "UTC"), "key": pl.Int64, "value": pl.Int64, "name": pl.String}
    rows = {"at": times, "key": range(first, last), "value": value, "name": "a"}
    return pl.DataFrame(rows, schema_overrides=types)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def split_in_chunks(lake: Lake, *values: int) -> list[Chunk]:
    """A week by days, each of them put aside, with one value a day."""
    days = enumerate(values)
    folder = spill_folder(lake.root, WEEK)
    return [
        spill_chunk(
            (START + day * DAY, START + (day + 1) * DAY),
            hours(24 * day, 24 * (day + 1), value),
            folder,
        )
        for day, value in days
    ]


def replace(lake: Lake, rows: pl.DataFrame | list[Chunk], window=WEEK) -> int | None:
    return lake.replace_window("t", rows, "at", window, keys=["key"], ignoring=["name"])


def test_a_window_in_parts_is_the_same_table_as_in_one_piece(lake: Lake) -> None:
    assert replace(lake, split_in_chunks(lake, *range(7))) == 0
    whole = pl.concat(part.read() for part in split_in_chunks(lake, *range(7)))
    held = lake.scan("t").collect()
    assert held.sort("at").equals(whole)
    assert held.schema == whole.schema
    assert replace(lake, whole.reverse()) == 0
    assert replace(lake, split_in_chunks(lake, *range(7))[::-1]) == 0


def test_one_other_part_replaces_the_window_in_one_commit(lake: Lake) -> None:
    replace(lake, hours(-24, 24 * 8), (START - DAY, START + 8 * DAY))
    assert replace(lake, split_in_chunks(lake, 0, 0, 0, 5, 0, 0, 0)) == 1
    held = lake.scan("t").collect()
    assert held.height == 24 * 9
    assert held.filter(pl.col("value") == 5)["at"].min() == START + 3 * DAY


def test_rows_that_no_part_covers_are_taken_away(lake: Lake) -> None:
    replace(lake, split_in_chunks(lake, *range(7)))
    assert replace(lake, split_in_chunks(lake, *range(6))) == 1
    assert lake.scan("t").collect().height == 24 * 6


def test_rows_outside_their_own_span_are_a_mistake(lake: Lake) -> None:
    wrong = chunk_in_memory((START, START + DAY), hours(0, 30))
    with pytest.raises(ValueError, match="6 rows lie outside"):
        replace(lake, [wrong, chunk_in_memory((START + DAY, WEEK[1]), hours(30, 40))])


def test_spill_chunk_is_reproducible_and_complete(lake: Lake) -> None:
    first, again = split_in_chunks(lake, 1)[0], split_in_chunks(lake, 1)[0]
    assert first == again
    folder = Path(spill_folder(lake.root, WEEK))
    assert [path.name for path in folder.iterdir()] == [Path(first.address).name]


def test_what_was_put_aside_can_be_cleared_twice_and_is_missed(lake: Lake) -> None:
    one = split_in_chunks(lake, 1)[0]
    folder = spill_folder(lake.root, WEEK)
    remove_spill(folder)
    remove_spill(folder)
    assert not Path(folder).exists()
    with pytest.raises(Conflict, match="another run of the same window"):
        one.read()
