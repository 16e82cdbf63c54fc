"""Repair of raw tables: single rows move to quarantine, with a reason in the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from configs.errors import BadConfig
from configs.schema.use_case import UseCase
from tasks.ingestion.quarantine import REPAIRED
from tasks.ingestion.validation import REASONS_COLUMN
from tasks.ledger.evidence import RowsChanged
from tasks.ledger.log import Ledger
from tasks.ledger.row_entries import make_rows_changed
from tasks.row_changes.release import QuarantineFilter, digest_rows, list_chosen_tables
from tasks.storage.lake import open_lake


@dataclass(frozen=True)
class RowChoice:
    """The rows of a raw table that meet a condition, and how many do not."""

    rows: pl.DataFrame
    others: int


def choose_raw_rows(use_case: UseCase, table: str, where: str) -> RowChoice:
    """Return the raw rows that meet an SQL condition; BadConfig if it is invalid."""
    list_chosen_tables(use_case, QuarantineFilter(table))
    raw = open_lake(use_case.name).scan(f"raw/{table}")
    chosen = raw.filter(_parse_condition(where))
    try:
        rows, total = pl.collect_all([chosen, raw.select(pl.len())])
    except pl.exceptions.PolarsError as error:
        raise BadConfig(
            f"--where {where!r} is no condition on {table} ({str(error).splitlines()[0]}); write "
            f"one like \"a = 'b'\" with the columns {', '.join(use_case.tables[table].columns)}"
        ) from error
    return RowChoice(rows, int(total.item()) - rows.height)


def repair_rows(
    book: Ledger,
    use_case: UseCase,
    table: str,
    where: str,
    as_of: datetime,
    actor: str,
    reason: str,
) -> int:
    """Move raw rows that meet a condition to quarantine; return their number.

    The ledger is written first, then quarantine, then raw. After a kill the same call completes.

    Args:
        book: the ledger.
        use_case: the use case.
        table: the landed table.
        where: SQL condition on its columns.
        as_of: time of the repair.
        actor: name of the person.
        reason: why, for the ledger.
    """
    rows = choose_raw_rows(use_case, table, where).rows
    if rows.is_empty():
        return 0
    lake, digest = open_lake(use_case.name), digest_rows(rows)
    moved = RowsChanged(table=table, rows=rows.height, rule=where, digest=digest, reason=reason)
    book.record(make_rows_changed(use_case.name, "rows_repaired", as_of, actor, moved))
    bad = rows.with_columns(pl.lit([REPAIRED]).alias(REASONS_COLUMN))
    lake.append_once(f"quarantine/{table}", {f"repair:{digest}": bad})
    lake.keep_rows(f"raw/{table}", ~_parse_condition(where))
    return rows.height


def _parse_condition(where: str) -> pl.Expr:
    try:
        return pl.sql_expr(where)
    except pl.exceptions.PolarsError as error:
        raise BadConfig(f"--where {where!r} is no SQL condition: {error}") from error
