"""Parsing of landed Parquet and CSV files into the columns and types of their table.

Columns that the table does not declare are ignored, so a feed may add some. A missing column, or a
value of another type, refuses the file.
"""

from __future__ import annotations

from io import BytesIO

import polars as pl

from configs.errors import RefusedBatch
from configs.schema.base import ColumnType
from configs.schema.data import Table

LAKE_TYPES: dict[ColumnType, pl.DataType] = {
    "text": pl.String(),
    "integer": pl.Int64(),
    "number": pl.Float64(),
    "boolean": pl.Boolean(),
    "time": pl.Datetime("us", "UTC"),
}
"""Lake type of each column type of the YAML."""
_TYPE_HINTS = {
    "text": "text",
    "integer": "whole numbers",
    "number": "numbers",
    "boolean": "true or false",
    "time": "UTC times like 2013-01-31T18:05:00Z, or dates like 2013-01-31",
}


def lake_schema(table: Table) -> dict[str, pl.DataType]:
    """Return the lake types of a table's columns, in the YAML's order."""
    return {name: LAKE_TYPES[kind] for name, kind in table.columns.items()}


def parse_file(content: bytes, path: str, table: Table) -> pl.DataFrame:
    """Parse a Parquet or CSV file into typed rows, in the table's column order.

    In CSV an empty field is null and the first line names the columns. A time without a zone is
    UTC, a date is its midnight. NaN becomes null. Raises RefusedBatch for an invalid file.
    """
    raw = _read_untyped(content, path)
    missing = [name for name in table.columns if name not in raw.columns]
    if missing:
        raise RefusedBatch(
            f"{path}: column {', '.join(missing)} is missing (columns found: "
            f"{', '.join(raw.columns) or 'none'}); land the file with it, or change the YAML"
        )
    typed = raw.select(cast_column(raw[name], kind) for name, kind in table.columns.items())
    for name, kind in table.columns.items():
        _require_lossless(raw[name], typed[name], path, kind)
    return typed.with_columns(pl.selectors.float().fill_nan(None))


def _read_untyped(content: bytes, path: str) -> pl.DataFrame:
    kind = "CSV" if path.endswith(".csv") else "Parquet"
    try:
        if kind == "CSV":
            return pl.read_csv(BytesIO(content), infer_schema=False)
        return pl.read_parquet(BytesIO(content))
    except pl.exceptions.NoDataError as error:
        raise RefusedBatch(f"{path}: the file is empty; land it again") from error
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise RefusedBatch(f"{path}: not readable as {kind} ({reason}); land it again") from error


def cast_column(column: pl.Series, kind: ColumnType) -> pl.Series:
    """Return the column in its lake type; null where a value cannot be converted."""
    dtype = column.dtype
    if dtype == pl.String and kind != "text":
        return _cast_text(column, kind)
    same_family = {
        "text": dtype in (pl.String, pl.Categorical, pl.Enum),
        "integer": dtype.is_integer(),
        "number": dtype.is_numeric(),
        "boolean": dtype == pl.Boolean,
        "time": dtype in (pl.Datetime, pl.Date),
    }[kind]
    if dtype == pl.Null or not same_family:
        return pl.Series(column.name, [None] * len(column), LAKE_TYPES[kind])
    if dtype == pl.Date:
        column = column.cast(pl.Datetime("us"))
    if kind == "time" and column.dtype.time_zone is None:  # type: ignore[attr-defined]
        column = column.dt.replace_time_zone("UTC")
    return column.cast(LAKE_TYPES[kind], strict=False)


def _cast_text(column: pl.Series, kind: ColumnType) -> pl.Series:
    if kind == "time":
        column = column.str.replace(r"^\d{4}-\d\d-\d\d$", "${0}T00:00:00")
        zoned = pl.when(column.str.contains(r"[+-]\d\d:?\d\d$|Z$")).then(column)
        utc = zoned.otherwise(column + "Z").str.replace(" ", "T", literal=True)
        parsed = utc.str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False)
        return pl.select(parsed.alias(column.name)).to_series()
    if kind == "boolean":
        values = {"true": True, "false": False}
        return column.str.to_lowercase().replace_strict(
            values, default=None, return_dtype=pl.Boolean()
        )
    return column.cast(LAKE_TYPES[kind], strict=False)


def _require_lossless(raw: pl.Series, typed: pl.Series, path: str, kind: ColumnType) -> None:
    """Raise RefusedBatch if a value became null by its conversion."""
    lost = raw.is_not_null() & typed.is_null()
    if lost.any():
        row = lost.arg_max() or 0
        raise RefusedBatch(
            f"{path}: column {raw.name} must hold {_TYPE_HINTS[kind]}, but row {row + 1} of "
            f"{lost.len()} holds {raw[row]!r} ({raw.dtype}); land the file with the right type"
        )
