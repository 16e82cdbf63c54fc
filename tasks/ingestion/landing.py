"""Discovery of landed files, and the record that prevents ingesting one twice.

A file is identified by the sha256 of its content, its fingerprint. The Delta table `files` records
the verdict on each file and is committed last. So the next run finds files that a killed run left,
and recognises rows that it committed by their fingerprint.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import polars as pl

from configs.errors import RefusedBatch
from configs.schema.use_case import UseCase
from configs.settings import settings
from infra.storage.s3 import is_s3
from tasks.features.raw_tables import FILES_TABLE as FILES_TABLE
from tasks.ingestion.landing_rules import JudgedEntry, explain_wait, judge_entries
from tasks.ingestion.parsing.parse_in_child import parse_in_child
from tasks.storage import files
from tasks.storage.folder_walk import FolderEntry
from tasks.storage.lake import open_lake

FileStatus = Literal["accepted", "refused", "duplicate", "waiting", "ignored"]
_RECORD_SCHEMA = {
    "table": pl.String(), "path": pl.String(), "fingerprint": pl.String(), "size": pl.Int64(),
    "modified": pl.Float64(), "status": pl.String(), "rows": pl.Int64(), "accepted": pl.Int64(),
    "quarantined": pl.Int64(), "reason": pl.String(), "as_of": pl.Datetime("us", "UTC"),
    "changed": pl.Int64(),
}  # fmt: skip


@dataclass(frozen=True)
class LandedFile:
    """A file below the landing root.

    `fingerprint` is the sha256 of its content, `path` relative to the root, `size` in bytes,
    `modified` in seconds, `changed` in nanoseconds; `copy_of` is the path of an earlier file with
    equal content. A file that is not read has no fingerprint, one that fits no table no table.
    """

    table: str
    fingerprint: str
    path: str
    size: int
    modified: float
    copy_of: str | None = None
    changed: int = 0


@dataclass(frozen=True)
class FileVerdict:
    """The verdict on a landed file; rows = accepted + quarantined.

    All are 0 for a file with another status. A waiting file is looked at again by the next run, an
    ignored one is no file of a table.
    """

    file: LandedFile
    status: FileStatus
    rows: int = 0
    accepted: int = 0
    quarantined: int = 0
    reason: str = ""


def discover_files(
    use_case: UseCase, retry_refused: bool = False, as_of: datetime | None = None
) -> list[LandedFile]:
    """Return the landed files without a record, by table and path.

    A file is opened only if its path, size and times are not on record.

    Args:
        use_case: the use case.
        retry_refused: also return files whose only records are refusals.
        as_of: time of the ingest; without it, no file waits until it is unchanged.
    """
    records = read_file_records(use_case)
    accepted = records.filter(status="accepted").select("table", "fingerprint", "path")
    originals = {(table, fingerprint): path for table, fingerprint, path in accepted.iter_rows()}
    new_files = []
    for judged in _list_new_entries(use_case, records, retry_refused):
        if explain_wait(use_case, judged, records, as_of):
            continue
        entry, table = judged.entry, judged.table
        content = (table, _hash_entry(use_case, entry))
        copy_of = originals.get(content)
        new_files.append(_landed_file(judged, content[1], copy_of))
        originals.setdefault(content, entry.path)
    return new_files


def find_held_files(use_case: UseCase, as_of: datetime) -> list[FileVerdict]:
    """Return the verdicts on what is not read: ignored and waiting files, and refused entries."""
    records = read_file_records(use_case)
    held = [judged for judged in judge_entries(use_case) if judged.status != "new"]
    for judged in _list_new_entries(use_case, records):
        reason = explain_wait(use_case, judged, records, as_of)
        if reason:
            held.append(replace(judged, status="waiting", reason=reason))
    return [
        FileVerdict(_landed_file(judged), judged.status, reason=f"{judged.entry.path}: {reason}")
        for judged in held
        if judged.status != "new" and (reason := judged.reason)
    ]


def read_landed_file(use_case: UseCase, file: LandedFile) -> pl.DataFrame | None:
    """Read the typed rows of a landed file, in its order, in a child process.

    Returns None if the file has changed since its discovery. Raises RefusedBatch if it is invalid.
    """
    address, table = _address(use_case, file.path), use_case.tables[file.table]
    with TemporaryDirectory() as folder:
        source = Path(files.to_absolute(address))
        if is_s3(address):
            source = Path(folder) / "content"
            source.write_bytes(files.read_file(address))
        parsed = parse_in_child(source, file.path, table)
    if parsed.fingerprint not in (file.fingerprint, ""):
        return None
    if parsed.rows is None:
        raise RefusedBatch(parsed.refused)
    return parsed.rows


def read_file_records(use_case: UseCase) -> pl.DataFrame:
    """Read the records of all files: one row a file and status, with the run's `as_of`."""
    lake, none = open_lake(use_case.name), pl.DataFrame(schema=_RECORD_SCHEMA)
    if not lake.exists(FILES_TABLE):
        return none
    # older records lack columns
    return pl.concat([none, lake.scan(FILES_TABLE).collect()], how="diagonal")


def record_files(use_case: UseCase, verdicts: Sequence[FileVerdict], as_of: datetime) -> int | None:
    """Record the verdicts in one commit, each once; return the version of `files`."""
    rows = {}
    for verdict in verdicts:
        file = asdict(verdict.file)
        values = {**file, **asdict(verdict), "as_of": as_of}
        name = f"{file['path']}@{file['modified']}:{file['fingerprint']}:{verdict.status}"
        rows[name] = pl.DataFrame({k: [values[k]] for k in _RECORD_SCHEMA}, schema=_RECORD_SCHEMA)
    return open_lake(use_case.name).append_once(FILES_TABLE, rows)


def _list_new_entries(
    use_case: UseCase, records: pl.DataFrame, retry_refused: bool = False
) -> list[JudgedEntry]:
    """Return the files of tables that no run has read; with `retry_refused` also refused ones."""
    settled = ["accepted", "duplicate", *([] if retry_refused else ["refused"])]
    done = records.filter(pl.col("status").is_in(settled))
    known = set(done.select("table", "path", "size", "modified", "changed").iter_rows())
    return [
        judged
        for judged in judge_entries(use_case)
        if judged.status == "new" and not known & _identities(judged)
    ]


def _identities(judged: JudgedEntry) -> set[tuple[str, str, int, float, int | None]]:
    """Return how the judged may be on record; older records have no time of change."""
    entry = judged.entry
    identity = (judged.table, entry.path, entry.size, entry.modified)
    return {(*identity, entry.changed), (*identity, None)}


def _landed_file(
    judged: JudgedEntry, fingerprint: str = "", copy_of: str | None = None
) -> LandedFile:
    entry = judged.entry
    return LandedFile(
        judged.table, fingerprint, entry.path, entry.size, entry.modified, copy_of, entry.changed
    )


def _hash_entry(use_case: UseCase, entry: FolderEntry) -> str:
    """Return the sha256 of a file, or a text of its own if it cannot be read."""
    try:
        return files.hash_file(_address(use_case, entry.path), entry.size)
    except OSError:  # the attempt to parse it says why
        return f"unread {entry.path}"


def _address(use_case: UseCase, path: str) -> str:
    return f"{settings().landing}/{use_case.name}/{path}"
