"""The Delta lake: append once, replace a window atomically, read as of a version.

One root for each use case, a folder or s3://. Every write is one Delta commit, so a killed process
leaves all of it or nothing, and a second run changes nothing. infra/storage/errors.py translates
errors of S3. Rows may add columns to a table; its older rows have null there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import polars as pl
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from configs.errors import BadConfig, Conflict, NoRows
from configs.settings import settings
from infra.storage.errors import storage_errors
from infra.storage.s3 import delta_options, polars_options
from tasks.storage.chunks import Chunk, TimeSpan, chunk_in_memory

NEW_TABLE_PROPERTIES = {
    "delta.checkpointInterval": "10",  # opening a table reads fewer commits: three times as fast
    "delta.logRetentionDuration": "interval 3650 days",  # old versions stay readable
}


@dataclass(frozen=True)
class Lake:
    """The Delta tables below one root.

    Tables in `pinned` are read below `pinned_root` at a fixed version and cannot be written. So a
    past state, or a copy without cost, is a view: pin the tables to read, and write the others
    elsewhere.
    """

    root: str
    pinned_root: str = ""
    pinned: Mapping[str, int] = field(default_factory=dict)

    def uri(self, table: str) -> str:
        """Return the address of a table such as `raw/weather`."""
        return f"{self.pinned_root if table in self.pinned else self.root}/{table}"

    def exists(self, table: str) -> bool:
        """Return whether the table has a commit."""
        uri = self.uri(table)
        with storage_errors(uri):
            return DeltaTable.is_deltatable(uri, storage_options=delta_options(uri))

    def version(self, table: str) -> int | None:
        """Return the table's pinned or newest version; None before its first commit."""
        seen = self._open(table)
        return seen.version() if seen else None

    def versions(self, tables: Sequence[str]) -> dict[str, int]:
        """Return the pinned or newest version of each existing table."""
        versions = {table: self.version(table) for table in tables}
        return {table: version for table, version in versions.items() if version is not None}

    def scan(self, table: str, version: int | None = None) -> pl.LazyFrame:
        """Return the rows of a table, lazily, at a version (default: pinned or newest).

        Raises NoRows if the table does not exist.
        """
        uri = self.uri(table)
        seen = _opened(uri, self.pinned.get(table) if version is None else version)
        if seen is None:
            raise NoRows(f"{uri} does not exist: nothing was ever written to it")
        at = seen.version()  # explicit, because a copy of the frame opens the table again
        return pl.scan_delta(seen, version=at, storage_options=polars_options(uri))

    def append_once(
        self, table: str, batches: Mapping[str, pl.DataFrame], note: Mapping[str, Any] | None = None
    ) -> int | None:
        """Append new batches in one commit; return the newest version.

        A batch's name is stored as a Delta application transaction, so each batch is appended
        exactly once. Raises Conflict if another writer appended the same batch.
        """
        seen = self._open(table)  # checked and written from one snapshot: no gap between the two
        new = {n: r for n, r in batches.items() if not (seen and seen.transaction_version(n))}
        if new:
            rows = pl.concat(new.values(), how="vertical")
            self._commit(table, rows, note or {}, mode="append", batches=list(new), seen=seen)
        return self.version(table)

    def append_on(self, table: str, chunks: Sequence[Chunk], version: int | None) -> None:
        """Append rows on top of a version, None for a new table; Conflict if it is not the last."""
        seen = None if version is None else _opened(self.uri(table), version)
        self._commit(table, _together(chunks), {}, mode="append", seen=seen, retries=0)

    def holds(self, table: str, batch: str) -> bool:
        """Return whether a batch was already appended to the table."""
        seen = self._open(table)
        return seen is not None and seen.transaction_version(batch) is not None

    def replace_window(
        self,
        table: str,
        rows: pl.DataFrame | Sequence[Chunk],
        time: str,
        window: TimeSpan,
        *,
        keys: Sequence[str] = (),
        ignoring: Sequence[str] = (),
        note: Mapping[str, Any] | None = None,
    ) -> int | None:
        """Replace the table's rows of start <= `time` < end by `rows`, in one commit.

        Nothing is written if the table has the same rows already, in any order of `keys` and
        without the columns `ignoring`. All rows must be in the window, and those of a chunk in its
        span. Chunks are read one after the other, so memory is that of the largest. A `note`
        becomes the commit's metadata and always causes a commit. Returns the newest version, None
        without a table.
        """
        start, end = window
        parts = [chunk_in_memory(window, rows)] if isinstance(rows, pl.DataFrame) else rows
        _refuse_outside(table, parts, time)
        seen = self._open(table)
        if seen is None:
            if note is not None or any(part.height for part in parts):
                self._commit(table, _together(parts), note or {}, mode="overwrite")
            return self.version(table)
        if note is None and self._holds_same(table, parts, time, window, keys, ignoring):
            return seen.version()
        where = f"{time} >= '{start.isoformat()}' AND {time} < '{end.isoformat()}'"
        rows = _together(parts)
        self._commit(table, rows, note or {}, mode="overwrite", predicate=where, seen=seen)
        return seen.version()

    def note(self, table: str) -> dict[str, Any]:
        """Return the metadata of the newest commit that has any; empty before that."""
        newest = _opened(self.uri(table))  # an older one numbers the newest commits as its own
        if newest is None:
            return {}
        last = self.pinned.get(table, newest.version())
        history = (commit for commit in newest.history() if commit["version"] <= last)
        return next((json.loads(c["mainspring"]) for c in history if "mainspring" in c), {})

    def _open(self, table: str) -> DeltaTable | None:
        return _opened(self.uri(table), self.pinned.get(table))

    def earliest_added(
        self, table: str, time: str, since: int | None, version: int
    ) -> datetime | None:
        """Return the smallest `time` in the files that `version` added after `since`.

        It comes from the statistics of the Delta log, so it may be up to a millisecond early. None
        if no rows were added. Every file is new if `since` is None.
        """
        if since == version:
            return None
        files = _files(self.uri(table), version)
        if since is not None:
            files = files.join(_files(self.uri(table), since), on="path", how="anti")
        files = files.filter(pl.col("num_records") > 0)
        return None if files.is_empty() else files.select(pl.col(f"min.{time}").min()).item()

    def _holds_same(
        self,
        table: str,
        parts: Sequence[Chunk],
        time: str,
        window: TimeSpan,
        keys: Sequence[str],
        ignoring: Sequence[str],
    ) -> bool:
        """Return whether the table's rows of the window equal the chunks, compared one by one."""

        def existing(span: TimeSpan) -> pl.LazyFrame:
            return self.scan(table).filter(pl.col(time) >= span[0], pl.col(time) < span[1])

        if len(parts) > 1:  # they need not reach over all of the window
            held = existing(window).select(pl.len()).collect().item()
            if held != sum(part.height for part in parts):
                return False
        return all(
            _same(existing(part.span).collect(), part.read(), keys, ignoring) for part in parts
        )

    def _commit(
        self,
        table: str,
        rows: pl.DataFrame | pa.RecordBatchReader,
        note: Mapping[str, Any],
        *,
        mode: str,
        batches: Sequence[str] = (),
        predicate: str | None = None,
        seen: DeltaTable | None = None,
        retries: int | None = None,
    ) -> None:
        if table in self.pinned:
            raise BadConfig(
                f"{self.uri(table)} is only read here: MAINSPRING_PINNED holds it at version "
                f"{self.pinned[table]}"
            )
        properties = CommitProperties(
            custom_metadata={"mainspring": json.dumps(note, default=str)} if note else None,
            app_transactions=[Transaction(batch, 1) for batch in batches] or None,
            # a first commit that lost would be put on top of the one that won, unseen
            max_commit_retries=retries if seen else 0,
        )
        uri = self.uri(table)
        try:
            with storage_errors(uri):
                write_deltalake(  # type: ignore[call-overload,misc]
                    seen or uri,
                    rows,
                    mode=mode if seen else "error",
                    predicate=predicate,
                    schema_mode="merge" if seen and _brings_columns(seen, rows) else None,
                    configuration=None if seen else NEW_TABLE_PROPERTIES,
                    storage_options=None if seen else delta_options(uri),
                    commit_properties=properties,
                )
        except DeltaError as lost:
            if isinstance(lost, CommitFailedError) or (seen is None and self.exists(table)):
                raise Conflict(f"{uri}: another writer was first; run again") from lost
            raise


