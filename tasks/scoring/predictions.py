"""Prediction tables: `predictions`, one row a key; `shadows`, predictions of the same rows by the
other versions of the route; `contributions`, explanations of flagged rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from configs.errors import NoRows
from configs.schema.use_case import UseCase
from tasks.rollout.prediction_log import CONTRIBUTIONS
from tasks.storage.chunks import Chunk, TimeSpan, chunk_in_memory
from tasks.storage.lake import open_lake


def write_prediction_table(
    use_case: UseCase, table: str, rows: pl.DataFrame | Sequence[Chunk], window: TimeSpan
) -> int | None:
    """Replace the rows of a window in one commit; return the table's version, if it exists.

    Commits nothing if the table holds equal rows, whatever their run and scoring time. Leaves the
    window unchanged if there was nothing to predict; raises NoRows if the table then has rows.

    Args:
        table: one of `predictions`, `shadows`, `contributions`.
        rows: in one frame or in chunks; a frame without columns if nothing was predicted.
        window: span [start, end) of prediction times.
    """
    lake, time = open_lake(use_case.name), use_case.spine.time
    if isinstance(rows, pl.DataFrame):
        rows = [chunk_in_memory(window, rows)] if rows.columns else []
    if not rows:
        _require_no_rows(use_case, table, window)
        return lake.version(table)
    keys = [*use_case.spine.key, "model_version", *(["rank"] if table == CONTRIBUTIONS else [])]
    ignored = ("run_id", "scored_as_of") if table != CONTRIBUTIONS else ()
    return lake.replace_window(table, rows, time, window, keys=keys, ignoring=ignored)


def _require_no_rows(use_case: UseCase, table: str, window: TimeSpan) -> None:
    """Raise NoRows if the table has rows in the window: their raw rows must be gone."""
    lake = open_lake(use_case.name)
    if not lake.exists(table):
        return
    at = pl.col(use_case.spine.time)
    inside = lake.scan(table).filter(at >= window[0], at < window[1]).select(pl.len())
    count = inside.collect().item()
    if count:
        raise NoRows(
            f"{lake.uri(table)} holds {count} rows in [{window[0]}, {window[1]}), but the spine "
            f"of {use_case.name} has none there. Existing predictions were kept. "
            "Check whether raw rows were deleted"
        )
