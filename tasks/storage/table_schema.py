"""Schema of a table's rows: what is stored, and what is refused instead of cast.

A table's columns keep their types. Rows of another type are refused, unless every value is the same
in both: a narrower integer, or an integer of the same values. A column that the rows lack is null
in them; a column that the table lacks is null in its older rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import polars as pl
import pyarrow as pa
from deltalake import DeltaTable

from configs.errors import MainspringError, SchemaChanged
from tasks.storage.chunks import Chunk, TimeSpan, is_same

_STORED = {  # Delta has no unsigned integers; the next larger type holds all their values
    pl.UInt8: pl.Int16(),
    pl.UInt16: pl.Int32(),
    pl.UInt32: pl.Int64(),
    pl.UInt64: pl.Int64(),
    pl.Categorical: pl.String(),
    pl.Enum: pl.String(),
}


def choose_schema(table: str, held: pl.Schema | None, brought: Iterable[pl.Schema]) -> pl.Schema:
    """Return the schema that a table has after a commit of rows.

    Raises SchemaChanged if a column of the rows has another type than in the table, or none.

    Args:
        table: its address, for messages.
        held: schema of the table; None before its first commit.
        brought: schemas of the rows, one for each chunk.
    """
    chosen: dict[str, pl.DataType] = dict(held or {})
    untyped: set[str] = set()
    for schema in brought:
        for name, dtype in schema.items():
            if dtype == pl.Null:
                untyped.add(name)
                continue
            expected = chosen.setdefault(name, _stored_type(dtype))
            if not fits_type(dtype, expected):
                raise SchemaChanged(_describe_change(table, name, expected, dtype))
    missing = sorted(untyped - chosen.keys())
    if missing:
        raise SchemaChanged(
            f"{table}: column {missing[0]} has only nulls and no type; cast it, for example with "
            ".cast(pl.Float64)"
        )
    return pl.Schema(chosen)


def fits_type(brought: pl.DataType, held: pl.DataType) -> bool:
    """Return whether values of a type may be the same in the type of the table."""
    stored = _stored_type(brought)
    both_integers = stored.is_integer() and held.is_integer()
    return stored == held or both_integers or (stored, held) == (pl.Float32(), pl.Float64())


def fit_rows(table: str, rows: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    """Return the rows with the columns of a schema; the columns that they lack are null.

    Raises SchemaChanged if a value would change.
    """
    columns = []
    for name, dtype in schema.items():
        if name not in rows.columns:
            columns.append(pl.repeat(None, rows.height, dtype=dtype, eager=True).alias(name))
        elif rows[name].dtype == dtype:
            columns.append(rows[name])
        else:
            columns.append(_cast_losslessly(table, rows[name], dtype))
    return pl.DataFrame(columns)


def read_schema(table: DeltaTable | None) -> pl.Schema | None:
    """Return the schema of an opened table; None without one."""
    return None if table is None else pl.Schema(table.schema())


@dataclass
class FittedChunks:
    """Chunks whose rows are fitted to a schema as they are read, one after the other.

    With a condition `kept`, only rows that meet it are read.
    `error` is why a reader stopped: a library between may pass on only the text of an error.
    """

    table: str
    chunks: Sequence[Chunk]
    schema: pl.Schema
    kept: pl.Expr | None = None
    error: MainspringError | None = None

    def read(self, chunk: Chunk) -> pl.DataFrame:
        """Return the rows of one chunk."""
        rows = fit_rows(self.table, chunk.read(), self.schema)
        return rows if self.kept is None else rows.filter(self.kept)

    def equal_rows(
        self,
        existing: Callable[[TimeSpan], pl.LazyFrame],
        window: TimeSpan,
        keys: Sequence[str],
        ignoring: Sequence[str],
    ) -> bool:
        """Return whether the chunks have the existing rows of a window, compared one by one.

        Args:
            existing: returns the existing rows of a span.
            window: the window of all chunks, which need not fill it.
            keys: the order of the rows does not count beyond them.
            ignoring: columns that are not compared.
        """
        if len(self.chunks) > 1:
            held = existing(window).select(pl.len()).collect().item()
            if held != sum(chunk.height for chunk in self.chunks):
                return False
        return all(
            is_same(existing(chunk.span).collect(), self.read(chunk), keys, ignoring)
            for chunk in self.chunks
        )

    def to_reader(self) -> pa.RecordBatchReader:
        """Return a reader of all rows."""
        schema = self.schema.to_frame().to_arrow().schema
        return pa.RecordBatchReader.from_batches(schema, self._read_batches())

    def _read_batches(self) -> Iterator[pa.RecordBatch]:
        try:
            for chunk in self.chunks:
                yield from self.read(chunk).to_arrow().to_batches()
        except MainspringError as error:
            self.error = error
            raise


def fit_chunks(table: str, chunks: Sequence[Chunk], held: pl.Schema | None) -> FittedChunks:
    """Return chunks that are fitted to a table as they are read.

    Args:
        table: its address, for messages.
        chunks: the rows.
        held: schema of the table; None for a new one, or if all its rows are replaced.
    """
    brought = [chunk.scan().collect_schema() for chunk in chunks]
    return FittedChunks(table, chunks, choose_schema(table, held, brought))


def _cast_losslessly(table: str, column: pl.Series, dtype: pl.DataType) -> pl.Series:
    cast = column.cast(dtype, strict=False)
    if column.dtype != pl.Null and not cast.cast(column.dtype, strict=False).equals(column):
        lost = column.filter(cast.cast(column.dtype, strict=False).ne_missing(column))
        change = _describe_change(table, column.name, dtype, column.dtype)
        raise SchemaChanged(f"{change}; it does not hold the value {lost[0]!r}")
    return cast


def _stored_type(dtype: pl.DataType) -> pl.DataType:
    """Return the type that holds all values of a type in the lake."""
    if isinstance(dtype, pl.Datetime):
        return pl.Datetime("us", "UTC" if dtype.time_zone else None)
    return _STORED.get(type(dtype), dtype)


def _describe_change(table: str, name: str, held: pl.DataType, brought: pl.DataType) -> str:
    return (
        f"{table}: column {name} is {held} in the table, but {brought} in the new rows; give it "
        "the type of the table, or change the table with `mainspring migrate`"
    )
