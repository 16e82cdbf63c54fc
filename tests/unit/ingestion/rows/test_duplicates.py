"""Rows that arrive twice count once; only rows that differ are a question."""

from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st

from configs.schema.use_case import UseCase
from tests.support.landing import assert_rows_of_files_add_up, ingest_landed, rows_of
from tests.support.parcel_files import NOON, land_lines, line, parcels_use_case
from tests.support.state import state

AT_10, AT_11 = "2024-03-01T10:00:00Z", "2024-03-01T11:00:00Z"
A, B, C = ("A", 1, AT_10), ("B", 1, AT_10), ("C", 1, AT_10)
HEAVY_B, BROKEN_B, LATER_B = ("B", 9, AT_10), ("B", 900, AT_10), ("B", 9, AT_11)
DIFFER, BEFORE = "rows_differ(parcel, sent)", "taken_before(parcel, sent)"
CASES = [  # rows of two files; accepted, quarantined; reasons
    ([A, B, B, C], [], 3, 0, set()),
    ([A, B, HEAVY_B, C], [], 2, 2, {DIFFER}),
    ([A, B, HEAVY_B, HEAVY_B], [], 1, 2, {DIFFER}),
    ([A, B, LATER_B], [], 3, 0, set()),
    ([A, BROKEN_B, BROKEN_B], [], 1, 1, {"values_to_be_between(weight)"}),
    ([A, BROKEN_B, B], [], 2, 1, {"values_to_be_between(weight)"}),
    ([("Ü", "", AT_10)] * 3, [], 1, 0, set()),
    ([A, B], [B, C], 3, 0, set()),
    ([A, B], [HEAVY_B, C], 3, 1, {BEFORE}),
    ([A, BROKEN_B], [B], 2, 1, {"values_to_be_between(weight)"}),
    ([A, BROKEN_B], [BROKEN_B, C], 2, 1, {"values_to_be_between(weight)"}),
    ([A, B], [A, B, HEAVY_B, HEAVY_B], 2, 1, {BEFORE}),
]


@pytest.fixture
def use_case(home: Path) -> UseCase:
    return parcels_use_case()


@pytest.mark.parametrize("runs", ["together", "apart"])
def test_copies_count_once_and_rows_that_differ_are_quarantined(
    use_case: UseCase, runs: str
) -> None:
    """All cases in one pair of files, each with parcels of its own."""
    for file in (0, 1):
        rows = [
            line(f"{number}-{parcel}", weight, sent)
            for number, case in enumerate(CASES)
            for parcel, weight, sent in case[file]
        ]
        land_lines(f"parcels/{file}.csv", *rows)
        if runs == "apart":
            ingest_landed(use_case, NOON + timedelta(hours=file))
    ingest_landed(use_case, NOON + timedelta(days=1))
    assert_rows_of_files_add_up(use_case)
    raw, bad = rows_of(use_case, "raw/parcels"), rows_of(use_case, "quarantine/parcels")
    for number, (*_, accepted, quarantined, reasons) in enumerate(CASES):
        own = pl.col("parcel").str.starts_with(f"{number}-")
        told = bad.filter(own)
        assert (raw.filter(own).height, told.height) == (accepted, quarantined), number
        assert set(told["_reasons"].explode().to_list()) == reasons, number


def test_a_file_that_grows_brings_its_new_rows_alone(use_case: UseCase) -> None:
    rows = [line(f"P{number}") for number in range(500)]
    land_lines("parcels/all.csv", *rows[:400])
    ingest_landed(use_case, NOON)
    land_lines("parcels/all.csv", *rows)
    (verdict,) = ingest_landed(use_case, NOON).verdicts
    assert (verdict.accepted, verdict.quarantined, verdict.repeated) == (100, 0, 400)
    assert_rows_of_files_add_up(use_case)


ROWS = st.builds(
    line,
    st.sampled_from("ABCD"),
    st.sampled_from([1.0, 2.0, 900.0, "", 0.1]),
    st.sampled_from(["2024-03-01T10:00:00Z", "2024-03-01T11:00:00Z", "", "1901-01-01"]),
)


@settings_of_hypothesis(max_examples=5, deadline=None)
@given(st.lists(st.lists(ROWS, min_size=1, max_size=6), min_size=1, max_size=3), st.booleans())
def test_every_landed_row_is_told_once(files: list[list[str]], together: bool) -> None:
    with TemporaryDirectory() as folder, state(Path(folder)):
        use_case = parcels_use_case()
        for number, lines in enumerate(files):
            land_lines(f"parcels/{number}.csv", *lines)
            if not together:
                ingest_landed(use_case, NOON + timedelta(hours=number))
        ingest_landed(use_case, NOON + timedelta(days=1))
        assert_rows_of_files_add_up(use_case)
        raw = rows_of(use_case, "raw/parcels")
        assert raw.is_empty() or raw.select("parcel", "sent").is_unique().all()
