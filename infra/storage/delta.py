"""Delta tables at an address: opened and scanned, with their files checked.

polars reads the data files of a folder by their paths: the addresses of deltalake are percent
encoded, and polars would take `ü` or a space in them for three other characters.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from configs.errors import Damaged
from infra.storage.digests import (
    check_commits,
    check_digest,
    check_log,
    drop_lost_digests,
    find_damaged_files,
    has_digest,
    record_digests,
)
from infra.storage.errors import is_panic, storage_errors
from infra.storage.s3 import delta_options, is_s3, polars_options


@contextmanager
def delta_errors(address: str) -> Iterator[None]:
    """Translate the errors of a Delta table; TableNotFoundError and lost commits pass unchanged.

    Everything else that deltalake raises means a log that cannot be read: Damaged.
    """
    try:
        with storage_errors(address):
            yield
    except (TableNotFoundError, CommitFailedError):
        raise
    except BaseException as error:
        if not isinstance(error, DeltaError) and not is_panic(error):
            raise
        reason = str(error).partition("\n")[0]
        raise Damaged(
            f"{address}: the Delta log cannot be read ({reason}); "
            "run `mainspring verify`, which names the damaged file"
        ) from error


def open_delta_table(address: str, version: int | None = None) -> DeltaTable | None:
    """Return the table at a version or the newest; None before its first commit.

    Raises Damaged if a file of the log differs from its digest, is missing or not readable.
    """
    with delta_errors(address):
        if not is_s3(address):
            check_log(Path(address), version)
        try:
            return DeltaTable(address, version=version, storage_options=delta_options(address))
        except TableNotFoundError:
            return None


def scan_delta_table(address: str, table: DeltaTable) -> pl.LazyFrame:
    """Return the rows of an opened table, lazily.

    Raises Damaged if a data file is missing or differs from its digest.
    """
    if is_s3(address):
        at = table.version()  # explicit, because a copy of the frame opens the table again
        return pl.scan_delta(table, version=at, storage_options=polars_options(address))
    paths, schema = locate_data_files(address, table), pl.Schema(table.schema())
    if not paths:
        return pl.LazyFrame(schema=schema)
    return pl.scan_parquet(
        paths,
        glob=False,
        schema=schema,
        missing_columns="insert",  # a column that came later is null in older files
        extra_columns="ignore",
        hive_partitioning=False,
    )


def locate_data_files(address: str, table: DeltaTable) -> list[str]:
    """Return the addresses of the data files of an opened table.

    Raises Damaged if a file in a folder is missing or differs from its digest.
    """
    if is_s3(address):
        return table.file_uris()
    names = list_data_files(table)
    check_data_files(address, table.version(), names)
    return [str(Path(address, name)) for name in names]


def list_data_files(table: DeltaTable) -> list[str]:
    """Return the paths of the data files of a version, below the table's folder."""
    paths: list[str] = pl.DataFrame(table.get_add_actions())["path"].to_list()
    return paths


def read_file_statistics(address: str, version: int) -> pl.DataFrame:
    """Return the data files of a version: path, num_records, min.* and max.* of the columns."""
    table = open_delta_table(address, version)
    assert table is not None
    return _list_statistics(table)


def lies_in_window(table: DeltaTable, time: str, window: tuple[datetime, datetime]) -> bool:
    """Return whether all rows of an opened table have start <= `time` < end, by its statistics."""
    files = _list_statistics(table)
    if files.is_empty():
        return True
    first, last = pl.col(f"min.{time}"), pl.col(f"max.{time}")  # whole milliseconds, cut off
    inside = (first >= window[0]) & (last + timedelta(milliseconds=1) <= window[1])
    return bool(files.select(inside.fill_null(False).all()).item())


def _list_statistics(table: DeltaTable) -> pl.DataFrame:
    return pl.DataFrame(table.get_add_actions(flatten=True))


def check_data_files(address: str, version: int, names: list[str]) -> None:
    """Raise Damaged if a data file in a folder is missing or differs from its digest."""
    folder = Path(address)
    for name in names:
        try:
            with storage_errors(folder / name):
                check_digest(folder, name)
        except FileNotFoundError as missing:
            raise Damaged(
                f"version {version} of {address} is no longer there: its data file {name} is "
                "missing, as after a vacuum; restore the file from a backup, or use a newer version"
            ) from missing


def find_damage(address: str) -> dict[str, str]:
    """Return the damaged files of a table, by path below it, and what is wrong with each.

    All files in a folder are compared with their digests. Data files without one, and those on S3,
    are decoded. The log itself is named `_delta_log` if it cannot be read.
    """
    try:
        table = open_delta_table(address)
        names = list_data_files(table) if table else []
    except Damaged as unreadable:
        damaged = {} if is_s3(address) else find_damaged_files(Path(address), [])
        return damaged or {"_delta_log": str(unreadable)}
    damaged = {} if is_s3(address) else find_damaged_files(Path(address), names)
    for name in names:
        if name not in damaged and (is_s3(address) or not has_digest(Path(address), name)):
            damaged |= _decode(address, name)
    return damaged


def _decode(address: str, name: str) -> dict[str, str]:
    path = f"{address}/{name}"
    try:
        pl.read_parquet(path, glob=False, storage_options=polars_options(path))
    except (OSError, pl.exceptions.PolarsError) as error:
        return {name: f"it cannot be read ({str(error).splitlines()[0]})"}
    except BaseException as error:
        if not is_panic(error):
            raise
        return {name: "it cannot be read"}
    return {}


def record_table_digests(address: str) -> None:
    """Record the digests that a table in a folder lacks: those of its newest commit, as a rule."""
    if not is_s3(address):
        with delta_errors(address):
            record_digests(Path(address), list_data_files(DeltaTable(address)))


def replace_table_digests(address: str) -> None:
    """Record the digests that a table in a folder lacks, and remove those of removed files.

    For older versions that were removed on purpose. A missing file is no damage afterwards, unless
    the newest version needs it.
    """
    if not is_s3(address):
        drop_lost_digests(Path(address))
    record_table_digests(address)


def read_history(address: str, table: DeltaTable) -> Iterator[dict[str, Any]]:
    """Yield the commits of an opened table, newest first; read more of them as they are needed."""
    newest, seen, limit = table.version(), 0, 10
    while True:
        if not is_s3(address):
            check_commits(Path(address), range(newest, newest - limit, -1))
        with delta_errors(address):
            commits = table.history(limit)
        yield from commits[seen:]
        if len(commits) < limit:
            return
        seen, limit = len(commits), limit * 10
