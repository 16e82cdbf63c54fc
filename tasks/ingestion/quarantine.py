"""Quarantine: rows of accepted files that break a rule or contradict another row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from configs.schema.data import Table
from configs.schema.use_case import UseCase
from tasks.ingestion.rows.duplicates import (
    RowColumns,
    compare_rows,
    find_copies,
    list_row_columns,
    select_content,
    sort_committed_first,
)
from tasks.ingestion.rows.time_bounds import find_impossible_rows
from tasks.ingestion.validation import FILE_COLUMN, POSITION, REASONS_COLUMN, FileValidator
from tasks.storage.lake import Lake, open_lake

REPAIRED = "repaired"
"""Quarantine reason of a row that `mainspring repair` took out of raw."""
RowsByFile = dict[str, pl.DataFrame]


@dataclass(frozen=True)
class SplitRows:
    """Accepted and quarantined rows by file, without files that have none; copies by file."""

    accepted: RowsByFile = field(default_factory=dict)
    quarantined: RowsByFile = field(default_factory=dict)
    repeated: dict[str, int] = field(default_factory=dict)


def split_rows(
    use_case: UseCase,
    table: str,
    validator: FileValidator,
    files: Mapping[str, pl.DataFrame],
    latest: Mapping[str, datetime],
) -> SplitRows:
    """Split the rows of files into accepted, quarantined and repeated ones.

    Args:
        use_case: the use case.
        table: name of the landed table.
        validator: the rules.
        files: rows by file, in the order in which they landed.
        latest: latest possible time of a row by file.
    """
    if not files:
        return SplitRows()
    declared, lake = use_case.tables[table], open_lake(use_case.name)
    columns = list_row_columns(declared)
    rows = sort_committed_first(lake, table, pl.concat(files.values()))
    distinct = rows.unique(columns.content, keep="first", maintain_order=True)
    distinct = distinct.with_row_index(POSITION)
    invalid = find_invalid_rows(validator, declared, table, distinct, latest)
    repeated, conflicting = _compare_rows(lake, table, distinct, invalid, columns)
    reasons = pl.concat([invalid, conflicting]).explode(REASONS_COLUMN)
    bad = reasons.group_by(POSITION).agg(pl.col(REASONS_COLUMN).sort())
    rest = distinct.join(repeated, on=POSITION, how="anti", maintain_order="left")
    split = SplitRows(
        _split_by_file(rest.join(bad, on=POSITION, how="anti", maintain_order="left")),
        _split_by_file(rest.join(bad, on=POSITION, maintain_order="left")),
    )
    kept = rest.group_by(FILE_COLUMN).len()
    copies = rows.group_by(FILE_COLUMN).len().join(kept, on=FILE_COLUMN, how="left", suffix="_kept")
    counts = copies.select(FILE_COLUMN, pl.col("len") - pl.col("len_kept").fill_null(0))
    split.repeated.update(dict(counts.iter_rows()))
    return split


def find_invalid_rows(
    validator: FileValidator,
    declared: Table,
    table: str,
    rows: pl.DataFrame,
    latest: Mapping[str, datetime],
) -> pl.DataFrame:
    """Return `position` and `_reasons` of the rows that break a rule or have an impossible time.

    Args:
        validator: the rules.
        declared: the landed table.
        table: its name.
        rows: rows with their positions, which begin with 0.
        latest: latest possible time of a row by file.
    """
    broken = validator.find_row_errors(table, rows.drop(POSITION))
    return pl.concat([broken, find_impossible_rows(declared, rows, latest)])


def write_quarantine(use_case: UseCase, rows: Mapping[str, Mapping[str, pl.DataFrame]]) -> None:
    """Append quarantined rows, by table and fingerprint; each file's rows are appended once."""
    lake = open_lake(use_case.name)
    for table, batches in rows.items():
        lake.append_once(f"quarantine/{table}", batches)


def _compare_rows(
    lake: Lake, table: str, rows: pl.DataFrame, invalid: pl.DataFrame, columns: RowColumns
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the rows that the lake has already, and the valid rows that contradict another.

    An invalid row takes no identity: a later valid row of the same key and known time is accepted.
    """
    valid = rows.join(invalid, on=POSITION, how="anti", maintain_order="left")
    broken = rows.join(invalid, on=POSITION, how="semi")
    copies = [
        _find_repaired(lake, table, valid, columns),
        find_copies(lake, f"quarantine/{table}", broken, columns),
        find_copies(lake, f"raw/{table}", broken, columns),
    ]
    return compare_rows(lake, f"raw/{table}", valid, columns, copies)


def _find_repaired(lake: Lake, table: str, rows: pl.DataFrame, columns: RowColumns) -> pl.DataFrame:
    """Return the rows that a person has taken out of raw: they land again in vain."""
    name = f"quarantine/{table}"
    if rows.is_empty() or not lake.exists(name):
        return rows.clear()
    repaired = lake.scan(name).filter(pl.col(REASONS_COLUMN).list.contains(REPAIRED))
    held = select_content(repaired, rows, columns)
    return rows.join(held, on=columns.content, how="semi", nulls_equal=True)


def _split_by_file(rows: pl.DataFrame) -> RowsByFile:
    parts = rows.drop(POSITION).partition_by(FILE_COLUMN, as_dict=True, maintain_order=True)
    return {str(fingerprint): part for (fingerprint,), part in parts.items()}
