"""Share of the predictions of a window that callers flagged as wrong."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from configs.schema.use_case import UseCase
from tasks.features.feedback import read_feedback
from tasks.monitoring.measurements import Measurement
from tasks.rollout.prediction_log import PREDICTIONS
from tasks.storage.lake import open_lake


def measure_flagged_predictions(use_case: UseCase, as_of: datetime) -> list[Measurement]:
    """Measure the share of flagged predictions; nothing if the YAML takes no feedback.

    A prediction that is flagged more than once counts once, by its key.

    Args:
        use_case: the use case.
        as_of: end of the window.
    """
    plan = use_case.serving.feedback if use_case.serving else None
    if plan is None:
        return []
    start, rule = as_of - use_case.monitor.window, plan.flagged
    flagged, predicted = _count_flags(use_case, start, as_of), _count_rows(use_case, start, as_of)
    share = flagged / predicted if predicted else None
    is_bad = share is not None and share > rule.share and flagged >= rule.count
    return [
        Measurement(
            "online", "flagged:predictions", start, as_of, value=share, threshold=rule.share,
            rows=predicted, verdict=rule.severity if is_bad else "ok",
        )
    ]  # fmt: skip


def _count_flags(use_case: UseCase, start: datetime, as_of: datetime) -> int:
    feedback = read_feedback(use_case, as_of)
    if not feedback.columns:
        return 0
    inside = (pl.col("moment") >= start) & pl.col("flag").fill_null(value=False)
    known = pl.col("model_version").is_not_null()
    return feedback.filter(inside, known).select(use_case.spine.key).unique().height


def _count_rows(use_case: UseCase, start: datetime, as_of: datetime) -> int:
    """Count the predictions that were made in a window."""
    lake, made = open_lake(use_case.name), pl.col("scored_as_of")
    if not lake.exists(PREDICTIONS):
        return 0
    rows = lake.scan(PREDICTIONS).filter(made >= start, made <= as_of)
    return int(rows.select(pl.len()).collect().item())
