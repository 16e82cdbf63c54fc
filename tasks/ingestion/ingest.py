"""Ingestion of landed files: validation, quarantine, and commits to the raw tables.

The order of the commits makes a kill harmless. Rows come first, those of a file exactly once by
its fingerprint; the record of the file comes last. The next run discovers an interrupted file
again. The verdict is the same: it depends on content, `as_of` and the rows of earlier files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from itertools import groupby

import polars as pl

from configs.errors import RefusedBatch
from configs.schema.data import OWN_TIME
from configs.schema.use_case import UseCase
from tasks.ingestion.lake_types import find_type_changes
from tasks.ingestion.landing import (
    FileStatus,
    FileVerdict,
    LandedFile,
    find_held_files,
    read_landed_file,
)
from tasks.ingestion.quarantine import split_quarantined_rows, write_quarantine
from tasks.ingestion.validation import FILE_COLUMN, REASONS_COLUMN, FileValidator
from tasks.storage.lake import open_lake

_CHANGING = "it changed while it was read; the next run reads it again"


@dataclass(frozen=True)
class ValidatedFiles:
    """The verdicts on landed files; accepted and quarantined rows by table and fingerprint.

    `docs` is the address of the Data Docs.
    """

    verdicts: list[FileVerdict] = field(default_factory=list)
    accepted: dict[str, dict[str, pl.DataFrame]] = field(default_factory=dict)
    quarantined: dict[str, dict[str, pl.DataFrame]] = field(default_factory=dict)
    docs: str = ""


def validate_files(
    use_case: UseCase, files: Sequence[LandedFile], as_of: datetime
) -> ValidatedFiles:
    """Read and validate landed files and write the Data Docs; commits nothing.

    Files of a table whose types in the lake are not those of the YAML wait for the migration.
    """
    result = ValidatedFiles(find_held_files(use_case, as_of))
    waiting = {change.table.partition("/")[2] for change in find_type_changes(use_case)}
    files = [file for file in files if file.table not in waiting]
    if not files:
        return result
    digest = sha256("".join(file.fingerprint for file in files).encode()).hexdigest()
    validator = FileValidator(use_case, as_of, f"{as_of:%Y%m%dT%H%M%SZ}-{digest[:8]}")
    for table, group in groupby(files, key=lambda file: file.table):
        landed = list(group)
        originals = [file for file in landed if file.copy_of is None]
        copies = [file for file in landed if file.copy_of is not None]
        refused, rows = _read_files(use_case, validator, originals)
        changing = [f for f in originals if f.fingerprint not in {**refused, **rows}]
        result.verdicts.extend(FileVerdict(f, "waiting", reason=_CHANGING) for f in changing)
        originals = [file for file in originals if file not in changing]
        rows = _add_own_time(use_case, table, rows, as_of)
        good, bad = split_quarantined_rows(use_case, table, validator, rows)
        result.accepted[table], result.quarantined[table] = good, bad
        verdicts = [_judge_file(file, refused, good, bad) for file in originals]
        result.verdicts.extend(verdicts + [_judge_copy(copy, verdicts) for copy in copies])
    return replace(result, docs=validator.write_docs())


def commit_rows(use_case: UseCase, validated: ValidatedFiles) -> dict[str, int]:
    """Commit quarantined and then accepted rows, once a file; return the raw table versions."""
    lake = open_lake(use_case.name)
    write_quarantine(use_case, validated.quarantined)
    for table, batches in validated.accepted.items():
        lake.append_once(f"raw/{table}", batches)
    return lake.versions([f"raw/{table}" for table in use_case.tables])


def _read_files(
    use_case: UseCase, validator: FileValidator, files: Sequence[LandedFile]
) -> tuple[dict[str, str], dict[str, pl.DataFrame]]:
    """Return the reasons of refused files, and the rows of the others, by fingerprint."""
    refused, rows = {}, {}
    for file in files:
        try:
            content = read_landed_file(use_case, file)
        except RefusedBatch as error:
            refused[file.fingerprint] = str(error)
            continue
        if content is None:
            continue  # it waits until it does not change any more
        reason = validator.find_refusal(file.table, content, file.path)
        if reason:
            refused[file.fingerprint] = f"{file.path}: {reason}; correct the file and land it again"
        else:
            rows[file.fingerprint] = content.with_columns(
                pl.lit(file.fingerprint).alias(FILE_COLUMN)
            )
    return refused, rows


def _add_own_time(
    use_case: UseCase, table: str, files: Mapping[str, pl.DataFrame], as_of: datetime
) -> dict[str, pl.DataFrame]:
    """Add the known time to rows of a table that has no time columns.

    If a killed run committed a file already, the file is not appended again.
    """
    first = use_case.tables[table].known_from
    if first is None:
        return dict(files)
    known_time = as_of if open_lake(use_case.name).exists(f"raw/{table}") else first
    stamp = pl.lit(known_time, pl.Datetime("us", "UTC")).alias(OWN_TIME)
    return {fingerprint: rows.with_columns(stamp) for fingerprint, rows in files.items()}


def _judge_file(
    file: LandedFile,
    refused: Mapping[str, str],
    good: Mapping[str, pl.DataFrame],
    bad: Mapping[str, pl.DataFrame],
) -> FileVerdict:
    if file.fingerprint in refused:
        return FileVerdict(file, "refused", reason=refused[file.fingerprint])
    accepted, quarantined = (
        part[file.fingerprint].height if file.fingerprint in part else 0 for part in (good, bad)
    )
    reasons = bad[file.fingerprint][REASONS_COLUMN].explode().to_list() if quarantined else []
    reason = "; ".join(sorted(set(reasons)))
    return FileVerdict(file, "accepted", accepted + quarantined, accepted, quarantined, reason)


def _judge_copy(copy: LandedFile, verdicts: Sequence[FileVerdict]) -> FileVerdict:
    """Return the verdict on a copy: refused if its original is refused now, else duplicate."""
    refused = {v.file.fingerprint for v in verdicts if v.status == "refused"}
    status: FileStatus = "refused" if copy.fingerprint in refused else "duplicate"
    return FileVerdict(copy, status, reason=f"the same content as {copy.copy_of}")
