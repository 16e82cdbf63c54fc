"""Influence of single blocks: the block without which a verdict would be another one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import polars as pl

from configs.schema.use_case import UseCase
from tasks.evaluation.blocks import draw_blocks, leave_blocks_out
from tasks.evaluation.bootstrap import (
    Difference,
    Predictions,
    measure_difference,
    pair_metric,
    pair_predictions,
)


@dataclass(frozen=True)
class DecisiveBlock:
    """A block that decides a verdict: its first prediction time, and the difference without it."""

    since: datetime
    without: Difference


def find_decisive_block(
    use_case: UseCase,
    rows: pl.DataFrame,
    models: tuple[Predictions, Predictions],
    difference: Difference,
    accepts: Callable[[Difference], bool],
) -> DecisiveBlock | None:
    """Return the block without which the verdict changes; None if the verdict stands.

    Only the block that speaks most for the verdict is left out.

    Args:
        use_case: the use case
        rows: label and prediction time, in the order of the predictions
        models: predictions of challenger and champion
        difference: the difference of all rows
        accepts: whether a difference speaks for the challenger
    """
    pair = pair_predictions(use_case, rows, *models)
    accepted = accepts(difference)
    metric = pair_metric(difference.subject, pair, use_case.evaluation.cost)
    without_each = leave_blocks_out(metric.improve, pair.block_count)
    remaining = without_each if accepted else -without_each
    if not np.isfinite(remaining).any() or pair.blocks < 3:
        return None
    decisive = int(np.nanargmin(remaining))
    inside = pair.block == decisive
    draws = draw_blocks(pair.block_count, use_case.gate.resamples, use_case.seed, difference.length)
    rest, error = pair.select_rows(~inside), 1 - difference.confidence
    without = measure_difference(metric, rest, draws, error, difference.length)
    without = replace(without, unit=difference.unit)
    if accepts(without) == accepted:
        return None
    since = rows[use_case.spine.time].filter(pl.Series(inside)).min()
    assert isinstance(since, datetime)
    return DecisiveBlock(since, without)
