"""Prediction tables: `predictions`, one row a key; `shadows`, predictions of the same rows by the
other versions of the route; `contributions`, explanations of flagged rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from configs.errors import NoRows
from configs.schema.use_case import UseCase
from tasks.rollout.prediction_log import CONTRIBUTIONS, PREDICTIONS
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
    keys = _list_keys(use_case, table)
    ignored = ("run_id", "scored_as_of") if table != CONTRIBUTIONS else ()
    return lake.replace_window(table, rows, time, window, keys=keys, ignoring=ignored)


def append_predictions(
    use_case: UseCase, table: str, chunks: Sequence[Chunk], span: TimeSpan
) -> int:
    """Append the rows that a table does not have, in one commit; return their number.

    Existing rows stay as they are, to the byte. Raises Conflict if another run wrote meanwhile.

    Args:
        use_case: the use case.
        table: one of `predictions`, `shadows`, `contributions`.
        chunks: the rows.
        span: prediction times [start, end) that hold all rows, and in which existing ones count.
    """
    lake = open_lake(use_case.name)
    version = lake.version(table)
    if version is not None:
        keys, time = _list_keys(use_case, table), pl.col(use_case.spine.time)
        in_span = lake.scan(table, version).filter(time >= span[0], time < span[1])
        held = in_span.select(keys).collect()
        chunks = [_drop_held(chunk, held, keys) for chunk in chunks]
    rows = sum(chunk.height for chunk in chunks)
    if rows:
        lake.append_on(table, [chunk for chunk in chunks if chunk.height], version)
    return rows


def _list_keys(use_case: UseCase, table: str) -> list[str]:
    """Return the columns that identify a row of a prediction table."""
    by_table = {PREDICTIONS: [], CONTRIBUTIONS: ["model_version", "rank"]}
    return [*use_case.spine.key, *by_table.get(table, ["model_version"])]


def _drop_held(chunk: Chunk, held: pl.DataFrame, keys: Sequence[str]) -> Chunk:
    """Return a chunk without the rows whose key is held; itself if none is."""
    rows = chunk.scan()
    types = rows.collect_schema()
    known = held.lazy().select(pl.col(key).cast(types[key]) for key in keys)
    new = rows.join(known, on=list(keys), how="anti", nulls_equal=True, maintain_order="left")
    count = new.select(pl.len()).collect().item()
    return chunk if count == chunk.height else chunk_in_memory(chunk.span, new.collect())


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
