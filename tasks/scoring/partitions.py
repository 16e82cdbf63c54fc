"""A window cut into partitions of time: memory is that of one of them, however long the window is.

Where the cuts are depends on the YAML, the settings and the spine, never on who works on them or
how many. So the tables come out the same, in whatever order partitions are done, and however often.
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
"""What one partition came to: its part of each table; none of a table it has nothing to say to."""
_PROBES = 5
_Log = logging.Logger | logging.LoggerAdapter[logging.Logger]
_log = logging.getLogger(__name__)


def split_routes(use_case: UseCase, casts: Sequence[Route], as_of: datetime) -> list[Route]:
    """The casts in partitions: whole score windows of each, as many as hold about
    MAINSPRING_PARTITION_ROWS predictions where it is busiest, at least one.
    """
    return [
        replace(cast, start=start, end=end)
        for cast in casts
        for start, end in split_span(cast.start, cast.end, _length(use_case, cast, as_of))
    ]


def choose_spill_folder(
    use_case: UseCase, window: TimeSpan, partitions: Sequence[Route]
) -> str | None:
    """The folder that the partitions of a window are put into; a single one stays in memory."""
    return spill_folder(open_lake(use_case.name).root, window) if len(partitions) > 1 else None


def keep_scored(
    cast: Route, tables: Mapping[str, pl.DataFrame], folder: str | None
) -> ScoredPartition:
    """The rows of each table as parts, put aside if there is a folder for it."""
    span = (cast.start, cast.end)
    return {
        table: make_chunk(span, rows, folder and f"{folder}/{table}")
        for table, rows in tables.items()
        if rows.columns
    }


def table_chunks(table: str, answered: Sequence[ScoredPartition]) -> list[Chunk]:
    """The parts of one table, in the order of the partitions."""
    return [answers[table] for answers in answered if table in answers]


def score_partition_rows(
    cast: Route,
    use_case: UseCase,
    as_of: datetime,
    run_id: str,
    folder: str | None,
    *,
    explain: bool = False,
    log: _Log = _log,
) -> ScoredPartition:
    """As `score`, and `reasons` if asked for, of one partition; the parts of its tables.

    A version in shadow that does not answer is an error in the log: the review of its stage, or of
    the bake window, then misses rows.
    """
    scored = score_route(use_case, cast, as_of, run_id)
    if scored.used.is_empty():
        log.warning("nothing is predicted from %s to %s", cast.start, cast.end)
    for version, wrong in scored.failed.items():
        log.error("version %s did not answer beside the champion", version, exc_info=wrong)
    tables = scored.tables
    if explain:
        tables[CONTRIBUTIONS] = explain_flagged(use_case, scored)
    return keep_scored(cast, tables, folder)


def _length(use_case: UseCase, cast: Route, as_of: datetime) -> timedelta:
    """How long a partition is. A cast no longer than a score window is one, without a look."""
    step, whole = use_case.schedules.score_window, cast.end - cast.start
    if whole <= step:
        return whole
    probes = [cast.start + (whole - step) * number / (_PROBES - 1) for number in range(_PROBES)]
    busiest = max(build_spine(use_case, at, at + step, as_of).height for at in probes)
    return step * max(1, settings().partition_rows // busiest) if busiest else whole
