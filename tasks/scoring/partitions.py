"""Partitions of a scoring window in time, so that memory is bounded by one partition.

The cuts depend on the YAML, the settings and the spine, never on the number of workers. So the
tables are equal in whatever order, and however often, partitions are scored.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import polars as pl

from configs.schema.use_case import UseCase
from configs.settings import settings
from tasks.features.retrieval import build_spine
from tasks.rollout.prediction_log import CONTRIBUTIONS
from tasks.rollout.routing import Route
from tasks.scoring.batch import score_route
from tasks.scoring.contributions import explain_flagged
from tasks.storage.chunks import Chunk, TimeSpan, make_chunk, spill_folder, split_span
from tasks.storage.lake import open_lake

ScoredPartition = Mapping[str, Chunk]
"""The chunk of each prediction table of one partition; tables without rows are left out."""
_PROBES = 5
_Log = logging.Logger | logging.LoggerAdapter[logging.Logger]
_log = logging.getLogger(__name__)


def split_routes(use_case: UseCase, routes: Sequence[Route], as_of: datetime) -> list[Route]:
    """Split routes into partitions of whole score windows, at least one each.

    A partition has about MAINSPRING_PARTITION_ROWS predictions where the route is busiest.
    """
    return [
        replace(route, start=start, end=end)
        for route in routes
        for start, end in split_span(route.start, route.end, _choose_length(use_case, route, as_of))
    ]


def choose_spill_folder(
    use_case: UseCase, window: TimeSpan, partitions: Sequence[Route]
) -> str | None:
    """Return the spill folder of a window's partitions; None if there is only one."""
    return spill_folder(open_lake(use_case.name).root, window) if len(partitions) > 1 else None


def make_table_chunks(
    route: Route, tables: Mapping[str, pl.DataFrame], folder: str | None
) -> ScoredPartition:
    """Return the rows of each table as a chunk, spilled to `folder` if there is one."""
    span = (route.start, route.end)
    return {
        table: make_chunk(span, rows, folder and f"{folder}/{table}")
        for table, rows in tables.items()
        if rows.columns
    }


def collect_table_chunks(table: str, partitions: Sequence[ScoredPartition]) -> list[Chunk]:
    """Return the chunks of one table, in the order of the partitions."""
    return [partition[table] for partition in partitions if table in partition]


def score_partition_rows(
    route: Route,
    use_case: UseCase,
    as_of: datetime,
    run_id: str,
    folder: str | None,
    *,
    due_in: TimeSpan | None = None,
    explain: bool = False,
    log: _Log = _log,
) -> ScoredPartition:
    """Score one partition and return its chunks.

    Logs an error if a version in shadow fails: the review of its rollout or bake then lacks rows.

    Args:
        route: the partition.
        run_id: the flow run that scores.
        folder: where the chunks are spilled to; None keeps them in memory.
        due_in: leave out rows that have a prediction in this span; None scores all rows.
        explain: whether to explain flagged rows.
        log: logger of the run.
    """
    scored = score_route(use_case, route, as_of, run_id, due_in)
    if scored.predictions.is_empty():
        log.warning("no predictions from %s to %s", route.start, route.end)
    for version, error in scored.errors.items():
        log.error("version %s failed to score in shadow", version, exc_info=error)
    tables = scored.tables
    if explain:
        tables[CONTRIBUTIONS] = explain_flagged(use_case, scored)
    return make_table_chunks(route, tables, folder)


def _choose_length(use_case: UseCase, route: Route, as_of: datetime) -> timedelta:
    """Return the length of a partition, from the busiest of a few sampled score windows.

    A route no longer than a score window is one partition; its spine is not read.
    """
    step, whole = use_case.schedules.score_window, route.end - route.start
    if whole <= step:
        return whole
    probes = [route.start + (whole - step) * number / (_PROBES - 1) for number in range(_PROBES)]
    busiest = max(build_spine(use_case, at, at + step, as_of).height for at in probes)
    return step * max(1, settings().partition_rows // busiest) if busiest else whole
