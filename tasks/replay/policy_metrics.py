"""Metrics and costs of one policy's predictions, by window and over the whole period."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import numpy as np
import polars as pl

from configs.schema.use_case import UseCase
from tasks.evaluation.blocks import (
    MIN_BLOCKS,
    BlockMetric,
    choose_common_length,
    draw_blocks,
)
from tasks.evaluation.bootstrap import (
    CALIBRATION,
    PairedPredictions,
    block_mean,
    block_metric,
    calibration_gaps,
    pair_predictions,
)
from tasks.evaluation.bootstrap_intervals import bootstrap_interval
from tasks.evaluation.metrics import Floats
from tasks.evaluation.prediction_columns import read_predictions
from tasks.evaluation.problem_types import problem_type_of

PolicySpan = tuple[datetime, datetime]
NUMBER_SCHEMA = {
    "policy": pl.String(), "start": pl.Datetime("us", "UTC"), "end": pl.Datetime("us", "UTC"),
    "subject": pl.String(), "value": pl.Float64(), "low": pl.Float64(), "high": pl.Float64(),
    "rows": pl.Int64(), "blocks": pl.Int64(),
}  # fmt: skip


def measure_policy(
    use_case: UseCase, policy: str, rows: pl.DataFrame, span: PolicySpan
) -> Iterator[tuple[object, ...]]:
    """Yield the rows of NUMBER_SCHEMA for one window, each with a bootstrap interval.

    Subjects are gate.metric, cost a row, and calibration: mean predicted minus observed. The
    interval is missing where there are too few blocks.

    Args:
        use_case: What is replayed.
        policy: The policy's name.
        rows: Its predictions with labels.
        span: Start and end of the window.
    """
    start, end = span
    time = pl.col(use_case.spine.time)
    inside = rows.filter(time >= start, time < end)
    if inside.is_empty():
        return
    pair = pair_with_itself(use_case, inside)
    subjects, gate = dict.fromkeys((use_case.gate.metric, "cost", CALIBRATION)), use_case.gate
    metrics = {subject: _choose_metric(use_case, subject, pair) for subject in subjects}
    length = choose_common_length(gate, metrics.values(), pair.block_count)
    draws = draw_blocks(pair.block_count, gate.resamples, use_case.seed, length)
    for subject, metric in metrics.items():
        value = float(metric(np.ones((1, pair.block_count)))[0])
        enough = pair.blocks >= MIN_BLOCKS and not np.isnan(value)
        error, runs = 1 - gate.confidence, pair.blocks / length
        low, high = bootstrap_interval(metric(draws), runs, error) if enough else (None, None)
        shown = None if np.isnan(value) else value
        yield policy, start, end, subject, shown, low, high, inside.height, pair.blocks


def measure_row_costs(use_case: UseCase, rows: pl.DataFrame) -> Floats:
    """Return the business cost of each row (rows,)."""
    label = rows[use_case.label.column].to_numpy().astype(np.float64)
    decision = read_predictions(use_case, rows).decision
    return problem_type_of(use_case).measure_costs(label, decision, use_case.evaluation.cost)


def pair_with_itself(use_case: UseCase, rows: pl.DataFrame) -> PairedPredictions:
    """Return the rows as a pair of a policy with itself, so that blocks can be drawn."""
    predictions = read_predictions(use_case, rows)
    return pair_predictions(use_case, rows, predictions, predictions)


def _choose_metric(use_case: UseCase, subject: str, pair: PairedPredictions) -> BlockMetric:
    if subject == CALIBRATION:  # with its sign: too high or too low
        return block_mean(pair, calibration_gaps(pair, pair.challenger))
    return block_metric(subject, pair, pair.challenger, use_case.evaluation.cost)
