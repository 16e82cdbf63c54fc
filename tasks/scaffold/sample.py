"""Sample files of a table: their rows, columns and column types."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

import polars as pl

from configs.errors import BadConfig
from configs.schema.base import ColumnType
from configs.schema.landed import Column
from tasks.ingestion.parsing.column_values import cast_column
from tasks.storage import files

FEW_VALUES = 50
"""A text column with at most this many different values is a category."""
_FAMILIES: dict[ColumnType, tuple[type[pl.DataType], ...]] = {
    "text": (pl.String, pl.Categorical, pl.Enum),
    "boolean": (pl.Boolean,),
    "number": (pl.Float32, pl.Float64, pl.Decimal),
    "time": (pl.Datetime, pl.Date),
}


@dataclass(frozen=True)
class Sample:
    """The typed rows of a table's sample files, with the type of each column in the YAML."""

    name: str
    suffix: str
    largest_file_rows: int
    rows: pl.DataFrame
    columns: dict[str, ColumnType]

    def columns_of(self, *kinds: ColumnType) -> list[str]:
        """Return the columns of some types."""
        return [name for name, kind in self.columns.items() if kind in kinds]

    def propose_keys(self) -> list[str]:
        """Return the first columns that identify each row, or none if no columns do."""
        named: list[str] = []
        for name in [*self.columns_of("text", "integer"), *self.columns_of("time")]:
            if self.rows[name].null_count() == 0:
                named.append(name)
                if not self.rows.select(named).is_duplicated().any():
                    return _drop_needless(self.rows, named)
        return []


def read_sample(name: str, pattern: str) -> Sample:
    """Read the sample files of a table.

    Args:
        name: the table.
        pattern: a path with wildcards, on a disk or S3; the files have the same format.
    """
    flag = f"--table {name}={pattern}"
    paths = files.match_files(pattern)
    if not paths:
        raise BadConfig(f"{flag}: no such file. Give the path of a sample file")
    suffixes = {PurePosixPath(path).suffix for path in paths}
    if len(suffixes) > 1 or not suffixes <= {".csv", ".parquet"}:
        raise BadConfig(f"{flag}: all files must be .csv, or all .parquet")
    frames = [_read(path, name) for path in paths]
    raw = pl.concat(frames, how="diagonal_relaxed")
    if raw.is_empty():
        raise BadConfig(f"{flag}: the files have no rows. Give files that have some")
    columns = {column: guess_column_type(raw[column]) for column in raw.columns}
    rows = raw.select(
        cast_column(raw[column], Column(type=kind)) for column, kind in columns.items()
    )
    largest = max(frame.height for frame in frames)
    return Sample(name, suffixes.pop()[1:], largest, rows, columns)


def guess_column_type(column: pl.Series) -> ColumnType:
    """Return the narrowest type that fits all values; numbers with leading zeros are text."""
    if column.dtype == pl.String:
        return _guess_from_text(column.drop_nulls())
    if column.dtype.is_integer():
        return "integer"
    families = (kind for kind, types in _FAMILIES.items() if column.dtype in types)
    return next(families, "text")


def _guess_from_text(values: pl.Series) -> ColumnType:
    if values.is_empty() or values.str.contains(r"^0\d").any():
        return "text"
    for kind in ("integer", "number", "boolean", "time"):
        if not cast_column(values, Column(type=kind)).is_null().any():
            return kind
    return "text"


def _read(path: str, table: str) -> pl.DataFrame:
    content = files.read_file(path)
    try:
        if path.endswith(".csv"):
            return pl.read_csv(content, infer_schema=False)
        return pl.read_parquet(content)
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise BadConfig(f"--table {table}={path}: the file is not readable: {reason}") from error


def _drop_needless(rows: pl.DataFrame, keys: list[str]) -> list[str]:
    """Return the keys without the columns that are not needed to tell rows apart."""
    for name in list(keys):
        fewer = [other for other in keys if other != name]
        if fewer and not rows.select(fewer).is_duplicated().any():
            keys = fewer
    return keys
