"""Feast types of polars columns, and Arrow tables as Feast's own stores return them."""

from __future__ import annotations

import polars as pl
import pyarrow as pa
from feast import ValueType

_TYPES: dict[type[pl.DataType], ValueType] = {
    pl.Int8: ValueType.INT32,
    pl.Int16: ValueType.INT32,
    pl.Int32: ValueType.INT32,
    pl.Int64: ValueType.INT64,
    pl.UInt8: ValueType.INT32,
    pl.UInt16: ValueType.INT32,
    pl.UInt32: ValueType.INT64,
    pl.Float32: ValueType.FLOAT,
    pl.Float64: ValueType.DOUBLE,
    pl.Decimal: ValueType.DECIMAL,
    pl.Boolean: ValueType.BOOL,
    pl.String: ValueType.STRING,
    pl.Categorical: ValueType.STRING,
    pl.Enum: ValueType.STRING,
    pl.Binary: ValueType.BYTES,
    pl.Date: ValueType.UNIX_TIMESTAMP,
    pl.Datetime: ValueType.UNIX_TIMESTAMP,
}


def find_value_type(name: str, kind: pl.DataType) -> ValueType:
    """Return the Feast type of a column; raise TypeError if Feast has none for it."""
    if isinstance(kind, pl.Struct):
        return ValueType.STRUCT
    if isinstance(kind, pl.List | pl.Array):
        inner = kind.inner
        if isinstance(inner, pl.List | pl.Array):
            return ValueType.VALUE_LIST
        if isinstance(inner, pl.Struct):
            is_map = [field.name for field in inner.fields] == ["key", "value"]
            return ValueType.MAP if is_map else ValueType.STRUCT_LIST
        assert isinstance(inner, pl.DataType)
        listed = f"{find_value_type(name, inner).name}_LIST"
        if listed in ValueType.__members__:
            return ValueType[listed]
    elif type(kind) in _TYPES:
        return _TYPES[type(kind)]
    raise TypeError(
        f"column {name!r} has type {kind}, which Feast cannot hold. Store it as a number, a text, "
        "a boolean, a time, bytes, or a list of these"
    )


def to_feast_arrow(rows: pl.DataFrame) -> pa.Table:
    """Return an Arrow table with `string`, `binary` and `list` in place of the large types."""
    table = rows.to_arrow(compat_level=pl.CompatLevel.oldest())
    return table.cast(pa.schema([field.with_type(_shrink(field.type)) for field in table.schema]))


def _shrink(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_large_string(kind):
        return pa.string()
    if pa.types.is_large_binary(kind):
        return pa.binary()
    if pa.types.is_large_list(kind) or pa.types.is_list(kind):
        return pa.list_(_shrink(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_shrink(field.type)) for field in kind])
    if pa.types.is_dictionary(kind):
        return pa.string()
    return kind
