"""Reading of Parquet files into columns."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

import polars as pl
import pyarrow as pa
from pyarrow import parquet

from configs.errors import RefusedBatch
from tasks.ingestion.parsing.csv_reader import require_columns


def read_parquet(content: bytes, path: str, wanted: Sequence[str] | None = None) -> pl.DataFrame:
    """Read columns of a Parquet file, by default all; raise RefusedBatch.

    Times of int96 are read in microseconds, which hold every year from 1 to 9999. Bytes that are
    UTF-8 become texts.
    """
    try:
        # pyarrow reports damaged bytes as errors; polars may panic
        file = parquet.ParquetFile(
            BytesIO(content), coerce_int96_timestamp_unit="us", page_checksum_verification=True
        )
        present = list(file.schema_arrow.names)
        names = list(dict.fromkeys(present)) if wanted is None else list(wanted)
        require_columns(path, present, names)
        places = [present.index(name) for name in names]
        table = file.read(columns=names, use_threads=False)
        fields = [table.column(table.column_names.index(present[place])) for place in places]
        plain = pa.table(dict(zip(names, map(_simplify, fields), strict=True)))
        table.validate(full=True)
        frame = pl.from_arrow(plain)
    except (pa.ArrowException, OSError, ValueError, pl.exceptions.PolarsError) as error:
        reason = str(error).splitlines()[0]
        raise RefusedBatch(f"{path}: not readable as Parquet ({reason}); land it again") from error
    assert isinstance(frame, pl.DataFrame)
    return frame


def _simplify(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column in a type that polars has: text for UTF-8 bytes, a decimal of 128 bits."""
    kind = column.type
    if pa.types.is_decimal256(kind):
        return column.cast(pa.decimal128(38, kind.scale))
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return column.cast(pa.large_string())
    if pa.types.is_dictionary(kind):
        return column.cast(kind.value_type)
    return column
