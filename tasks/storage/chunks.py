"""The rows of a window in parts: each a span of time, held in memory or put aside in a file.

What is put aside lies below the lake's root, where every worker reaches it, under a name that
depends on the window, the table and the span alone: made twice, it is the same file.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from configs.errors import Conflict
from infra.storage.atomic import replace_atomically
from infra.storage.errors import storage_errors
from infra.storage.s3 import is_s3, polars_options
from tasks.storage import files

TimeSpan = tuple[datetime, datetime]


@dataclass(frozen=True)
class Chunk:
    """The `height` rows of a span; `rows` if they are held here, `address` if put aside."""

    span: TimeSpan
    height: int
    rows: pl.DataFrame | None = None
    address: str = ""

    def scan(self) -> pl.LazyFrame:
        """The rows, lazily."""
        if self.rows is not None:
            return self.rows.lazy()
        return pl.scan_parquet(self.address, storage_options=polars_options(self.address))

    def read(self) -> pl.DataFrame:
        """The rows. Conflict if what was put aside is gone."""
        try:
            with storage_errors(self.address):
                return self.scan().collect()
        except FileNotFoundError as gone:
            raise Conflict(
                f"{self.address} is gone: another run of the same window took it away; run again"
            ) from gone


def split_span(start: datetime, end: datetime, length: timedelta) -> list[TimeSpan]:
    """[start, end) in pieces of a length; the last one may be shorter."""
    starts = [start + length * number for number in range(-((start - end) // length))]
    return list(zip(starts, [*starts[1:], end], strict=True))


def chunk_in_memory(span: TimeSpan, rows: pl.DataFrame) -> Chunk:
    """A part that stays in memory."""
    return Chunk(span, rows.height, rows)


def make_chunk(span: TimeSpan, rows: pl.DataFrame, folder: str | None) -> Chunk:
    """A part that is put aside if there is a folder for it, and else stays in memory."""
    return spill_chunk(span, rows, folder) if folder else chunk_in_memory(span, rows)


def spill_chunk(span: TimeSpan, rows: pl.DataFrame, folder: str) -> Chunk:
    """A part as a Parquet file of a folder, whole or not there at all."""
    address = f"{folder}/{_written(span[0])}.parquet"
    with storage_errors(address):
        if is_s3(address):  # an object appears when all of it was sent
            rows.write_parquet(address, storage_options=polars_options(address))
        else:
            with replace_atomically(Path(address)) as unfinished:
                rows.write_parquet(unfinished)
    return Chunk(span, rows.height, address=address)


def spill_folder(root: str, window: TimeSpan) -> str:
    """Where the parts of a window are put aside, below the root of a lake."""
    return f"{root}/aside/{_written(window[0])}_{_written(window[1])}"


def remove_spill(folder: str) -> None:
    """Remove what was put aside into a folder, also by a run that was killed."""
    files.remove_folder(folder)


def _written(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H%M%S%f}"
