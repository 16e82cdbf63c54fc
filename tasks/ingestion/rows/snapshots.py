"""Known times of tables without times: each landed file is a snapshot of a register.

Each snapshot has a known time of its own, later than that of the snapshot before. So the newest one
wins, also when a value changes back.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import polars as pl

from configs.schema.data import OWN_TIME
from configs.schema.use_case import UseCase
from tasks.storage.lake import open_lake

_STEP = timedelta(microseconds=1)


def add_own_times(
    use_case: UseCase, table: str, files: Mapping[str, pl.DataFrame], as_of: datetime
) -> dict[str, pl.DataFrame]:
    """Add the known time to the rows of a table that has no time columns.

    If a killed run committed a file already, the file is not appended again.

    Args:
        use_case: the use case.
        table: name of the landed table.
        files: rows by file, in the order in which they landed.
        as_of: time of the ingest, and the known time of the last snapshot.
    """
    known_from = use_case.tables[table].known_from
    if known_from is None or not files:
        return dict(files)
    last = _find_last_known(use_case, table)
    first = known_from
    if last is not None:  # as of the past, a snapshot still comes after the one before
        first = max(as_of - (len(files) - 1) * _STEP, last + _STEP)
    return {
        batch: rows.with_columns(
            pl.lit(first + position * _STEP, pl.Datetime("us", "UTC")).alias(OWN_TIME)
        )
        for position, (batch, rows) in enumerate(files.items())
    }


def _find_last_known(use_case: UseCase, table: str) -> datetime | None:
    """Return the known time of the newest snapshot; None before the first."""
    lake = open_lake(use_case.name)
    if not lake.exists(f"raw/{table}"):
        return None
    newest = lake.scan(f"raw/{table}").select(pl.col(OWN_TIME).max()).collect().item()
    return newest if isinstance(newest, datetime) else None
