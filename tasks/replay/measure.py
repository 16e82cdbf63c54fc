"""One policy's answers measured, by window and as a whole, and what its decisions cost."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import numpy as np
import polars as pl

from configs.use_case import UseCase
from tasks.comparison import (
    CALIBRATION,
    MIN_BLOCKS,
    Measure,
    Pair,
    answers_in,
    draw_blocks,
    gaps,
    interval,
    mean,
    measure,
    pair_of,
)
from tasks.evaluation import Floats
from tasks.kinds import kind_of

Span = tuple[datetime, datetime]
NUMBER = {
    "policy": pl.String(), "start": pl.Datetime("us", "UTC"), "end": pl.Datetime("us", "UTC"),
    "subject": pl.String(), "value": pl.Float64(), "low": pl.Float64(), "high": pl.Float64(),
    "rows": pl.Int64(), "blocks": pl.Int64(),
}  # fmt: skip


def numbers(
    use_case: UseCase, policy: str, rows: pl.DataFrame, span: Span
) -> Iterator[tuple[object, ...]]:
    """Rows of NUMBER for one window: gate.metric, cost a row, and calibration, the mean predicted
    minus the observed; without an interval where there are too few blocks.
    """
    start, end = span
    time = pl.col(use_case.spine.time)
    inside = rows.filter(time >= start, time < end)
    if inside.is_empty():
        return
    pair = alone(use_case, inside)
    draws = draw_blocks(pair.drawn, use_case.gate.resamples, use_case.seed)
    for subject in dict.fromkeys((use_case.gate.metric, "cost", CALIBRATION)):
        of = _measure(use_case, subject, pair)
        value = float(of(np.ones((1, pair.drawn)))[0])
        sure = pair.blocks >= MIN_BLOCKS and not np.isnan(value)
        error = 1 - use_case.gate.confidence
        low, high = interval(of(draws), pair.blocks, error) if sure else (None, None)
        shown = None if np.isnan(value) else value
        yield policy, start, end, subject, shown, low, high, inside.height, pair.blocks


def costs(use_case: UseCase, rows: pl.DataFrame) -> Floats:
    """The business cost of each row (rows,)."""
    label = rows[use_case.label.column].to_numpy().astype(np.float64)
    decision = answers_in(use_case, rows).decision
    return kind_of(use_case).costs(label, decision, use_case.evaluation.cost)


def alone(use_case: UseCase, rows: pl.DataFrame) -> Pair:
    """The rows as a pair of a policy with itself, to draw blocks of."""
    given = answers_in(use_case, rows)
    return pair_of(use_case, rows, given, given)


def _measure(use_case: UseCase, subject: str, pair: Pair) -> Measure:
    if subject == CALIBRATION:  # with its sign: too high or too low
        return mean(pair, gaps(pair, pair.challenger))
    return measure(subject, pair, pair.challenger, use_case.evaluation.cost)
