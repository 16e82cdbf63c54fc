"""Chunks of a window: the rows of a span of time, in memory or spilled to a Parquet file.

Spilled files are below the lake's root, where every worker can read them. Their name depends only
on window, table and span, so a second run writes the same file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from configs.errors import Conflict, Damaged
from infra.storage.atomic import replace_atomically
from infra.storage.errors import storage_errors
from infra.storage.s3 import is_s3, polars_options
from tasks.storage import files

TimeSpan = tuple[datetime, datetime]
ALL_TIMES = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))


@dataclass(frozen=True)
class Chunk:
    """The `height` rows of a span: in memory as `rows`, or spilled to `address`."""

    span: TimeSpan
    height: int
    rows: pl.DataFrame | None = None
    address: str = ""

    def scan(self) -> pl.LazyFrame:
        """Return the rows, lazily."""
        if self.rows is not None:
            return self.rows.lazy()
        options = polars_options(self.address)
        return pl.scan_parquet(self.address, storage_options=options, glob=False)

    def read(self) -> pl.DataFrame:
        """Return the rows; Conflict if the spilled file is missing, Damaged if it is unreadable."""
        try:
            with storage_errors(self.address):
                return self.scan().collect()
        except FileNotFoundError as error:
            raise Conflict(
                f"{self.address} is missing: another run of the same window removed it; run again"
            ) from error
        except pl.exceptions.PolarsError as error:
            reason = str(error).partition("\n")[0]
            raise Damaged(
                f"{self.address} cannot be read ({reason}); remove it and run again"
            ) from error


def split_span(start: datetime, end: datetime, length: timedelta) -> list[TimeSpan]:
    """Split [start, end) into spans of a length; the last one may be shorter."""
    starts = [start + length * number for number in range(-((start - end) // length))]
    return list(zip(starts, [*starts[1:], end], strict=True))


def chunk_in_memory(span: TimeSpan, rows: pl.DataFrame) -> Chunk:
    """Return a chunk in memory."""
    return Chunk(span, rows.height, rows)


def make_chunk(span: TimeSpan, rows: pl.DataFrame, folder: str | None) -> Chunk:
    """Return a chunk that is spilled to the folder, or in memory without a folder."""
    return spill_chunk(span, rows, folder) if folder else chunk_in_memory(span, rows)


def spill_chunk(span: TimeSpan, rows: pl.DataFrame, folder: str) -> Chunk:
    """Write a chunk atomically as a Parquet file of the folder."""
    address = f"{folder}/{_format_time(span[0])}.parquet"
    with storage_errors(address):
        if is_s3(address):  # an object appears when all of it was sent
            rows.write_parquet(address, storage_options=polars_options(address))
        else:
            with replace_atomically(Path(address)) as unfinished:
                rows.write_parquet(unfinished)
    return Chunk(span, rows.height, address=address)


def require_inside(table: str, parts: Sequence[Chunk], time: str) -> None:
    """Raise ValueError if a row of a chunk lies outside its span.

    Args:
        table: its address, for messages.
        parts: the chunks.
        time: column of the time.
    """
    for part in parts:
        start, end = part.span
        inside = pl.col(time).is_between(start, end, closed="left")
        outside = part.scan().filter(~inside).select(pl.len()).collect().item()
        if outside:
            raise ValueError(f"{table}: {outside} rows lie outside [{start}, {end})")


def is_same(
    existing: pl.DataFrame, rows: pl.DataFrame, keys: Sequence[str], ignoring: Sequence[str]
) -> bool:
    """Return whether two frames have the same rows in any order, without ignored columns."""
    if existing.height != rows.height or set(existing.columns) != set(rows.columns):
        return False
    columns = [c for c in rows.columns if c not in ignoring]
    order = list(keys) or columns
    left = existing.select(columns).sort(order, maintain_order=True)
    right = rows.select(columns).sort(order, maintain_order=True)
    return left.schema == right.schema and left.equals(right)


def spill_folder(root: str, window: TimeSpan) -> str:
    """Return the folder for the spilled chunks of a window, below the root of a lake."""
    return f"{root}/aside/{_format_time(window[0])}_{_format_time(window[1])}"


def remove_spill(folder: str) -> None:
    """Remove all spilled files of a folder, including those of a killed run."""
    files.remove_folder(folder)


def _format_time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H%M%S%f}"
