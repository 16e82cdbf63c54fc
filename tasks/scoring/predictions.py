"""The tables of answers: `predictions`, one row a key, the answer that is used; `shadows`, what the
other versions of the cast answered to the same rows; `contributions`, why a row was flagged.
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
    """Make `rows`, in one piece or in parts, what the table holds of the window, in one commit; its
    version, if it exists.

    Nothing is committed when the table says the same already, whoever scored it and when. A frame
    without columns, or no part, means that there was nothing to predict, and leaves the window
    alone; if it holds rows, the data they were made from is gone, and NoRows says so rather than
    wiping them.
    """
    lake, time = open_lake(use_case.name), use_case.spine.time
    if isinstance(rows, pl.DataFrame):
        rows = [chunk_in_memory(window, rows)] if rows.columns else []
    if not rows:
        _refuse_to_wipe(use_case, table, window)
        return lake.version(table)
    keys = [*use_case.spine.key, "model_version", *(["rank"] if table == CONTRIBUTIONS else [])]
    ignored = ("run_id", "scored_as_of") if table != CONTRIBUTIONS else ()
    return lake.replace_window(table, rows, time, window, keys=keys, ignoring=ignored)


def _refuse_to_wipe(use_case: UseCase, table: str, window: TimeSpan) -> None:
    lake = open_lake(use_case.name)
    if not lake.exists(table):
        return
    at = pl.col(use_case.spine.time)
    held = lake.scan(table).filter(at >= window[0], at < window[1]).select(pl.len())
    count = held.collect().item()
    if count:
        raise NoRows(
            f"{lake.uri(table)} holds {count} rows in [{window[0]}, {window[1]}), but "
            f"the spine of {use_case.name} has no row there any more; they are kept. Look for what "
            "became of the raw tables"
        )
