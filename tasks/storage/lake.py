"""The Delta lake: append once, replace a window atomically, read as of a version.

One root for each use case, a folder or s3://. Every write is one Delta commit, so a killed process
leaves all of it or nothing, and a second run changes nothing. infra/storage/errors.py translates
errors of S3. A table's columns keep their types, see table_schema.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import polars as pl
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError

from configs.errors import BadConfig, Conflict, NoRows, Terminal
from configs.settings import settings
from infra.storage.delta import (
    delta_errors,
    lies_in_window,
    locate_data_files,
    open_delta_table,
    read_file_statistics,
    read_history,
    record_table_digests,
    scan_delta_table,
)
from infra.storage.errors import storage_errors
from infra.storage.s3 import delta_options
from tasks.storage.chunks import (
    ALL_TIMES,
    Chunk,
    TimeSpan,
    chunk_in_memory,
    require_inside,
)
from tasks.storage.table_schema import (
    FittedChunks,
    choose_schema,
    fit_chunks,
    fit_rows,
    read_schema,
)

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
        with delta_errors(uri):
            return DeltaTable.is_deltatable(uri, storage_options=delta_options(uri))

    def version(self, table: str) -> int | None:
        """Return the table's pinned or newest version; None before its first commit."""
        seen = self._open(table)
        return seen.version() if seen else None

    def schema(self, table: str) -> pl.Schema:
        """Return the columns of a table and their types; none before its first commit."""
        return read_schema(self._open(table)) or pl.Schema()

    def versions(self, tables: Sequence[str]) -> dict[str, int]:
        """Return the pinned or newest version of each existing table."""
        versions = {table: self.version(table) for table in tables}
        return {table: version for table, version in versions.items() if version is not None}

    def scan(self, table: str, version: int | None = None) -> pl.LazyFrame:
        """Return the rows of a table, lazily, at a version (default: pinned or newest).

        Raises NoRows if the table does not exist.
        """
        uri = self.uri(table)
        seen = open_delta_table(uri, self.pinned.get(table) if version is None else version)
        if seen is None:
            raise NoRows(f"{uri} does not exist: nothing was ever written to it")
        return scan_delta_table(uri, seen)

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
            uri, brought = self.uri(table), [rows.schema for rows in new.values()]
            schema = choose_schema(uri, read_schema(seen), brought)
            rows = pl.concat(fit_rows(uri, rows, schema) for rows in new.values())
            self._commit(table, rows, note or {}, mode="append", batches=list(new), seen=seen)
        return self.version(table)

    def append_on(self, table: str, chunks: Sequence[Chunk], version: int | None) -> None:
        """Append rows on top of a version, None for a new table; Conflict if it is not the last."""
        seen = None if version is None else open_delta_table(self.uri(table), version)
        fitted = fit_chunks(self.uri(table), chunks, read_schema(seen))
        self._commit(table, fitted, {}, mode="append", seen=seen, retries=0)

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
        without a table. Rows that replace all rows of the table bring their own columns and types.
        """
        start, end = window
        parts = [chunk_in_memory(window, rows)] if isinstance(rows, pl.DataFrame) else rows
        require_inside(table, parts, time)
        seen = self._open(table)
        if seen is None and note is None and not any(part.height for part in parts):
            return None
        covers = seen is not None and lies_in_window(seen, time, window)
        fitted = fit_chunks(self.uri(table), parts, None if covers else read_schema(seen))

        def existing(span: TimeSpan) -> pl.LazyFrame:
            return self.scan(table).filter(pl.col(time) >= span[0], pl.col(time) < span[1])

        if seen and note is None and fitted.equal_rows(existing, window, keys, ignoring):
            return self.version(table)
        inside = f"{time} >= '{start.isoformat()}' AND {time} < '{end.isoformat()}'"
        where = None if covers else inside
        self._commit(table, fitted, note or {}, mode="overwrite", predicate=where, seen=seen)
        return self.version(table)

    def change_types(self, table: str, types: Mapping[str, pl.DataType]) -> int | None:
        """Give columns of a table other types, in one commit; older versions keep theirs.

        Raises SchemaChanged if a value would change. Returns the newest version.
        """
        seen = self._open(table)
        held = read_schema(seen)
        if seen is None or held is None or not types.items() - held.items():
            return self.version(table)
        return self._rewrite(table, seen, pl.Schema({**held, **types}))

    def keep_rows(self, table: str, condition: pl.Expr) -> int | None:
        """Remove the rows for which a condition is false, in one commit; those of null stay.

        Returns the newest version, None without a table.
        """
        seen = self._open(table)
        if seen is None:
            return None
        return self._rewrite(table, seen, self.schema(table), condition.fill_null(value=True))

    def note(self, table: str) -> dict[str, Any]:
        """Return the metadata of the newest commit that has any; empty before that."""
        uri = self.uri(table)
        newest = open_delta_table(uri)  # an older one numbers the newest commits as its own
        if newest is None:
            return {}
        last = self.pinned.get(table, newest.version())
        history = (c for c in read_history(uri, newest) if c["version"] <= last)
        return next((json.loads(c["mainspring"]) for c in history if "mainspring" in c), {})

    def _open(self, table: str) -> DeltaTable | None:
        return open_delta_table(self.uri(table), self.pinned.get(table))

    def earliest_changed(
        self, table: str, time: str, since: int | None, version: int
    ) -> datetime | None:
        """Return the smallest `time` in the files that `version` added or removed after `since`.

        It comes from the statistics of the Delta log, so it may be up to a millisecond early. None
        if no rows changed. Every file is new if `since` is None.
        """
        if since == version:
            return None
        files = read_file_statistics(self.uri(table), version)
        if since is not None and since < version:  # a table that was made again begins with 0
            before = read_file_statistics(self.uri(table), since)
            both = pl.concat([files, before], how="diagonal_relaxed")
            files = both.filter(~pl.col("path").is_duplicated())
        files = files.filter(pl.col("num_records") > 0)
        if files.is_empty():
            return None
        # a time that Python cannot hold has no statistics: it may be the first of all
        first: datetime = files.select(pl.col(f"min.{time}").fill_null(ALL_TIMES[0]).min()).item()
        return first

    def _rewrite(
        self, table: str, seen: DeltaTable, schema: pl.Schema, kept: pl.Expr | None = None
    ) -> int | None:
        """Write all rows again, or those that are kept, with the memory of the largest file."""
        uri = self.uri(table)
        chunks = [Chunk(ALL_TIMES, 0, address=file) for file in locate_data_files(uri, seen)]
        rows = FittedChunks(uri, chunks, schema, kept)
        self._commit(table, rows, {}, mode="overwrite", seen=seen)
        return self.version(table)

    def _commit(
        self,
        table: str,
        rows: pl.DataFrame | FittedChunks,
        note: Mapping[str, Any],
        *,
        mode: str,
        batches: Sequence[str] = (),
        predicate: str | None = None,
        seen: DeltaTable | None = None,
        retries: int | None = None,
    ) -> None:
        """Commit rows that fit the table; without a predicate, "overwrite" replaces its schema."""
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
        merge = "overwrite" if mode == "overwrite" and predicate is None else "merge"
        try:
            with storage_errors(uri):
                write_deltalake(  # type: ignore[call-overload,misc]
                    seen or uri,
                    rows if isinstance(rows, pl.DataFrame) else rows.to_reader(),
                    mode=mode if seen else "error",
                    predicate=predicate if seen else None,
                    schema_mode=merge if seen else None,
                    configuration=None if seen else NEW_TABLE_PROPERTIES,
                    storage_options=None if seen else delta_options(uri),
                    commit_properties=properties,
                )
        except DeltaError as failed:
            if isinstance(rows, FittedChunks) and rows.error:
                raise rows.error from failed
            if isinstance(failed, CommitFailedError) or (seen is None and self.exists(table)):
                raise Conflict(f"{uri}: another writer was first; run again") from failed
            reason = str(failed).partition("\n")[0]
            raise Terminal(f"{uri}: the rows cannot be committed ({reason})") from failed
        record_table_digests(uri)


def open_lake(use_case: str) -> Lake:
    """Return the lake of a use case, with the root and pinned tables of the settings."""
    places, prefix = settings(), f"{use_case}/"
    pinned = {
        name.removeprefix(prefix): version
        for name, version in places.pinned.items()
        if name.startswith(prefix)
    }
    return Lake(f"{places.lake}/{use_case}", f"{places.pinned_lake}/{use_case}", pinned)
