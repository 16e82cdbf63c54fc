"""Release of quarantined rows that today's rules accept.

A quarantined row is open until `raw` has it, by a release or because it landed again. Released rows
keep their own known time, like rows of a file that landed late: features are rebuilt from that time
on. Trainings of the past read the versions of their tables, so they do not change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

import polars as pl

from configs.errors import BadConfig
from configs.schema.use_case import UseCase
from tasks.ingestion.landing import FileVerdict, LandedFile, record_files
from tasks.ingestion.parsing.file_schema import lake_schema
from tasks.ingestion.quarantine import REPAIRED, find_invalid_rows
from tasks.ingestion.rows.duplicates import (
    RowColumns,
    compare_rows,
    find_copies,
    list_row_columns,
)
from tasks.ingestion.rows.time_bounds import latest_time
from tasks.ingestion.validation import FILE_COLUMN, POSITION, REASONS_COLUMN, FileValidator
from tasks.ledger.evidence import RowsChanged
from tasks.ledger.log import Ledger
from tasks.ledger.row_entries import make_rows_changed
from tasks.storage.file_records import read_file_records
from tasks.storage.lake import open_lake

_ORIGIN = "_origin"


@dataclass(frozen=True)
class QuarantineFilter:
    """A choice of quarantined rows: by table, rule and file; None means all of them.

    Rows that were repaired out of raw are chosen only by their rule.
    """

    table: str | None = None
    rule: str | None = None
    file: str | None = None


@dataclass(frozen=True)
class Release:
    """What a release did to one table: rows taken, and rows that stay by their reasons."""

    table: str
    released: int
    staying: dict[str, int]


def read_open_rows(use_case: UseCase, table: str) -> pl.DataFrame:
    """Return the quarantined rows that raw lacks, with `path` and `since` of their file."""
    lake, columns = open_lake(use_case.name), list_row_columns(use_case.tables[table])
    name = f"quarantine/{table}"
    if not lake.exists(name):
        return pl.DataFrame(schema={"path": pl.String(), "since": pl.Datetime("us", "UTC")})
    none = pl.DataFrame(schema=lake_schema(use_case.tables[table]))  # older rows lack columns
    rows = pl.concat([none, lake.scan(name).collect()], how="diagonal_relaxed")
    rows = rows.with_row_index(POSITION)
    in_raw = find_copies(lake, f"raw/{table}", rows, columns, own=True)
    rows = rows.join(in_raw.select(POSITION), on=POSITION, how="anti").drop(POSITION)
    records = read_file_records(use_case).filter(table=table, status="accepted")
    files = records.select("fingerprint", "path", pl.col("as_of").alias("since"))
    fingerprint = pl.col(FILE_COLUMN).str.split(":").list.first()
    return rows.with_columns(fingerprint=fingerprint).join(
        files.unique("fingerprint", keep="first"), on="fingerprint", how="left"
    )


def choose_rows(use_case: UseCase, table: str, choice: QuarantineFilter) -> pl.DataFrame:
    """Return the open rows of a table that a filter chooses."""
    rows = read_open_rows(use_case, table)
    if rows.is_empty():
        return rows
    by_rule = pl.col(REASONS_COLUMN).list.contains(choice.rule or REPAIRED)
    rows = rows.filter(by_rule if choice.rule else ~by_rule)
    return rows.filter(path=choice.file) if choice.file else rows


def count_open_rows(use_case: UseCase, choice: QuarantineFilter) -> pl.DataFrame:
    """Return the open rows by table and rule: number, files, first ingest, and an example."""
    counted = []
    for table in list_chosen_tables(use_case, choice):
        rows = read_open_rows(use_case, table)
        if rows.is_empty():
            continue
        rows = rows.filter(path=choice.file) if choice.file else rows
        example = pl.struct(list(use_case.tables[table].columns)).first()
        by_rule = rows.explode(REASONS_COLUMN).group_by(pl.col(REASONS_COLUMN).alias("rule"))
        counts = by_rule.agg(
            pl.lit(table).first().alias("table"),
            pl.len().alias("rows"),
            pl.col("path").n_unique().alias("files"),
            pl.col("since").min(),
            pl.col("path").first(),
            example.map_elements(str, return_dtype=pl.String).alias("example"),
        )
        counted.append(counts.filter(rule=choice.rule) if choice.rule else counts)
    if not counted:
        return pl.DataFrame(schema={"table": pl.String(), "rule": pl.String()})
    return pl.concat(counted).sort("table", "rule")


def release_rows(
    book: Ledger,
    use_case: UseCase,
    choice: QuarantineFilter,
    as_of: datetime,
    actor: str,
    reason: str,
) -> list[Release]:
    """Append the chosen rows that today's rules accept to raw, once; return what was done.

    Ledger and records are written first. After a kill the same rows are open, and the same call
    completes.

    Args:
        book: the ledger.
        use_case: the use case.
        choice: of the rows.
        as_of: time of the release.
        actor: name of the person.
        reason: why, for the ledger.
    """
    return [
        _release_table(book, use_case, table, choice, as_of, actor, reason)
        for table in list_chosen_tables(use_case, choice)
    ]


def list_chosen_tables(use_case: UseCase, choice: QuarantineFilter) -> Sequence[str]:
    """Return the tables that a filter chooses; BadConfig if there is none of that name."""
    if choice.table is None:
        return list(use_case.tables)
    if choice.table not in use_case.tables:
        raise BadConfig(
            f"table {choice.table} not found in {use_case.name}.yaml; "
            f"tables: {', '.join(use_case.tables)}"
        )
    return [choice.table]


def digest_rows(rows: pl.DataFrame) -> str:
    """Return a sha256 of rows in any order."""
    return sha256(rows.sort(rows.columns).write_csv().encode()).hexdigest()


def _release_table(
    book: Ledger,
    use_case: UseCase,
    table: str,
    choice: QuarantineFilter,
    as_of: datetime,
    actor: str,
    reason: str,
) -> Release:
    chosen = choose_rows(use_case, table, choice)
    if chosen.is_empty():
        return Release(table, 0, {})
    good, staying = _judge_again(use_case, table, chosen, as_of)
    if good.height:
        columns = [*list_row_columns(use_case.tables[table]).content, FILE_COLUMN]
        digest = digest_rows(good.select(columns))
        moved = RowsChanged(
            table=table, rows=good.height, rule=choice.rule or choice.file, digest=digest,
            reason=reason,
        )  # fmt: skip
        book.record(make_rows_changed(use_case.name, "rows_released", as_of, actor, moved))
        _record_releases(use_case, table, good, as_of, digest)
        batch = {f"release:{digest}": good.select(columns)}
        open_lake(use_case.name).append_once(f"raw/{table}", batch)
    return Release(table, good.height, staying)


def _judge_again(
    use_case: UseCase, table: str, chosen: pl.DataFrame, as_of: datetime
) -> tuple[pl.DataFrame, dict[str, int]]:
    """Return the rows that today's rules accept, and the number of others by reason."""
    declared, lake = use_case.tables[table], open_lake(use_case.name)
    columns: RowColumns = list_row_columns(declared)
    rows = chosen.unique(columns.content, keep="first", maintain_order=True).select(
        *columns.content, "path", "fingerprint", pl.col(FILE_COLUMN).alias(_ORIGIN)
    )
    rows = rows.with_columns(pl.lit("release").alias(FILE_COLUMN)).with_row_index(POSITION)
    validator = FileValidator(use_case, as_of, "release")
    latest = {"release": latest_time(declared, as_of, 0.0)}
    invalid = find_invalid_rows(validator, declared, table, rows, latest)
    valid = rows.join(invalid, on=POSITION, how="anti", maintain_order="left")
    repeated, conflicting = compare_rows(lake, f"raw/{table}", valid, columns)
    reasons = pl.concat([invalid, conflicting])
    counts = reasons.explode(REASONS_COLUMN).group_by(REASONS_COLUMN).len().sort(REASONS_COLUMN)
    left_out = pl.concat([repeated, conflicting.select(POSITION)])
    good = valid.join(left_out, on=POSITION, how="anti", maintain_order="left")
    good = good.drop(FILE_COLUMN).rename({_ORIGIN: FILE_COLUMN})
    return good, dict(counts.iter_rows())


def _record_releases(
    use_case: UseCase, table: str, rows: pl.DataFrame, as_of: datetime, digest: str
) -> None:
    """Record how many rows of each file were released; they then count as accepted."""
    records = read_file_records(use_case).filter(table=table, status="accepted")
    files = records.unique("fingerprint", keep="first")
    counts = rows.group_by("fingerprint").len().join(files, on="fingerprint")
    verdicts = [
        FileVerdict(
            LandedFile(table, row["fingerprint"], row["path"], row["size"], row["modified"]),
            "released",
            accepted=row["len"],
            judged_by=digest,
        )
        for row in counts.to_dicts()
    ]
    record_files(use_case, verdicts, as_of)
