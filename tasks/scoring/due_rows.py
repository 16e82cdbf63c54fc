"""Rows that are due for a prediction: their prediction time has passed, and they have none yet.

A scheduled run scores what has landed and has no prediction, not what a clock says. So it also
scores rows that land late, and after a standstill it begins where the last run ended.
"""

from __future__ import annotations

from datetime import datetime

import polars as pl

from configs.schema.use_case import UseCase
from tasks.ledger.log import open_ledger
from tasks.ledger.projections import find_first_promotion
from tasks.rollout.prediction_log import PREDICTIONS
from tasks.storage.chunks import TimeSpan
from tasks.storage.lake import open_lake


def find_due_span(use_case: UseCase, as_of: datetime) -> TimeSpan:
    """Return the prediction times in which a run looks for rows without a prediction.

    It goes back by `score_patience` before the last run: the newest prediction, or `score_window`
    ago if that is older. Before the first prediction it goes back from the first promotion.
    """
    schedules = use_case.schedules
    # a row that lands `score_patience` late waits for the next run, also during an outage
    last_run = as_of - schedules.score_window
    recent = last_run - schedules.score_patience
    if not (newest := _find_newest_prediction(use_case, recent, as_of)):
        promotion = find_first_promotion(open_ledger().entries(use_case.name))
        newest = promotion.at if promotion else None
    return min(last_run, newest or last_run) - schedules.score_patience, as_of


def is_scored_late(use_case: UseCase, as_of: datetime | pl.Expr) -> pl.Expr:
    """Select predictions made later than the run of their own time, which is `score_window`.

    Args:
        use_case: the use case.
        as_of: time of the run, or the column that has it.
    """
    return pl.col(use_case.spine.time) < as_of - use_case.schedules.score_window


def _find_newest_prediction(
    use_case: UseCase, recent: datetime, as_of: datetime
) -> datetime | None:
    """Return the newest prediction time before `as_of`; None without a prediction."""
    lake, time = open_lake(use_case.name), pl.col(use_case.spine.time)
    if not lake.exists(PREDICTIONS):
        return None
    past = lake.scan(PREDICTIONS).filter(time < as_of)
    # the whole table is read only if nothing is recent
    for rows in (past.filter(time >= recent), past):
        newest: datetime | None = rows.select(time.max()).collect().item()
        if newest is not None:
            return newest
    return None
