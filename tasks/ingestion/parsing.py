"""Reading a landed file into the columns and types that its table declares.

Columns that a table does not declare are left out: a feed may grow before anyone wants what it
brings. A column that is missing, or holds a value of another type, refuses the file.
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
"""How each type of the YAML is held in the lake."""
_WRITTEN = {
    "text": "text",
    "integer": "whole numbers",
    "number": "numbers",
    "boolean": "true or false",
    "time": "UTC times like 2013-01-31T18:05:00Z, or dates like 2013-01-31",
}


def lake_schema(table: Table) -> dict[str, pl.DataType]:
    """The lake's column types of a table, in the YAML's order."""
    return {name: LAKE_TYPES[kind] for name, kind in table.columns.items()}


def parse_file(content: bytes, path: str, table: Table) -> pl.DataFrame:
    """The rows of a Parquet or CSV file, typed as the table declares and in its column order.

    In CSV an empty field is null and the first line names the columns. A time without a zone is
    UTC, a date its first moment. NaN becomes null. RefusedBatch names file, column and fix.
    """
    found = _parse_any(content, path)
    missing = [name for name in table.columns if name not in found.columns]
    if missing:
        raise RefusedBatch(
            f"{path}: column {', '.join(missing)} is missing (there are: "
            f"{', '.join(found.columns) or 'none'}); land the file with it, or change the YAML"
        )
    typed = found.select(cast_column(found[name], kind) for name, kind in table.columns.items())
    for name, kind in table.columns.items():
        _require_all(found[name], typed[name], path, kind)
    return typed.with_columns(pl.selectors.float().fill_nan(None))


def _parse_any(content: bytes, path: str) -> pl.DataFrame:
    kind = "CSV" if path.endswith(".csv") else "Parquet"
    try:
        if kind == "CSV":
            return pl.read_csv(BytesIO(content), infer_schema=False)
        return pl.read_parquet(BytesIO(content))
    except pl.exceptions.NoDataError as empty:
        raise RefusedBatch(f"{path}: the file is empty; land it again") from empty
    except pl.exceptions.PolarsError as broken:
        why = str(broken).splitlines()[0]
        raise RefusedBatch(f"{path}: not readable as {kind} ({why}); land it again") from broken


def cast_column(column: pl.Series, kind: ColumnType) -> pl.Series:
    """The column in its type; null where a value is none of that type."""
    held = column.dtype
    if held == pl.String and kind != "text":
        return _from_text(column, kind)
    same_family = {
        "text": held in (pl.String, pl.Categorical, pl.Enum),
        "integer": held.is_integer(),
        "number": held.is_numeric(),
        "boolean": held == pl.Boolean,
        "time": held in (pl.Datetime, pl.Date),
    }[kind]
    if held == pl.Null or not same_family:
        return pl.Series(column.name, [None] * len(column), LAKE_TYPES[kind])
    if held == pl.Date:
        column = column.cast(pl.Datetime("us"))
    if kind == "time" and column.dtype.time_zone is None:  # type: ignore[attr-defined]
        column = column.dt.replace_time_zone("UTC")
    return column.cast(LAKE_TYPES[kind], strict=False)


def _from_text(column: pl.Series, kind: ColumnType) -> pl.Series:
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


def _require_all(found: pl.Series, typed: pl.Series, path: str, kind: ColumnType) -> None:
    lost = found.is_not_null() & typed.is_null()
    if lost.any():
        row = lost.arg_max() or 0
        raise RefusedBatch(
            f"{path}: column {found.name} must hold {_WRITTEN[kind]}, but row {row + 1} of "
            f"{lost.len()} holds {found[row]!r} ({found.dtype}); land the file with the right type"
        )
