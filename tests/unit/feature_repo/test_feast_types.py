"""Feast types of polars columns: each has one, or is refused by name."""

from datetime import UTC, datetime

import polars as pl
import pyarrow as pa
import pytest
from feast import ValueType

from feature_repo.feast_types import find_value_type, to_feast_arrow


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (pl.Int8(), "INT32"), (pl.Int16(), "INT32"), (pl.Int32(), "INT32"), (pl.Int64(), "INT64"),
        (pl.UInt8(), "INT32"), (pl.UInt16(), "INT32"), (pl.UInt32(), "INT64"),
        (pl.Float32(), "FLOAT"), (pl.Float64(), "DOUBLE"), (pl.Boolean(), "BOOL"),
        (pl.String(), "STRING"), (pl.Categorical(), "STRING"), (pl.Enum(["a"]), "STRING"),
        (pl.Binary(), "BYTES"), (pl.Date(), "UNIX_TIMESTAMP"), (pl.Decimal(10, 2), "DECIMAL"),
        (pl.Datetime("us", "UTC"), "UNIX_TIMESTAMP"), (pl.Datetime("ms"), "UNIX_TIMESTAMP"),
        (pl.List(pl.Int32()), "INT32_LIST"), (pl.List(pl.String()), "STRING_LIST"),
        (pl.Array(pl.Float32(), 3), "FLOAT_LIST"), (pl.List(pl.Boolean()), "BOOL_LIST"),
        (pl.List(pl.Datetime("us")), "UNIX_TIMESTAMP_LIST"),
        (pl.List(pl.List(pl.Int64())), "VALUE_LIST"), (pl.Struct({"a": pl.Int64()}), "STRUCT"),
        (pl.List(pl.Struct({"key": pl.String(), "value": pl.String()})), "MAP"),
        (pl.List(pl.Struct({"a": pl.String()})), "STRUCT_LIST"),
    ],
)  # fmt: skip
def test_every_type_has_its_own(kind: pl.DataType, expected: str) -> None:
    assert find_value_type("x", kind) == ValueType[expected]


@pytest.mark.parametrize(
    "kind", [pl.Duration(), pl.Time(), pl.Null(), pl.Object(), pl.UInt64(), pl.List(pl.Time())]
)
def test_a_type_that_feast_cannot_hold_is_refused(kind: pl.DataType) -> None:
    with pytest.raises(TypeError, match=r"column 'x' has type .*, which Feast cannot hold"):
        find_value_type("x", kind)


def test_arrow_has_the_types_of_feasts_own_stores() -> None:
    rows = pl.DataFrame(
        {
            "text": ["a"],
            "texts": [["a"]],
            "bytes": [b"a"],
            "time": [datetime(2024, 1, 1, tzinfo=UTC)],
        }
    ).with_columns(level=pl.Series(["a"], dtype=pl.Categorical), part=pl.struct(x="text"))
    types = {field.name: field.type for field in to_feast_arrow(rows).schema}
    assert types == {
        "text": pa.string(), "texts": pa.list_(pa.string()), "bytes": pa.binary(),
        "time": pa.timestamp("us", "UTC"), "level": pa.string(),
        "part": pa.struct([("x", pa.string())]),
    }  # fmt: skip
