"""Parquet of other programs: every type is read exactly, or the file is refused by column."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from io import BytesIO

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from configs.errors import RefusedBatch
from configs.schema.data import Table
from tasks.ingestion.parsing.file_schema import parse_file

TEN = datetime(2024, 3, 1, 10, tzinfo=UTC)
NAIVE = TEN.replace(tzinfo=None)


def odd_table(kind: str) -> Table:
    fields = {"files": "*.parquet", "columns": {"x": kind}, "keys": ["x"], "suite": "any"}
    return Table.model_validate(fields | {"known_from": datetime(2024, 1, 1, tzinfo=UTC)})


def odd_parquet(column: pa.Array, **options: object) -> bytes:
    out = BytesIO()
    parquet.write_table(pa.table({"x": column}), out, **options)
    return out.getvalue()


@pytest.mark.parametrize(
    "year", [1, 1000, 1582, 1677, 1970, 2262, 2263, 9999]
)  # nanoseconds end in 1677 and 2262
def test_int96_times_of_any_year_are_kept(year: int) -> None:
    moment = TEN.replace(year=year, microsecond=123456)
    content = odd_parquet(
        pa.array([moment, None], pa.timestamp("us", "UTC")), use_deprecated_int96_timestamps=True
    )
    rows = parse_file(content, "a.parquet", odd_table("time"))
    assert rows["x"].to_list() == [moment, None]


@pytest.mark.parametrize(
    ("column", "kind", "expected"),
    [
        (pa.array([NAIVE], pa.timestamp("ns")), "time", TEN),
        (pa.array([NAIVE], pa.timestamp("s", "+02:00")), "time", TEN),
        (pa.array([NAIVE], pa.timestamp("ms", "Asia/Tokyo")), "time", TEN),
        (pa.array([TEN.date()], pa.date64()), "time", TEN.replace(hour=0)),
        (pa.array([Decimal("7.000")], pa.decimal128(38, 3)), "integer", 7),
        (pa.array([Decimal("0.1")], pa.decimal256(60, 3)), "number", 0.1),
        (pa.array([Decimal(10**30)], pa.decimal128(38, 0)), "text", str(10**30)),
        (pa.array([2**63 - 1], pa.uint64()), "integer", 2**63 - 1),
        (pa.array([np.float16(1.5)], pa.float16()), "number", 1.5),
        (pa.array([3.0], pa.float32()), "integer", 3),
        (pa.array(["a"], pa.large_string()), "text", "a"),
        (pa.array(["a"]).dictionary_encode(), "text", "a"),
        (pa.array([b"\xc3\xa9"], pa.binary()), "text", "é"),
        (pa.array([[1, 2]], pa.list_(pa.int32())), "text", "[1,2]"),
        (pa.array([{"a": 1}], pa.struct({"a": pa.int64()})), "text", '{"a":1}'),
        (pa.array([True]), "boolean", True),
        (pa.array([float("nan")]), "number", None),
        (pa.nulls(1), "time", None),
    ],
)
def test_a_type_is_read_exactly(column: pa.Array, kind: str, expected: object) -> None:
    rows = parse_file(odd_parquet(column), "a.parquet", odd_table(kind))
    assert rows["x"].to_list() == [expected]


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (pa.array([2**64 - 1], pa.uint64()), "integer"),
        (pa.array([Decimal("7.5")], pa.decimal128(38, 3)), "integer"),
        (pa.array([2**53 + 1]), "number"), (pa.array([1.5]), "integer"),
        (pa.array([7]), "text"), (pa.array([7.5]), "text"), (pa.array([True]), "text"),
        (pa.array([Decimal("7.50")], pa.decimal128(38, 2)), "text"),
        (pa.array([b"\xff"], pa.binary()), "text"), (pa.array([1]), "boolean"),
        (pa.array([True]), "integer"), (pa.array([7]), "time"),
        (pa.array([7], pa.duration("s")), "time"), (pa.array([7], pa.time32("s")), "time"),
        (pa.array([2**60], pa.timestamp("ms")), "time"),
    ],
)  # fmt: skip
def test_a_type_that_does_not_fit_refuses_the_file(column: pa.Array, kind: str) -> None:
    with pytest.raises(RefusedBatch, match=r"^a\.parquet: .*"):
        parse_file(odd_parquet(column), "a.parquet", odd_table(kind))


def test_a_column_twice_and_a_file_of_no_rows() -> None:
    out = BytesIO()
    twice = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["x", "x"])
    parquet.write_table(twice, out)
    with pytest.raises(RefusedBatch, match="column x occurs 2 times"):
        parse_file(out.getvalue(), "a.parquet", odd_table("integer"))
    empty = parse_file(odd_parquet(pa.array([], pa.string())), "a.parquet", odd_table("integer"))
    assert empty.is_empty()
