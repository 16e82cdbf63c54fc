"""Discovery of landed files, and the record that prevents ingesting one twice.

A file is identified by the sha256 of its content, its fingerprint. The Delta table `files` records
the verdict on each file and is committed last. So the next run finds files that a killed run left,
and recognises rows that it committed by their fingerprint.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from fnmatch import fnmatch
from hashlib import sha256
from pathlib import PurePosixPath
from typing import Literal

import polars as pl

from configs.errors import Transient
from configs.schema.use_case import UseCase
from configs.settings import settings
from tasks.features.raw_tables import FILES_TABLE as FILES_TABLE
from tasks.ingestion.file_schema import parse_file
from tasks.storage import files
from tasks.storage.lake import open_lake

FileStatus = Literal["accepted", "refused", "duplicate"]
_RECORD_SCHEMA = {
    "table": pl.String(), "path": pl.String(), "fingerprint": pl.String(), "size": pl.Int64(),
    "modified": pl.Float64(), "status": pl.String(), "rows": pl.Int64(), "accepted": pl.Int64(),
    "quarantined": pl.Int64(), "reason": pl.String(), "as_of": pl.Datetime("us", "UTC"),
}  # fmt: skip


@dataclass(frozen=True)
class LandedFile:
    """A file below the landing root.

    `fingerprint` is the sha256 of its content, `path` relative to the root, `size` in bytes,
    `modified` in seconds; `copy_of` is the path of an earlier file with equal content.
    """

    table: str
    fingerprint: str
    path: str
    size: int
    modified: float
    copy_of: str | None = None


@dataclass(frozen=True)
class FileVerdict:
    """The verdict on a landed file; rows = accepted + quarantined.

    All are 0 for a refused file and for a duplicate.
    """

    file: LandedFile
    status: FileStatus
    rows: int = 0
    accepted: int = 0
    quarantined: int = 0
    reason: str = ""


def discover_files(use_case: UseCase, retry_refused: bool = False) -> list[LandedFile]:
    """Return the landed files without a record, by table and path.

    A file is opened only if its path, size and time of modification are not on record.

    Args:
        retry_refused: also return files whose only records are refusals.
    """
    records = read_file_records(use_case)
    done = records.filter(pl.col("status") != "refused") if retry_refused else records
    known = set(done.select("table", "path", "size", "modified").iter_rows())
    accepted = records.filter(status="accepted").select("table", "fingerprint", "path")
    originals = {(table, fingerprint): path for table, fingerprint, path in accepted.iter_rows()}
    new_files = []
    for table, path, size, modified in _list_table_files(use_case):
        if (table, path, size, modified) not in known:
            content = (table, sha256(read_landed_bytes(use_case, path)).hexdigest())
            new_files.append(LandedFile(*content, path, size, modified, originals.get(content)))
            originals.setdefault(content, path)
    return new_files


def read_landed_file(use_case: UseCase, file: LandedFile) -> pl.DataFrame:
    """Read the typed rows of a landed file, in its order.

    Raises RefusedBatch if the file is invalid, Transient if it has changed since its discovery.
    """
    content = read_landed_bytes(use_case, file.path)
    if sha256(content).hexdigest() != file.fingerprint:
        raise Transient(f"{file.path} changed while it was read; the next run ingests it")
    return parse_file(content, file.path, use_case.tables[file.table])


def read_file_records(use_case: UseCase) -> pl.DataFrame:
    """Read the records of all files: one row a file and status, with the run's `as_of`."""
    lake = open_lake(use_case.name)
    return (
        lake.scan(FILES_TABLE).collect()
        if lake.exists(FILES_TABLE)
        else pl.DataFrame(schema=_RECORD_SCHEMA)
    )


def record_files(use_case: UseCase, verdicts: Sequence[FileVerdict], as_of: datetime) -> int | None:
    """Record the verdicts in one commit, each once; return the version of `files`."""
    rows = {}
    for verdict in verdicts:
        file = asdict(verdict.file)
        values = {**file, **asdict(verdict), "as_of": as_of}
        name = f"{file['path']}@{file['modified']}:{file['fingerprint']}:{verdict.status}"
        rows[name] = pl.DataFrame({k: [values[k]] for k in _RECORD_SCHEMA}, schema=_RECORD_SCHEMA)
    return open_lake(use_case.name).append_once(FILES_TABLE, rows)


def read_landed_bytes(use_case: UseCase, path: str) -> bytes:
    """Read the content of a file below the use case's landing root."""
    return files.read_file(f"{settings().landing}/{use_case.name}/{path}")


def _list_table_files(use_case: UseCase) -> list[tuple[str, str, int, float]]:
    """Return table, path, size and time of modification of the files that belong to a table.

    A `*` also matches folders. Names that begin with a dot or an underscore are unfinished files.
    """
    landed = [
        file
        for file in files.list_files(f"{settings().landing}/{use_case.name}")
        if not PurePosixPath(file.path).name.startswith((".", "_"))
    ]
    return sorted(
        (name, file.path, file.size, file.modified)
        for name, table in use_case.tables.items()
        for file in landed
        if fnmatch(file.path, table.files)
    )
