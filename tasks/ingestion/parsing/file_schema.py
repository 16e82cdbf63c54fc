"""Parsing of landed files (Parquet, CSV, JSON lines) into the columns and types of their table.

Columns that the table does not declare are ignored, so a feed may add some. A missing column, or a
value that the declared type cannot hold exactly, refuses the file.
"""

from __future__ import annotations

import re

import polars as pl
import pyarrow as pa

from configs.errors import RefusedBatch
from configs.schema.base import ColumnType
from configs.schema.data import Table
from configs.schema.landed import COMPRESSED_SUFFIXES, JSON_LINES_SUFFIXES, Column
from tasks.ingestion.parsing.column_values import LAKE_TYPES, cast_column, mark_nulls
from tasks.ingestion.parsing.csv_reader import read_csv
from tasks.ingestion.parsing.json_lines_reader import read_json_lines
from tasks.ingestion.parsing.parquet_reader import read_parquet

_CODECS = dict(zip(COMPRESSED_SUFFIXES, ("gzip", "zstd"), strict=True))
_TYPE_HINTS = {
    "text": "text",
    "integer": "whole numbers",
    "number": "numbers",
    "boolean": "true or false",
    "time": "UTC times like 2013-01-31T18:05:00Z, or dates like 2013-01-31",
}
_MISSING_TEXT = r"(?i)n/?a|#n/a|null|none|nil|\\n|nan|-+|\?|\.|missing|unknown"
_FIXES: tuple[tuple[tuple[ColumnType, ...], str, str], ...] = (
    (("integer", "number", "boolean", "time"), _MISSING_TEXT,
     "if it means missing, add csv: {nulls: [VALUE]} to the table"),
    (("integer", "number"), r"[+-]?\d*,\d+", 'for a decimal comma add csv: {decimal: ","}'),
    (("integer", "number"), r"[+-]?\d{1,3}([., ']\d{3})+([.,]\d*)?",
     "for signs between thousands add csv: {thousands, decimal}"),
    (("integer",), r"[+-]?\d*\.\d+", "declare it as number, or land whole numbers"),
    (("integer", "number"), r"[+-]?\d{16,}(\.0*)?",
     "the type cannot hold all its digits; declare it as text"),
    (("time",), r"\d{9,11}(\.0*)?", "for seconds since 1970 add format: epoch_s"),
    (("time",), r"\d{12,14}(\.0*)?", "for milliseconds since 1970 add format: epoch_ms"),
    (("time",), r".*\d[/.-].*", "state how it is written, like format: '%m/%d/%Y %H:%M'"),
)  # fmt: skip


def lake_schema(table: Table) -> dict[str, pl.DataType]:
    """Return the lake types of a table's columns, in the YAML's order."""
    return {name: LAKE_TYPES[column.type] for name, column in table.columns.items()}


def parse_file(content: bytes, path: str, table: Table) -> pl.DataFrame:
    """Parse a landed file into typed rows, in the table's column order.

    In CSV an empty field is null and the first line names the columns. A time without a zone is
    UTC, a date is its midnight. NaN becomes null. Raises RefusedBatch for an invalid file.
    """
    content = decompress(content, path)
    sources = {name: column.source or name for name, column in table.columns.items()}
    wanted = list(dict.fromkeys(sources.values()))
    if is_parquet(path):
        raw = read_parquet(content, path, wanted)
    elif is_json_lines(path):
        raw = read_json_lines(content, path, wanted)
    else:
        raw = read_csv(content, path, table.csv, wanted)
    typed = []
    for name, declared in table.columns.items():
        values = mark_nulls(raw[sources[name]], declared, table.csv)
        typed.append(cast_column(values, declared, table.csv).alias(name))
        _require_lossless(values, typed[-1], path, declared)
    return pl.DataFrame(typed).with_columns(pl.selectors.float().fill_nan(None))


def is_parquet(path: str) -> bool:
    """Return whether a file's ending is that of Parquet, in any case."""
    return path.lower().endswith(".parquet")


def is_json_lines(path: str) -> bool:
    """Return whether a file's ending is one of JSON lines, in any case, compressed or not."""
    name = path.lower()
    for suffix in COMPRESSED_SUFFIXES:
        name = name.removesuffix(suffix)
    return name.endswith(JSON_LINES_SUFFIXES)


def decompress(content: bytes, path: str) -> bytes:
    """Return the content of a file that ends in .gz or .zst; other content unchanged."""
    codec = next((name for end, name in _CODECS.items() if path.lower().endswith(end)), None)
    if codec is None:
        return content
    try:
        with pa.CompressedInputStream(pa.BufferReader(content), codec) as stream:
            return bytes(stream.read())
    except (pa.ArrowException, OSError) as error:
        raise RefusedBatch(f"{path}: not readable as {codec} ({error}); land it again") from error


def _require_lossless(raw: pl.Series, typed: pl.Series, path: str, declared: Column) -> None:
    """Raise RefusedBatch if a value became null by its conversion."""
    lost = raw.is_not_null() & typed.is_null()
    if not lost.any():
        return
    row = lost.arg_max() or 0
    value = _show_value(raw, row)
    hint = declared.format or _TYPE_HINTS[declared.type]
    raise RefusedBatch(
        f"{path}: column {raw.name} must hold {hint}, but row {row + 1} of {lost.len()} holds "
        f"{value} ({raw.dtype}); {_propose_fix(declared, raw, row)}"
    )


def _show_value(column: pl.Series, row: int) -> str:
    try:
        return f"{column[row]!r:.80}"
    # a time that Python, or polars, cannot represent
    except (ValueError, OverflowError, pl.exceptions.PanicException):
        return f"the time {column.to_physical()[row]}"


def _propose_fix(declared: Column, raw: pl.Series, row: int) -> str:
    """Return the likely solution for a value that its type cannot hold."""
    value = str(raw[row]) if raw.dtype == pl.String or raw.dtype.is_numeric() else ""
    for kinds, pattern, fix in _FIXES:
        if value and declared.type in kinds and re.fullmatch(pattern, value):
            return fix.replace("VALUE", repr(value))
    return "land the file with the right type"