def open_lake(use_case: str) -> Lake:
    """Return the lake of a use case, with the root and pinned tables of the settings."""
    places, prefix = settings(), f"{use_case}/"
    pinned = {
        name.removeprefix(prefix): version
        for name, version in places.pinned.items()
        if name.startswith(prefix)
    }
    return Lake(f"{places.lake}/{use_case}", f"{places.pinned_lake}/{use_case}", pinned)


def _opened(uri: str, version: int | None = None) -> DeltaTable | None:
    """Open a table at a version or the newest; None before its first commit."""
    try:
        with storage_errors(uri):
            return DeltaTable(uri, version=version, storage_options=delta_options(uri))
    except TableNotFoundError:
        return None


def _files(uri: str, version: int) -> pl.DataFrame:
    """Return the data files of a version: path, num_records, min.* and max.* of the columns."""
    table = _opened(uri, version)
    assert table is not None
    return pl.DataFrame(table.get_add_actions(flatten=True))


def _brings_columns(table: DeltaTable, rows: pl.DataFrame | pa.RecordBatchReader) -> bool:
    held = {field.name for field in table.schema().fields}
    columns = rows.columns if isinstance(rows, pl.DataFrame) else rows.schema.names
    return not held.issuperset(columns)


def _refuse_outside(table: str, parts: Sequence[Chunk], time: str) -> None:
    for part in parts:
        start, end = part.span
        inside = pl.col(time).is_between(start, end, closed="left")
        outside = part.scan().filter(~inside).select(pl.len()).collect().item()
        if outside:
            raise ValueError(f"{table}: {outside} rows lie outside [{start}, {end})")


def _together(parts: Sequence[Chunk]) -> pl.DataFrame | pa.RecordBatchReader:
    """Return the rows of all chunks, read lazily."""
    if len(parts) == 1:
        return parts[0].read()

    def batches() -> Iterator[pa.RecordBatch]:
        for part in parts:
            yield from part.read().to_arrow().to_batches()

    schema = parts[0].read().clear().to_arrow().schema
    return pa.RecordBatchReader.from_batches(schema, batches())


def _same(
    existing: pl.DataFrame, rows: pl.DataFrame, keys: Sequence[str], ignoring: Sequence[str]
) -> bool:
    """Return whether two frames have the same rows in any order, without ignored columns."""
    if existing.height != rows.height or set(existing.columns) != set(rows.columns):
        return False
    columns = [c for c in rows.columns if c not in ignoring]
    order = list(keys) or columns
    left = existing.select(columns).sort(order, maintain_order=True)
    return left.equals(rows.select(columns).sort(order, maintain_order=True))
