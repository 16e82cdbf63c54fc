"""Sample files of a table that is to land: what columns they have, of which types."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

import polars as pl

from configs.errors import BadConfig
from configs.schema.base import ColumnType
from tasks.ingestion.parsing import cast_column
from tasks.storage import files

FEW_VALUES = 50
"""A text of at most so many different values is a category."""
_FAMILIES: dict[ColumnType, tuple[type[pl.DataType], ...]] = {
    "text": (pl.String, pl.Categorical, pl.Enum),
    "boolean": (pl.Boolean,),
    "number": (pl.Float32, pl.Float64, pl.Decimal),
    "time": (pl.Datetime, pl.Date),
}


@dataclass(frozen=True)
class Sample:
    """The rows of a table's sample files, typed, with the type of each column in the YAML."""

    name: str
    suffix: str
    most: int
    """Rows of the largest file."""
    rows: pl.DataFrame
    columns: dict[str, ColumnType]

    def of(self, *kinds: ColumnType) -> list[str]:
        """The columns of some types."""
        return [name for name, kind in self.columns.items() if kind in kinds]

    def keys(self) -> list[str]:
        """The first columns that name each row once, as a proposal; none if all do not."""
        named: list[str] = []
        for name in [*self.of("text", "integer"), *self.of("time")]:
            if self.rows[name].null_count() == 0:
                named.append(name)
                if not self.rows.select(named).is_duplicated().any():
                    return _without_spare(self.rows, named)
        return []


def read_sample(name: str, pattern: str) -> Sample:
    """The sample files of a table, read alike; BadConfig if there is none, or no row in them."""
    paths = files.match_files(pattern)
    if not paths:
        raise BadConfig(f"--table {name}={pattern}: there is no such file")
    suffixes = {PurePosixPath(path).suffix for path in paths}
    if len(suffixes) > 1 or not suffixes <= {".csv", ".parquet"}:
        raise BadConfig(f"--table {name}={pattern}: the files must all be .csv, or all .parquet")
    frames = [_read(path, name) for path in paths]
    found = pl.concat(frames, how="diagonal_relaxed")
    if found.is_empty():
        raise BadConfig(f"--table {name}={pattern}: the files hold no rows; give some that do")
    columns = {column: guess_column_type(found[column]) for column in found.columns}
    rows = found.select(cast_column(found[column], kind) for column, kind in columns.items())
    most = max(frame.height for frame in frames)
    return Sample(name, suffixes.pop()[1:], most, rows, columns)


def guess_column_type(column: pl.Series) -> ColumnType:
    """The narrowest type that holds all values; numbers with leading zeros are text."""
    if column.dtype == pl.String:
        return _kind_of_text(column.drop_nulls())
    if column.dtype.is_integer():
        return "integer"
    families = (kind for kind, types in _FAMILIES.items() if column.dtype in types)
    return next(families, "text")


def _kind_of_text(values: pl.Series) -> ColumnType:
    if values.is_empty() or values.str.contains(r"^0\d").any():
        return "text"
    for kind in ("integer", "number", "boolean", "time"):
        if not cast_column(values, kind).is_null().any():
            return kind
    return "text"


def _read(path: str, table: str) -> pl.DataFrame:
    content = files.read_file(path)
    try:
        if path.endswith(".csv"):
            return pl.read_csv(content, infer_schema=False)
        return pl.read_parquet(content)
    except pl.exceptions.PolarsError as broken:
        why = str(broken).splitlines()[0]
        raise BadConfig(f"--table {table}={path}: not readable: {why}") from broken


def _without_spare(rows: pl.DataFrame, named: list[str]) -> list[str]:
    """The key without the columns that it does not need."""
    for name in list(named):
        fewer = [other for other in named if other != name]
        if fewer and not rows.select(fewer).is_duplicated().any():
            named = fewer
    return named
