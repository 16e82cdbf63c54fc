"""Made-up models of a rehearsal: equal twins, and models that are worse by a stated loss."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

from tasks.evaluation.alarms.resampled_years import Indexes
from tasks.evaluation.bootstrap import Flags, Predictions, calibration_gaps
from tasks.evaluation.metrics import LOWER_IS_BETTER, Floats
from tasks.evaluation.problem_types import problem_type_of
from tasks.rehearsal.day_pool import DayPool, DrawnRows

TWIN_SHARE = 0.1  # by which a made-up twin differs
_HALVINGS = 11

LossKind = Literal["metric", "calibration"]
TwinPair: TypeAlias = tuple[Predictions, Predictions]


def dilute_predictions(pool: DayPool, predictions: Predictions, share: float) -> Predictions:
    """Return predictions that are mixed with those of other rows; `share` is that of the others."""
    random = np.random.default_rng(pool.use_case.seed)
    others = predictions.value[random.permutation(len(predictions.value))]
    return _decide(pool, (1 - share) * predictions.value + share * others)


def worsen_predictions(pool: DayPool, predictions: Predictions, loss: float) -> Predictions | None:
    """Return predictions whose metric is worse by a loss; None if other rows' are not as bad.

    Args:
        pool: rows on which the metric is measured.
        predictions: of the pool's rows.
        loss: of gate.metric, in the metric's own unit.
    """
    metric = pool.use_case.gate.metric
    sign = 1 if metric in LOWER_IS_BETTER else -1
    target = sign * pool.measure(metric, predictions) + loss
    if sign * pool.measure(metric, dilute_predictions(pool, predictions, 1.0)) < target:
        return None
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        share = (low + high) / 2
        worse = sign * pool.measure(metric, dilute_predictions(pool, predictions, share)) >= target
        low, high = (low, share) if worse else (share, high)
    return dilute_predictions(pool, predictions, high)


def shift_predictions(pool: DayPool, predictions: Predictions, loss: float) -> Predictions | None:
    """Return predictions with a calibration gap that is larger by a loss; None for classes.

    Predictions that are too low become lower, and others higher.
    """
    kind = pool.use_case.label.kind
    if kind == "multiclass":
        return None
    gaps = calibration_gaps(pool.pair(predictions, predictions), predictions)
    moved = predictions.value + (loss if gaps.mean() >= 0 else -loss)
    return _decide(pool, np.clip(moved, 0, 1) if kind == "binary" else moved)


def find_loss_unit(pool: DayPool, kind: LossKind) -> float:
    """Return the size of a loss of 1: the unit of a margin of the metric."""
    use_case = pool.use_case
    metric = use_case.gate.metric if kind == "metric" else "calibration_gap"
    spread = float(pool.judged.label.std())
    return problem_type_of(use_case).margin_unit(metric, spread, use_case.evaluation.cost)


def choose_twin(pool: DayPool, other: Predictions | None) -> Predictions:
    """Return the second model of an A/A comparison: an earlier champion, or a made-up twin."""
    return other or dilute_predictions(pool, pool.judged.predictions, TWIN_SHARE)


def swap_twins(
    random: np.random.Generator, rows: DrawnRows, new: TwinPair, old: TwinPair
) -> TwinPair:
    """Return a newer and an older model: the twins of both change places from day to day.

    So both are equal if `new` and `old` are the same twins.

    Args:
        random: generator.
        rows: rows of a history.
        new: twins of the newer model, for all rows of the pool.
        old: twins of the older model, in the same order.
    """
    coins = random.random(int(rows.day.max()) + 1) < 0.5
    swapped = coins[rows.day]
    (one, other), (old_one, old_other) = (
        [_take(each, rows.place) for each in twins] for twins in (new, old)
    )
    return _choose(swapped, other, one), _choose(swapped, old_one, old_other)


def _take(predictions: Predictions, place: Indexes) -> Predictions:
    return Predictions(predictions.value[place], predictions.decision[place])


def _choose(mask: Flags, one: Predictions, other: Predictions) -> Predictions:
    wide = mask if one.value.ndim == 1 else mask[:, None]
    return Predictions(
        np.where(wide, one.value, other.value), np.where(mask, one.decision, other.decision)
    )


def _decide(pool: DayPool, value: Floats) -> Predictions:
    card = pool.judged.model.card
    kind = problem_type_of(pool.use_case)
    return Predictions(value, kind.decide(value, card.threshold))
