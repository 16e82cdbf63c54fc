"""Finding landed files and never taking one twice.

A file is known by the sha256 of its content. The Delta table `files` says of each file that was
ever looked at what became of it; it is committed last, so what a killed run has left undone is
found again, and what it did commit is recognised by the fingerprint.
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
from tasks.ingestion.parsing import parse_file
from tasks.storage import files
from tasks.storage.lake import open_lake

FILES_TABLE = "files"
FileStatus = Literal["accepted", "refused", "duplicate"]
_RECORD = {
    "table": pl.String(), "path": pl.String(), "fingerprint": pl.String(), "size": pl.Int64(),
    "modified": pl.Float64(), "status": pl.String(), "rows": pl.Int64(), "accepted": pl.Int64(),
    "quarantined": pl.Int64(), "reason": pl.String(), "as_of": pl.Datetime("us", "UTC"),
}  # fmt: skip


@dataclass(frozen=True)
class LandedFile:
    """A file below the landing root: its table, sha256 of its content, path from that root, size
    (bytes), time of modification (seconds) and, if it is one, the path that it is a copy of.
    """

    table: str
    fingerprint: str
    path: str
    size: int
    modified: float
    copy_of: str | None = None


@dataclass(frozen=True)
class FileVerdict:
    """What became of a landed file; rows = accepted + quarantined, and none of a file that was
    refused or copies another.
    """

    file: LandedFile
    status: FileStatus
    rows: int = 0
    accepted: int = 0
    quarantined: int = 0
    reason: str = ""


def discover_files(use_case: UseCase, retry_refused: bool = False) -> list[LandedFile]:
    """The landed files that `files` says nothing of, by table and path.

    With `retry_refused` also those that it only says were refused. A file is opened only if its
    path, size and time of modification are not on record.
    """
    records = read_file_records(use_case)
    looked_at = records.filter(pl.col("status") != "refused") if retry_refused else records
    places = set(looked_at.select("table", "path", "size", "modified").iter_rows())
    taken = records.filter(status="accepted").select("table", "fingerprint", "path")
    originals = {(table, fingerprint): path for table, fingerprint, path in taken.iter_rows()}
    found = []
    for table, path, size, modified in _listing(use_case):
        if (table, path, size, modified) not in places:
            content = (table, sha256(read_landed_bytes(use_case, path)).hexdigest())
            found.append(LandedFile(*content, path, size, modified, originals.get(content)))
            originals.setdefault(content, path)
    return found


def read_landed_file(use_case: UseCase, file: LandedFile) -> pl.DataFrame:
    """The rows of a landed file, typed as its table declares, in the order of the file.

    RefusedBatch if it cannot be read so; Transient if it is no longer the file that was found.
    """
    content = read_landed_bytes(use_case, file.path)
    if sha256(content).hexdigest() != file.fingerprint:
        raise Transient(f"{file.path} changed while it was read; the next run takes it")
    return parse_file(content, file.path, use_case.tables[file.table])


def read_file_records(use_case: UseCase) -> pl.DataFrame:
    """All that `files` says: one row a file and status, with the moment of the run (`as_of`)."""
    lake = open_lake(use_case.name)
    return (
        lake.scan(FILES_TABLE).collect()
        if lake.exists(FILES_TABLE)
        else pl.DataFrame(schema=_RECORD)
    )


def record_files(use_case: UseCase, verdicts: Sequence[FileVerdict], as_of: datetime) -> int | None:
    """Say in `files` what became of files, each once and all in one commit; its newest version."""
    rows = {}
    for verdict in verdicts:
        file, told = asdict(verdict.file), asdict(verdict)
        values = {**file, **told, "as_of": as_of}
        name = f"{file['path']}@{file['modified']}:{file['fingerprint']}:{verdict.status}"
        rows[name] = pl.DataFrame({k: [values[k]] for k in _RECORD}, schema=_RECORD)
    return open_lake(use_case.name).append_once(FILES_TABLE, rows)


def read_landed_bytes(use_case: UseCase, path: str) -> bytes:
    """The content of a file below the use case's landing root."""
    return files.read_file(f"{settings().landing}/{use_case.name}/{path}")


def _listing(use_case: UseCase) -> list[tuple[str, str, int, float]]:
    """Table, path, size and time of modification of the files that belong to a table.

    A `*` also stands for folders. Names that begin with a dot or an underscore are somebody's
    unfinished work.
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
