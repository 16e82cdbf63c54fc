"""The plan of a scoring run: its prediction times, its partitions, and which rows it writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from configs.schema.use_case import UseCase
from tasks.features.retrieval import build_spine
from tasks.rollout.prediction_log import PREDICTIONS, drop_predicted_rows
from tasks.rollout.routing import Route
from tasks.scoring.batch import find_scoring_routes, scoring_window
from tasks.scoring.due_rows import find_due_span, is_scored_late
from tasks.scoring.partitions import (
    ScoredPartition,
    choose_spill_folder,
    collect_table_chunks,
    split_routes,
)
from tasks.scoring.predictions import append_predictions, write_prediction_table
from tasks.storage.chunks import TimeSpan


@dataclass(frozen=True)
class ScoringPlan:
    """What one run scores.

    Attributes:
        use_case: the use case.
        as_of: time of the run.
        span: prediction times [start, end) that the run covers.
        only_due: whether only rows without a prediction are scored. The others stay as they are.
        partitions: the spans to score, each with its versions; none if no row is due.
        folder: where the rows of several partitions are spilled to.
    """

    use_case: UseCase
    as_of: datetime
    span: TimeSpan
    only_due: bool
    partitions: Sequence[Route]
    folder: str | None

    @property
    def due_in(self) -> TimeSpan | None:
        """The span in which rows with a prediction are left out; None to score all rows."""
        return self.span if self.only_due else None


def plan_scoring(use_case: UseCase, as_of: datetime, window: str | None = None) -> ScoringPlan:
    """Plan a run of the rows that are due, or of all rows of an explicit window.

    Raises NoChampion if there was none at any of these prediction times.

    Args:
        use_case: the use case.
        as_of: end of the prediction times.
        window: a duration like 7d: score all of its rows, again if they have a prediction.
    """
    only_due = window is None
    span = find_due_span(use_case, as_of) if window is None else scoring_window(as_of, window)
    routes = find_scoring_routes(use_case, span)
    span = (routes[0].start, as_of)
    if only_due:
        narrow = _narrow_to_due_rows(use_case, span, as_of)
        routes = find_scoring_routes(use_case, narrow) if narrow else []
    partitions = split_routes(use_case, routes, as_of)
    folder = choose_spill_folder(use_case, span, partitions)
    return ScoringPlan(use_case, as_of, span, only_due, partitions, folder)


def write_scored_rows(plan: ScoringPlan, table: str, scored: Sequence[ScoredPartition]) -> int:
    """Write the rows of one prediction table in one commit; return their number."""
    chunks = collect_table_chunks(table, scored)
    if plan.only_due:
        return append_predictions(plan.use_case, table, chunks, plan.span)
    write_prediction_table(plan.use_case, table, chunks, plan.span)
    return sum(chunk.height for chunk in chunks)


def count_late_rows(plan: ScoringPlan, scored: Sequence[ScoredPartition]) -> int:
    """Return the number of predictions that are late; 0 for an explicit window."""
    if not plan.only_due:
        return 0
    late = is_scored_late(plan.use_case, plan.as_of)
    chunks = collect_table_chunks(PREDICTIONS, scored)
    return sum(chunk.scan().filter(late).select(pl.len()).collect().item() for chunk in chunks)


def _narrow_to_due_rows(use_case: UseCase, span: TimeSpan, as_of: datetime) -> TimeSpan | None:
    """Return the prediction times from the first to the last row that is due; None without one."""
    spine = build_spine(use_case, *span, as_of)
    times = drop_predicted_rows(use_case, spine, span)[use_case.spine.time]
    if times.is_empty():
        return None
    first, last = times.min(), times.max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    return first, last + timedelta(microseconds=1)
