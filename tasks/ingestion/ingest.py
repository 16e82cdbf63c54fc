"""Ingestion of landed files: validation, quarantine, and commits to the raw tables.

The order of the commits makes a kill harmless. Rows come first, those of a file exactly once by
its fingerprint; the record of the file comes last. The next run discovers an interrupted file
again. The verdict is the same: it depends on content, `as_of` and the rows of earlier files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from itertools import groupby

import polars as pl

from configs.errors import RefusedBatch
from configs.schema.use_case import UseCase
from tasks.ingestion.lake_types import find_type_changes
from tasks.ingestion.landing import FileVerdict, LandedFile, find_held_files, read_landed_file
from tasks.ingestion.quarantine import SplitRows, split_rows, write_quarantine
from tasks.ingestion.refusals import Refusal, digest_rules
from tasks.ingestion.rows.snapshots import add_own_times
from tasks.ingestion.rows.time_bounds import find_early_rows, latest_time, select_possible_rows
from tasks.ingestion.validated_files import ValidatedFiles
from tasks.ingestion.validation import FILE_COLUMN, REASONS_COLUMN, FileValidator
from tasks.ingestion.validation_page import write_validation_page
from tasks.storage.file_records import read_file_records
from tasks.storage.lake import open_lake

_CHANGING = "it changed while it was read; the next run reads it again"


def validate_files(
    use_case: UseCase, files: Sequence[LandedFile], as_of: datetime
) -> ValidatedFiles:
    """Read and validate landed files, write their page and Data Docs; commits nothing.

    Files of a table whose types in the lake are not those of the YAML wait for the migration.
    """
    result = ValidatedFiles(find_held_files(use_case, as_of))
    waiting = {change.table.partition("/")[2] for change in find_type_changes(use_case)}
    files = [file for file in files if file.table not in waiting]
    if not files:
        return result
    digest = sha256("".join(file.fingerprint for file in files).encode()).hexdigest()
    run = f"{as_of:%Y%m%dT%H%M%SZ}-{digest[:8]}"
    validator = FileValidator(use_case, as_of, run)
    for table, group in groupby(files, key=lambda file: file.table):
        landed = list(group)
        originals = [file for file in landed if file.copy_of is None]
        copies = [file for file in landed if file.copy_of is not None]
        refused, rows = _read_files(use_case, validator, originals, as_of)
        changed = {f.fingerprint for f in originals if f.batch not in {**refused, **rows}}
        changing = [file for file in landed if file.fingerprint in changed]
        result.verdicts.extend(FileVerdict(f, "waiting", reason=_CHANGING) for f in changing)
        originals = [file for file in originals if file.fingerprint not in changed]
        copies = [file for file in copies if file.fingerprint not in changed]
        rows = add_own_times(use_case, table, rows, as_of)
        latest = {
            file.batch: latest_time(use_case.tables[table], as_of, file.modified)
            for file in originals
        }
        split = split_rows(use_case, table, validator, rows, latest)
        result.accepted[table], result.quarantined[table] = split.accepted, split.quarantined
        rules = digest_rules(use_case, table)
        verdicts = [_judge_file(file, refused, split, rules) for file in originals]
        result.verdicts.extend(verdicts + _judge_copies(use_case, copies, verdicts))
    docs, results = validator.write_docs(), validator.rule_results
    page = write_validation_page(
        use_case, run, as_of, result.verdicts, results, result.quarantined, docs
    )
    return replace(result, docs=docs, page=page)


def commit_rows(use_case: UseCase, validated: ValidatedFiles) -> dict[str, int]:
    """Commit quarantined and then accepted rows, once a file; return the raw table versions."""
    lake = open_lake(use_case.name)
    write_quarantine(use_case, validated.quarantined)
    for table, batches in validated.accepted.items():
        lake.append_once(f"raw/{table}", batches)
    return lake.versions([f"raw/{table}" for table in use_case.tables])


def _read_files(
    use_case: UseCase,
    validator: FileValidator,
    files: Sequence[LandedFile],
    as_of: datetime,
) -> tuple[dict[str, Refusal], dict[str, pl.DataFrame]]:
    """Return the refusals and the rows of the other files, by batch."""
    refused, rows = {}, {}
    for file in files:
        try:
            content = read_landed_file(use_case, file)
        except RefusedBatch as error:
            refused[file.batch] = Refusal(str(error))
            continue
        if content is None:
            continue  # it waits until it does not change any more
        refusal = _find_refusal(use_case, validator, file, content, as_of)
        if refusal:
            refused[file.batch] = refusal
        else:
            rows[file.batch] = content.with_columns(pl.lit(file.batch).alias(FILE_COLUMN))
    return refused, rows


def _find_refusal(
    use_case: UseCase,
    validator: FileValidator,
    file: LandedFile,
    rows: pl.DataFrame,
    as_of: datetime,
) -> Refusal | None:
    """Return why a file is refused, judged by its rows with possible times; None if it is not."""
    table = use_case.tables[file.table]
    possible = select_possible_rows(table, rows, latest_time(table, as_of, file.modified))
    if possible.is_empty() and rows.height:
        return None  # all rows go to quarantine by themselves
    refusal = find_early_rows(table, possible, file.path, as_of) or validator.find_refusal(
        file.table, possible, file.path
    )
    return None if refusal is None else replace(refusal, rows=rows.height)


def _judge_file(
    file: LandedFile, refused: Mapping[str, Refusal], split: SplitRows, rules: str
) -> FileVerdict:
    refusal = refused.get(file.batch)
    if refusal is not None:
        return FileVerdict(
            file,
            "refused",
            refusal.rows,
            reason=refusal.reason,
            cause=refusal.cause,
            retry_from=refusal.retry_from,
            judged_by=rules,
        )
    accepted, bad = split.accepted.get(file.batch), split.quarantined.get(file.batch)
    good, repeated = 0 if accepted is None else accepted.height, split.repeated.get(file.batch, 0)
    if bad is None:
        return FileVerdict(file, "accepted", good + repeated, good, repeated=repeated)
    reason = "; ".join(bad[REASONS_COLUMN].explode().unique().sort())
    rows = good + bad.height + repeated
    return FileVerdict(file, "accepted", rows, good, bad.height, reason, repeated)


def _judge_copies(
    use_case: UseCase, copies: Sequence[LandedFile], verdicts: Sequence[FileVerdict]
) -> list[FileVerdict]:
    """Return the verdicts on copies: refused if the original is refused now, else duplicate."""
    if not copies:
        return []
    rows = {verdict.file.fingerprint: verdict.rows for verdict in verdicts}
    refused = {v.file.fingerprint: v for v in verdicts if v.status == "refused"}
    records = read_file_records(use_case).filter(status="accepted")
    earlier = records.filter(pl.col("table") == copies[0].table).select("fingerprint", "rows")
    rows = dict(earlier.iter_rows()) | rows
    return [
        replace(refused[copy.fingerprint], file=copy)
        if copy.fingerprint in refused
        else FileVerdict(
            copy,
            "duplicate",
            count := rows.get(copy.fingerprint, 0),
            repeated=count,
            reason=f"the same content as {copy.copy_of}",
        )
        for copy in copies
    ]
