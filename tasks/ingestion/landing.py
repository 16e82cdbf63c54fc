"""Discovery of landed files, and the record that prevents ingesting one twice.

A file is identified by the sha256 of its content, its fingerprint. The Delta table `files` records
the verdict on each file and is committed last. So the next run finds files that a killed run left,
and recognises rows that it committed by their fingerprint.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
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
from tasks.ingestion.landing_rules import JudgedEntry, explain_wait, judge_entries
from tasks.ingestion.parsing.parse_in_child import parse_in_child
from tasks.ingestion.refusals import select_settled
from tasks.storage import files
from tasks.storage.file_records import FILE_RECORD_SCHEMA, FILES_TABLE, read_file_records
from tasks.storage.folder_walk import FolderEntry
from tasks.storage.lake import open_lake

FileStatus = Literal["accepted", "refused", "duplicate", "waiting", "ignored", "released"]
_LANDING = ("table", "path", "size", "modified")


@dataclass(frozen=True)
class LandedFile:
    """A file below the landing root.

    `fingerprint` is the sha256 of its content, `path` relative to the root. `size`, `modified` and
    `changed` are those of its `FolderEntry`. `copy_of` is the path of an earlier file with equal
    content. A file that is not read has no fingerprint, one that fits no table no table. A
    `snapshot` is a file of a table without times.
    """

    table: str
    fingerprint: str
    path: str
    size: int
    modified: float
    copy_of: str | None = None
    changed: int = 0
    snapshot: bool = False

    @property
    def batch(self) -> str:
        """The name under which its rows are committed once: the fingerprint.

        A register may return to an earlier content, so a snapshot is named by its landing too.
        """
        landing = f":{self.path}@{self.modified}" if self.snapshot else ""
        return f"{self.fingerprint}{landing}"


@dataclass(frozen=True)
class FileVerdict:
    """The verdict on a landed file; rows = accepted + quarantined + repeated.

    Repeated rows are copies of other rows; all rows of a duplicate are. The rows of a refused file
    are neither; they are 0 if it is unreadable. `cause`, `retry_from` and `judged_by` (the digest
    of the rules) of a refusal say when it is read again. A waiting file is looked at again by the
    next run, an ignored one is no file of a table.
    """

    file: LandedFile
    status: FileStatus
    rows: int = 0
    accepted: int = 0
    quarantined: int = 0
    reason: str = ""
    repeated: int = 0
    cause: str = ""
    retry_from: datetime | None = None
    judged_by: str = ""


def discover_files(
    use_case: UseCase, retry_refused: bool = False, as_of: datetime | None = None
) -> list[LandedFile]:
    """Return the landed files without a record, by table; snapshots by time, others by path.

    A file is opened only if its path, size and times are not on record.

    Args:
        use_case: the use case.
        retry_refused: also return all files whose only records are refusals; else those whose
            time has come, or that other rules refused.
        as_of: time of the ingest; without it, no file waits until it is unchanged.
    """
    records = read_file_records(use_case)
    snapshots = {name for name, table in use_case.tables.items() if table.known_from is not None}
    originals = _find_originals(records, snapshots)
    entries = judge_entries(use_case)
    entries = _select_unread(use_case, entries, records, as_of, retry_refused)
    new_files = []
    for judged in sorted(entries, key=lambda each: _landing_order(each, snapshots)):
        if explain_wait(use_case, judged, records, as_of):
            continue
        fingerprint, table = _hash_entry(use_case, judged.entry), judged.table
        copy_of = originals[table].get(fingerprint)
        file = _landed_file(judged, fingerprint, copy_of)
        new_files.append(replace(file, snapshot=table in snapshots))
        if table in snapshots:
            originals[table].clear()  # only the newest snapshot can be landed again
        originals[table].setdefault(fingerprint, copy_of or file.path)
    return new_files


def find_held_files(use_case: UseCase, as_of: datetime) -> list[FileVerdict]:
    """Return the verdicts on what is not read: ignored and waiting files, and refused entries."""
    records = read_file_records(use_case)
    entries = judge_entries(use_case)
    held = [judged for judged in entries if judged.status != "new"]
    for judged in _select_unread(use_case, entries, records, as_of):
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


def record_files(use_case: UseCase, verdicts: Sequence[FileVerdict], as_of: datetime) -> int | None:
    """Record the verdicts in one commit, each once; return the version of `files`."""
    rows = {}
    for verdict in verdicts:
        file = asdict(verdict.file)
        values = {**file, **asdict(verdict), "as_of": as_of}
        name = f"{file['path']}@{file['modified']}:{file['fingerprint']}:{verdict.status}"
        if verdict.judged_by:  # other rules may refuse it for another reason
            name += f":{verdict.cause}:{verdict.judged_by}"
        rows[name] = pl.DataFrame(
            {k: [values[k]] for k in FILE_RECORD_SCHEMA}, schema=FILE_RECORD_SCHEMA
        )
    return open_lake(use_case.name).append_once(FILES_TABLE, rows)


def list_refused_files(use_case: UseCase) -> pl.DataFrame:
    """Return the last record of each landed file that is refused, by table and path."""
    records = read_file_records(use_case)
    taken = records.filter(pl.col("status").is_in(["accepted", "duplicate"]))
    refused = records.filter(status="refused").join(taken, on=_LANDING, how="anti")
    last = refused.unique(_LANDING, keep="last")
    entries = judge_entries(use_case) if last.height else []
    landed = pl.DataFrame(
        [(each.table, each.entry.path, each.entry.size, each.entry.modified) for each in entries],
        {name: FILE_RECORD_SCHEMA[name] for name in _LANDING},
        orient="row",
    )
    return last.join(landed, on=_LANDING, how="semi").sort("table", "path")


def select_new_refusals(use_case: UseCase, verdicts: Sequence[FileVerdict]) -> list[FileVerdict]:
    """Return the refusals that are not on record: of new files, or by other rules."""
    recorded = read_file_records(use_case).filter(status="refused")
    known = set(recorded.select("path", "modified", "fingerprint", "judged_by").iter_rows())
    return [
        verdict
        for verdict in verdicts
        if verdict.status == "refused"
        and (verdict.file.path, verdict.file.modified, verdict.file.fingerprint, verdict.judged_by)
        not in known
    ]


def _select_unread(
    use_case: UseCase,
    entries: Sequence[JudgedEntry],
    records: pl.DataFrame,
    as_of: datetime | None,
    retry_refused: bool = False,
) -> list[JudgedEntry]:
    """Return the files of tables that no run has read, and refused ones that may be taken now."""
    done = select_settled(use_case, records, as_of, retry_refused=retry_refused)
    known = set(done.select("table", "path", "size", "modified", "changed").iter_rows())
    return [
        judged for judged in entries if judged.status == "new" and not known & _identities(judged)
    ]


def _find_originals(
    records: pl.DataFrame, snapshots: Collection[str]
) -> defaultdict[str, dict[str, str]]:
    """Return the path of accepted files by table and fingerprint; of snapshots the newest one."""
    accepted = records.filter(status="accepted").sort("as_of", "modified", "path")
    originals: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for table, fingerprint, path in accepted.select("table", "fingerprint", "path").iter_rows():
        if table in snapshots:
            originals[table].clear()
        originals[table].setdefault(fingerprint, path)
    return originals


def _landing_order(judged: JudgedEntry, snapshots: Collection[str]) -> tuple[str, float]:
    """Return a sort key: by table, and snapshots by their time of modification."""
    return judged.table, judged.entry.modified if judged.table in snapshots else 0.0


def _identities(judged: JudgedEntry) -> set[tuple[str, str, int, float, int | None]]:
    """Return how the judged may be on record; older records have no time of change, or 0 on S3."""
    entry = judged.entry
    identity = (judged.table, entry.path, entry.size, entry.modified)
    return {(*identity, entry.changed), (*identity, None), (*identity, 0)}


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
