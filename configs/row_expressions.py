"""Expressions of a use case's YAML that give one number a row, in the SQL of polars.

The syntax is closed: an expression names columns, and no file, table or code. It is tried on a few
rows when the YAML is read, so that it fails there, and not in a run.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

_NAMES_SHOWN = 40
_SAMPLES: Mapping[str, list[Any]] = {
    "text": ["a", "b", None, "a", "c"],
    "integer": [1, 0, None, 1, 3],
    "number": [0.5, 2.0, None, 0.5, -1.0],
    "boolean": [True, False, None, True, True],
    "time": [*(datetime(2013, 1, day, day, tzinfo=UTC) for day in (1, 2)), None,
             *(datetime(2013, 1, day, day, tzinfo=UTC) for day in (1, 4))],
}  # fmt: skip


def to_polars_type(column_type: str) -> pl.DataType:
    """Return the polars type of a column, by its type in the YAML."""
    import polars as pl  # slow, and most YAML files have no expression

    types = {
        "text": pl.String(), "integer": pl.Int64(), "number": pl.Float64(),
        "boolean": pl.Boolean(), "time": pl.Datetime("us", "UTC"),
    }  # fmt: skip
    return types[column_type]


def list_expression_columns(expression: str) -> list[str]:
    """Return the columns that an expression names, each once."""
    import polars as pl

    return list(dict.fromkeys(pl.sql_expr(expression).meta.root_names()))


def evaluate_expression(expression: str, rows: pl.DataFrame) -> pl.Series:
    """Return the numbers of an expression, null where it has none that is finite."""
    import polars as pl

    value = pl.sql_expr(expression).cast(pl.Float64).alias("value")
    numbers = rows.select(value).to_series()
    if len(numbers) == 1 and rows.height != 1:  # of an expression without columns
        numbers = numbers.new_from_index(0, rows.height)
    return numbers.set(~numbers.is_finite(), None)


def find_expression_error(expression: str, columns: Mapping[str, str]) -> str:
    """Return why an expression cannot be used, with what to do; "" if it can.

    Args:
        expression: the text.
        columns: the columns that it may name, with their types.
    """
    import polars as pl

    try:
        names = list_expression_columns(expression)
    except Exception as error:  # noqa: BLE001 - the parser raises several of its own
        return f"is not readable: {_first_line(error)}; write SQL like CASE WHEN … THEN … END"
    unknown = [name for name in names if name not in columns]
    if unknown:
        known = ", ".join(list(columns)[:_NAMES_SHOWN])
        return f"names the column {unknown[0]!r}, which does not exist; use {known}"
    if not names:
        return f"names no column; use {', '.join(list(columns)[:_NAMES_SHOWN])}"
    sample = pl.DataFrame(
        {name: pl.Series(_SAMPLES[columns[name]], dtype=to_polars_type(columns[name]))
         for name in names}
    )  # fmt: skip
    try:
        whole = evaluate_expression(expression, sample)
        alone = [evaluate_expression(expression, row).to_list() for row in sample.iter_slices(1)]
    except Exception as error:  # noqa: BLE001 - any function may fail in its own way
        return f"gives no number: {_first_line(error)}; cast the columns, or change it"
    if [[value] for value in whole.to_list()] != alone:
        return "mixes rows; write one number a row, without SUM, AVG, RANK and the like"
    return ""


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:200]
