"""Taking landed files in: what of them is good, what is not, and the commits that say so.

The order of the commits makes a kill harmless: rows first, each file's exactly once by its
fingerprint, and last the record that the file is done. Whatever lies between is found again and
comes out the same, because what becomes of a file depends on nothing but its content, `as_of`
and the rows that other files brought before it.
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
from tasks.ingestion.landing import FileStatus, FileVerdict, LandedFile, read_landed_file
from tasks.ingestion.validation import FILE_COLUMN, REASONS_COLUMN, Examination
from tasks.storage.lake import open_lake

TAKEN_BEFORE = "taken_before"
"""The reason of a row whose key and known time another file brought already."""


@dataclass(frozen=True)
class Intake:
    """What a run makes of landed files: a verdict each, and by table the accepted and the
    quarantined rows of each file (by fingerprint). `docs` is the address of the Data Docs.
    """

    verdicts: list[FileVerdict] = field(default_factory=list)
    accepted: dict[str, dict[str, pl.DataFrame]] = field(default_factory=dict)
    quarantined: dict[str, dict[str, pl.DataFrame]] = field(default_factory=dict)
    docs: str = ""


def validate_files(use_case: UseCase, files: Sequence[LandedFile], as_of: datetime) -> Intake:
    """Read and validate landed files, without committing anything; writes the Data Docs."""
    intake = Intake()
    if not files:
        return intake
    digest = sha256("".join(file.fingerprint for file in files).encode()).hexdigest()
    examination = Examination(use_case, as_of, f"{as_of:%Y%m%dT%H%M%SZ}-{digest[:8]}")
    for table, group in groupby(files, key=lambda file: file.table):
        landed = list(group)
        originals = [file for file in landed if file.copy_of is None]
        copies = [file for file in landed if file.copy_of is not None]
        refused, rows = _read(use_case, examination, originals)
        rows = _with_own_time(use_case, table, rows, as_of)
        good, bad = _split(use_case, table, examination, rows)
        intake.accepted[table], intake.quarantined[table] = good, bad
        told = [_verdict(file, refused, good, bad) for file in originals]
        intake.verdicts.extend(told + [_copy_verdict(copy, told) for copy in copies])
    return replace(intake, docs=examination.write_docs())


def commit_rows(use_case: UseCase, intake: Intake) -> dict[str, int]:
    """Commit quarantined and then accepted rows, those of each file once; the tables' versions."""
    lake = open_lake(use_case.name)
    for name, tables in (("quarantine", intake.quarantined), ("raw", intake.accepted)):
        for table, batches in tables.items():
            lake.append_once(f"{name}/{table}", batches)
    return lake.versions([f"raw/{table}" for table in use_case.tables])


def _read(
    use_case: UseCase, examination: Examination, files: Sequence[LandedFile]
) -> tuple[dict[str, str], dict[str, pl.DataFrame]]:
    """Why files are refused whole, and the rows of those that are not, by fingerprint."""
    refused, rows = {}, {}
    for file in files:
        try:
            content = read_landed_file(use_case, file)
        except RefusedBatch as reason:
            refused[file.fingerprint] = str(reason)
            continue
        broken = examination.refusal(file.table, content, file.path)
        if broken:
            refused[file.fingerprint] = f"{file.path}: {broken}; correct the file and land it again"
        else:
            rows[file.fingerprint] = content.with_columns(
                pl.lit(file.fingerprint).alias(FILE_COLUMN)
            )
    return refused, rows


def _with_own_time(
    use_case: UseCase, table: str, files: Mapping[str, pl.DataFrame], as_of: datetime
) -> dict[str, pl.DataFrame]:
    """The rows of a table without times with the moment that they are known from.

    A killed run that had committed has also decided: its files are not appended again.
    """
    first = use_case.tables[table].known_from
    if first is None:
        return dict(files)
    known = as_of if open_lake(use_case.name).exists(f"raw/{table}") else first
    stamp = pl.lit(known, pl.Datetime("us", "UTC")).alias(OWN_TIME)
    return {fingerprint: rows.with_columns(stamp) for fingerprint, rows in files.items()}


def _split(
    use_case: UseCase, table: str, examination: Examination, files: Mapping[str, pl.DataFrame]
) -> tuple[dict[str, pl.DataFrame], dict[str, pl.DataFrame]]:
    """The accepted and the quarantined rows of each file, both without those that have none."""
    if not files:
        return {}, {}
    rows = pl.concat(files.values()).with_row_index("position")
    by_rule = examination.reasons(table, rows.drop("position"))
    again = pl.DataFrame(_taken_before(use_case, table, rows), schema=["position"])
    again = again.with_columns(pl.lit([TAKEN_BEFORE]).alias(REASONS_COLUMN))
    every = pl.concat([by_rule, again]).explode(REASONS_COLUMN)
    broken = every.group_by("position").agg(pl.col(REASONS_COLUMN).sort())
    bad = rows.join(broken, on="position", maintain_order="left").drop("position")
    good = rows.join(broken, on="position", how="anti", maintain_order="left").drop("position")
    return _by_file(good), _by_file(bad)


def _taken_before(use_case: UseCase, table: str, rows: pl.DataFrame) -> pl.Series:
    """Positions of the rows whose key and known time another file brought: an earlier run's, or
    one that comes before it in this run.

    A file whose rows a killed run has committed already comes before all others.
    """
    declared, lake = use_case.tables[table], open_lake(use_case.name)
    known = pl.col(declared.known_time)
    once = list(dict.fromkeys((*declared.key, declared.known_time)))
    named = rows.drop_nulls(once)
    before = named.clear()
    if lake.exists(f"raw/{table}") and not named.is_empty():
        first, last = named.select(known.min().alias("first"), known.max().alias("last")).row(0)
        raw = lake.scan(f"raw/{table}").filter(known.is_between(first, last))
        before = raw.select(*once, FILE_COLUMN).collect()
    ours = before[FILE_COLUMN].is_in(rows[FILE_COLUMN].unique().implode())
    named = named.sort(
        ~pl.col(FILE_COLUMN).is_in(before[FILE_COLUMN].unique().implode()), maintain_order=True
    )
    within_run = named.filter(pl.col(FILE_COLUMN) != pl.col(FILE_COLUMN).first().over(once))
    by_others = named.join(before.filter(~ours), on=once, how="semi")
    return pl.concat([within_run["position"], by_others["position"]]).unique()


def _by_file(rows: pl.DataFrame) -> dict[str, pl.DataFrame]:
    parts = rows.partition_by(FILE_COLUMN, as_dict=True, maintain_order=True)
    return {str(fingerprint): part for (fingerprint,), part in parts.items()}


def _verdict(
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
    broken = bad[file.fingerprint][REASONS_COLUMN].explode().to_list() if quarantined else []
    reason = "; ".join(sorted(set(broken)))
    return FileVerdict(file, "accepted", accepted + quarantined, accepted, quarantined, reason)


def _copy_verdict(copy: LandedFile, told: Sequence[FileVerdict]) -> FileVerdict:
    """A copy of content that was taken is a duplicate; one of content refused now is refused."""
    refused = {v.file.fingerprint for v in told if v.status == "refused"}
    status: FileStatus = "refused" if copy.fingerprint in refused else "duplicate"
    return FileVerdict(copy, status, reason=f"the same content as {copy.copy_of}")
