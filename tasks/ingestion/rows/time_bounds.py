"""Bounds of the event and known times of landed rows.

A time is at least `epoch` of its table, and at most `horizon` after the ingest or the landing of
its file, whichever is later. So an ingest as of the past does not reject what is new. A row known
later than the grace allows waits with its file.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import polars as pl

from configs.schema.data import KNOWN_GRACE, OWN_TIME, Table
from tasks.ingestion.refusals import Refusal
from tasks.ingestion.validation import FILE_COLUMN, POSITION, REASONS_COLUMN

OUT_OF_BOUNDS = "time_out_of_bounds"
"""Quarantine reason of a row with an impossible time."""
_END = datetime.max.replace(tzinfo=UTC)


def latest_time(table: Table, as_of: datetime, modified: float) -> datetime:
    """Return the latest possible time of a row.

    Args:
        table: the landed table.
        as_of: time of the ingest.
        modified: when its file landed, in seconds.
    """
    since = max(as_of, datetime.fromtimestamp(modified, UTC))
    return since + table.horizon if since < _END - table.horizon else _END


def select_possible_rows(table: Table, rows: pl.DataFrame, latest: datetime) -> pl.DataFrame:
    """Return the rows whose times are within the bounds; a missing time is."""
    outside = [_is_outside(table, name, pl.lit(latest)) for name in _list_times(table)]
    return rows.filter(~pl.any_horizontal(outside)) if outside else rows


def find_impossible_rows(
    table: Table, rows: pl.DataFrame, latest: Mapping[str, datetime]
) -> pl.DataFrame:
    """Return `position` and `_reasons` of the rows with a time out of bounds.

    Args:
        table: the landed table.
        rows: rows with the columns `position` and `_file`.
        latest: latest possible time by file.
    """
    limit = pl.col(FILE_COLUMN).replace_strict(latest, return_dtype=pl.Datetime("us", "UTC"))
    impossible = [
        rows.filter(_is_outside(table, name, limit)).select(
            POSITION, pl.lit([f"{OUT_OF_BOUNDS}({name})"]).alias(REASONS_COLUMN)
        )
        for name in _list_times(table)
    ]
    empty = rows.clear().select(POSITION, pl.lit([""]).alias(REASONS_COLUMN))
    return pl.concat([empty, *impossible])


def find_early_rows(table: Table, rows: pl.DataFrame, path: str, as_of: datetime) -> Refusal | None:
    """Return why a file waits: it has rows that are known only later than `as_of` and the grace.

    Args:
        table: the landed table.
        rows: its possible rows.
        path: of the file.
        as_of: time of the ingest.
    """
    if table.known_time == OWN_TIME or as_of >= _END - KNOWN_GRACE:
        return None
    early = rows.filter(pl.col(table.known_time) > as_of + KNOWN_GRACE)[table.known_time]
    newest = early.max()
    if not isinstance(newest, datetime):
        return None
    reason = (
        f"{path}: {early.len()} of {rows.height} rows become known after this ingest as of "
        f"{as_of}, the last at {table.known_time} {newest}; the file is read again from then on"
    )
    return Refusal(reason, "time", rows.height, newest - KNOWN_GRACE)


def _list_times(table: Table) -> list[str]:
    names = dict.fromkeys((table.event_time, table.known_time))
    return [name for name in names if name != OWN_TIME]


def _is_outside(table: Table, name: str, latest: pl.Expr) -> pl.Expr:
    column = pl.col(name)
    return ((column < table.epoch) | (column > latest)).fill_null(value=False)
