"""Rules on which entries of the landing folder are read now, later, or not at all.

A file is judged by its name, kind and size before it is opened. No entry is passed over without a
reason, except those that begin with a dot or an underscore and have no ending of a landed file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Literal

import polars as pl

from configs.clock import write_duration
from configs.schema.landed import COMPRESSED_SUFFIXES, FILE_SUFFIXES
from configs.schema.request_table import find_pushed_table
from configs.schema.use_case import UseCase
from configs.settings import settings
from tasks.ingestion.parsing.file_schema import is_parquet
from tasks.storage.files import read_end
from tasks.storage.folder_walk import FOLDER, FolderEntry, walk_folder

WRITING_ENDINGS = (
    ".tmp", ".temp", ".part", ".partial", ".filepart", ".crdownload", ".download", ".inprogress",
    ".writing", ".swp", ".lock", "~",
)  # fmt: skip
"""Endings that programs give to files while they write them."""
LINE_END_PATIENCE = timedelta(minutes=10)
"""A CSV without a last line end may be half-written until it is unchanged for this time."""
EntryStatus = Literal["new", "waiting", "ignored", "refused"]


@dataclass(frozen=True)
class JudgedEntry:
    """An entry of the landing folder, its table if it fits one, and what becomes of it."""

    entry: FolderEntry
    status: EntryStatus
    table: str = ""
    reason: str = ""


def judge_entries(use_case: UseCase) -> list[JudgedEntry]:
    """Return the entries of the landing folder by table and path, judged without opening them.

    A `*` in a table's pattern also matches folders.
    """
    entries = walk_folder(f"{settings().landing}/{use_case.name}")
    judged_entries = [judged for entry in entries for judged in _judge(use_case, entry)]
    return sorted(judged_entries, key=lambda judged: (judged.table, judged.entry.path))


def explain_wait(
    use_case: UseCase, judged: JudgedEntry, records: pl.DataFrame, as_of: datetime | None
) -> str:
    """Return why a file is not taken yet; an empty text if it is.

    It has been unchanged since its modification, or since a run recorded that it waits.

    Args:
        use_case: the use case.
        judged: a new file.
        records: of earlier runs.
        as_of: time of the ingest (default: every file is taken).
    """
    settle = use_case.tables[judged.table].settle
    open_end = _lacks_line_end(use_case, judged.entry)
    patience = max(settle, LINE_END_PATIENCE) if open_end else settle
    if as_of is None or not patience:
        return ""
    seen = records.filter(
        status="waiting", path=judged.entry.path, size=judged.entry.size,
        modified=judged.entry.modified,
    )["as_of"].min()  # fmt: skip
    unchanged = as_of.timestamp() - judged.entry.modified
    if isinstance(seen, datetime):
        unchanged = max(unchanged, (as_of - seen).total_seconds())
    if unchanged >= patience.total_seconds():
        return ""
    why = "its last line has no line end, so it may be half-written; " if open_end else ""
    return f"{why}it is taken once it is unchanged for {write_duration(patience)}"


def _judge(use_case: UseCase, entry: FolderEntry) -> Iterator[JudgedEntry]:
    """Yield the entry once for each table that it fits, or once if it fits none."""
    name = PurePosixPath(entry.path)
    hidden = any(part.startswith((".", "_")) for part in name.parts)
    if hidden or entry.path.lower().endswith(WRITING_ENDINGS):
        if not hidden or has_file_ending(entry.path):
            yield JudgedEntry(entry, "waiting", reason="its name says that it is being written")
        return
    tables = _find_tables(use_case, entry.path)
    for table in tables:
        status, reason = _judge_fitting(entry)
        yield JudgedEntry(entry, status, table, reason)
    if not tables:
        yield JudgedEntry(
            entry, "ignored", reason=entry.problem or _explain_misfit(use_case, entry)
        )


def _find_tables(use_case: UseCase, path: str) -> list[str]:
    """Return the tables whose pattern a path fits; pushed rows lie in a folder of their table."""
    pushed = find_pushed_table(use_case, path)
    if pushed is not None:
        return [pushed]
    return [table for table, each in use_case.tables.items() if fnmatchcase(path, each.files)]


def _judge_fitting(entry: FolderEntry) -> tuple[EntryStatus, str]:
    limit = settings().file_memory_mb
    if entry.problem:
        return ("ignored" if entry.problem == FOLDER else "refused"), entry.problem
    if not has_file_ending(entry.path):
        return "ignored", f"its ending is none of {', '.join(FILE_SUFFIXES)}"
    if entry.size > limit << 20:
        size = f"it has {entry.size >> 20} MB, the limit is {limit}"
        return "refused", f"{size}; land smaller files, or set MAINSPRING_FILE_MEMORY_MB"
    return "new", ""


def has_file_ending(path: str) -> bool:
    """Return whether a path ends like a landed file, in any case, compressed or not."""
    name = path.lower()
    compressed = next((end for end in COMPRESSED_SUFFIXES if name.endswith(end)), "")
    plain = name.removesuffix(compressed)
    return plain.endswith(FILE_SUFFIXES) and not (compressed and is_parquet(plain))


def _explain_misfit(use_case: UseCase, entry: FolderEntry) -> str:
    """Return that the entry fits no table, and the pattern that it nearly fits."""
    stem = _plain_name(entry.path)
    for name, table in use_case.tables.items():
        if fnmatchcase(stem, _plain_name(table.files)):
            return f"it fits no table; tables.{name}.files is {table.files}"
    patterns = ", ".join(table.files for table in use_case.tables.values())
    return f"it fits no table (files: {patterns})"


def _plain_name(path: str) -> str:
    """Return a path or pattern in small letters, without the endings of a file."""
    name = path.lower()
    for ending in (*COMPRESSED_SUFFIXES, *FILE_SUFFIXES):
        name = name.removesuffix(ending)
    return name


def _lacks_line_end(use_case: UseCase, entry: FolderEntry) -> bool:
    """Return whether a text file ends within a line; in UTF-16 a zero byte may follow the end."""
    if is_parquet(entry.path) or entry.path.lower().endswith(COMPRESSED_SUFFIXES):
        return False
    try:
        end = read_end(f"{settings().landing}/{use_case.name}/{entry.path}", 2)
    except OSError:  # the attempt to parse it says why
        return False
    return bool(end) and not end.rstrip(b"\0").endswith((b"\n", b"\r"))
