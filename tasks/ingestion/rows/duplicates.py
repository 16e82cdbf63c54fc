"""Rows that arrive more than once: exact copies, and rows that contradict another one.

A row is identified by its key and its known time. Rows that are equal in every column count once.
Rows of one identity that differ are a question: within a file none of them is taken, and against an
earlier file the earlier row stays. Earlier are files of former runs, and files before it in this
run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from configs.schema.data import OWN_TIME, Table
from tasks.ingestion.validation import FILE_COLUMN, POSITION, REASONS_COLUMN
from tasks.storage.lake import Lake

TAKEN_BEFORE = "taken_before"
"""Quarantine reason of a row that differs from an earlier row of its key and known time."""
ROWS_DIFFER = "rows_differ"
"""Quarantine reason of rows of one file that differ, with the same key and known time."""


@dataclass(frozen=True)
class RowColumns:
    """The columns that identify a row, and all columns that a file gives it."""

    identity: tuple[str, ...]
    content: tuple[str, ...]
    known_time: str

    def name_reason(self, reason: str) -> str:
        """Return a quarantine reason with the key, like `taken_before(parcel, sent)`."""
        return f"{reason}({', '.join(name for name in self.identity if name != OWN_TIME)})"


def list_row_columns(table: Table) -> RowColumns:
    """Return the identifying columns of a table, and all of its columns."""
    own = () if table.known_from is None else (OWN_TIME,)
    identity = dict.fromkeys((*table.key, table.known_time))
    return RowColumns(tuple(identity), (*table.columns, *own), table.known_time)


def sort_committed_first(lake: Lake, table: str, rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows with those of files first that a killed run committed; else in their order.

    Args:
        lake: the lake of the use case.
        table: name of the landed table.
        rows: rows of any number of its files, with the column `_file`.
    """
    own = rows[FILE_COLUMN].unique().to_list()
    committed = [
        lake.scan(name).select(FILE_COLUMN).filter(pl.col(FILE_COLUMN).is_in(own)).unique()
        for name in (f"raw/{table}", f"quarantine/{table}")
        if lake.exists(name)
    ]
    if not committed:
        return rows
    first = pl.concat(committed).collect()[FILE_COLUMN]
    return rows.sort(~pl.col(FILE_COLUMN).is_in(first.implode()), maintain_order=True)


def find_copies(
    lake: Lake, name: str, rows: pl.DataFrame, columns: RowColumns, *, own: bool = False
) -> pl.DataFrame:
    """Return the rows whose exact copy is in a lake table, from another file.

    Args:
        lake: the lake of the use case.
        name: table of the lake, like `raw/weather`.
        rows: rows with the column `_file`.
        columns: of the landed table.
        own: also copies from the same files.
    """
    if rows.is_empty() or not lake.exists(name):
        return rows.clear()
    existing = select_content(_scan_near(lake, name, rows, columns, own=own), rows, columns)
    return rows.join(existing, on=columns.content, how="semi", nulls_equal=True)


def find_taken(
    lake: Lake, name: str, rows: pl.DataFrame, columns: RowColumns
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the rows that a raw table has already, and those that contradict a row of it.

    Only the columns of the identity are read unless some identity exists already.

    Args:
        lake: the lake of the use case.
        name: table of the lake, like `raw/weather`.
        rows: complete rows with the column `_file`.
        columns: of the landed table.
    """
    if rows.is_empty() or not lake.exists(name):
        return rows.clear(), rows.clear()
    identity = list(columns.identity)
    earlier = _scan_near(lake, name, rows, columns).select(identity).collect()
    repeated = rows.join(earlier, on=identity, how="semi")
    if repeated.is_empty():
        return repeated, repeated
    copies = find_copies(lake, name, repeated, columns)
    return copies, repeated.join(copies, on=POSITION, how="anti")


def compare_rows(
    lake: Lake,
    name: str,
    rows: pl.DataFrame,
    columns: RowColumns,
    copies: Sequence[pl.DataFrame] = (),
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the positions of repeated rows, and `position` and `_reasons` of contradicting ones.

    Args:
        lake: the lake of the use case.
        name: a raw table, like `raw/weather`.
        rows: valid rows without exact copies, the earlier files first.
        columns: of the landed table.
        copies: rows that are known to be repeated, beside those that the table has.
    """
    taken, contradicting = find_taken(lake, name, rows, columns)
    repeated = pl.concat([taken, *copies]).select(POSITION).unique()
    before = give_reason(contradicting, columns.name_reason(TAKEN_BEFORE))
    known = pl.concat([repeated, before.select(POSITION)])
    new = rows.join(known, on=POSITION, how="anti", maintain_order="left")
    return repeated, pl.concat([before, find_conflicts(new, columns)])


def find_conflicts(rows: pl.DataFrame, columns: RowColumns) -> pl.DataFrame:
    """Return `position` and `_reasons` of rows that differ from another row of their identity.

    Args:
        rows: rows without exact copies, the earlier files first.
        columns: of the landed table.
    """
    identity = list(columns.identity)
    in_file = pl.len().over(*identity, FILE_COLUMN) > 1
    differing = rows.filter(in_file)
    single = rows.filter(~in_file)
    later = single.filter(pl.col(FILE_COLUMN) != pl.col(FILE_COLUMN).first().over(identity))
    return pl.concat(
        [
            give_reason(differing, columns.name_reason(ROWS_DIFFER)),
            give_reason(later, columns.name_reason(TAKEN_BEFORE)),
        ]
    )


def give_reason(rows: pl.DataFrame, reason: str) -> pl.DataFrame:
    """Return `position` and `_reasons` of rows that have one reason."""
    return rows.select(POSITION, pl.lit([reason]).alias(REASONS_COLUMN))


def _scan_near(
    lake: Lake, name: str, rows: pl.DataFrame, columns: RowColumns, *, own: bool = False
) -> pl.LazyFrame:
    """Scan a table's rows of other files, with a known time between those of `rows` or none."""
    known = pl.col(columns.known_time)
    first, last = rows.select(known.min().alias("first"), known.max().alias("last")).row(0)
    near = lake.scan(name).filter(known.is_between(first, last) | known.is_null())
    others = ~pl.col(FILE_COLUMN).is_in(rows[FILE_COLUMN].unique().to_list())
    return near if own else near.filter(others)


def select_content(stored: pl.LazyFrame, rows: pl.DataFrame, columns: RowColumns) -> pl.DataFrame:
    """Return the content of stored rows, if `rows` have it, in their types.

    A column that older rows lack is null in them.
    """
    held, content = stored.collect_schema(), list(columns.content)
    values = (
        (pl.col(column) if column in held else pl.lit(None))
        .cast(rows.schema[column], strict=False)
        .alias(column)
        for column in content
    )
    wanted = rows.lazy().select(content).unique()
    return stored.select(values).join(wanted, on=content, how="semi", nulls_equal=True).collect()
