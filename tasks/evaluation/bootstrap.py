"""Paired block bootstrap: two models on the same rows, and the interval of their difference.

Rows of one day share weather and queues. So whole blocks of time are drawn with replacement (the
cluster bootstrap of Davison & Hinkley, "Bootstrap Methods and their Application", 1997, ch. 3.8),
the same ones for both models. The seed fixes the draws. The interval is a percentile one, so a
challenger that is worse on every draw never gets a higher interval. Metrics need only counts by
block: no draw reads rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from configs.schema.costs import AnyCost
from configs.schema.use_case import UseCase
from tasks.evaluation.blocks import (
    MIN_BLOCKS,
    BlockMetric,
    assign_blocks,
    choose_common_length,
    draw_blocks,
)
from tasks.evaluation.bootstrap_intervals import bootstrap_interval
from tasks.evaluation.metrics import LOWER_IS_BETTER, Decisions, Floats
from tasks.evaluation.problem_types import ProblemType, Threshold, problem_type_of
from tasks.evaluation.ranking_metrics import (
    BlockedLabels,
    block_average_precision,
    block_roc_auc,
    divide_counts,
)
from tasks.evaluation.slices import iterate_slices

Flags = NDArray[np.bool_]
CALIBRATION = "calibration"


@dataclass(frozen=True)
class Predictions:
    """One model's values, (rows,) or (rows, classes), and its decisions (rows,)."""

    value: Floats
    decision: Decisions

    def select_rows(self, mask: Flags) -> Predictions:
        """Return the predictions of the masked rows."""
        return Predictions(self.value[mask], self.decision[mask])


@dataclass(frozen=True)
class Difference:
    """A subject (a metric, `calibration`, or a slice like `origin=JFK`) of both models.

    `improvement` is positive if the challenger is better; [low, high] is its interval at
    `confidence`. `blocks` is the number of blocks of the `rows`, of which `length` neighbours were
    drawn together. `unit` is the size of a margin of 1.
    """

    subject: str
    challenger: float
    champion: float
    improvement: float
    low: float
    high: float
    rows: int
    blocks: int
    confidence: float
    unit: float = 1.0
    length: int = 1

    @property
    def is_slice(self) -> bool:
        """Return whether the subject is a slice, measured by gate.metric."""
        return "=" in self.subject


@dataclass(frozen=True)
class PairedPredictions(BlockedLabels):
    """Predictions of both models for the same rows, with each row's label and block (rows,).

    `block_count` is the number of blocks to draw from; a slice may lack rows in some.
    """

    challenger: Predictions
    champion: Predictions
    problem_type: ProblemType

    @property
    def blocks(self) -> int:
        """Return the number of blocks that have rows."""
        return len(np.unique(self.block))

    def select_rows(self, mask: Flags) -> PairedPredictions:
        """Return the masked rows, in their blocks."""
        pair = (self.challenger.select_rows(mask), self.champion.select_rows(mask))
        return PairedPredictions(
            self.label[mask], self.block[mask], self.block_count, *pair, self.problem_type
        )


def compare_models(
    use_case: UseCase,
    rows: pl.DataFrame,
    challenger: Predictions,
    champion: Predictions,
    *,
    share: float = 1.0,
    sliced: bool = True,
    by_risk: bool = False,
) -> list[Difference]:
    """Return the differences in gate.metric, cost and calibration, then in gate.metric by slice.

    The slices share one error rate (Bonferroni).

    Args:
        rows: label, prediction time and slice columns, in the order of the predictions.
        share: part of the error rate that these comparisons may spend.
        sliced: whether to compare slices.
        by_risk: whether the lower end of gate.metric is missed with the chance `gate.risk`.
    """
    gate = use_case.gate
    pair = pair_predictions(use_case, rows, challenger, champion)
    cost, error = use_case.evaluation.cost, (1 - gate.confidence) * share
    of_metric = 2 * gate.risk * share if by_risk else error
    subjects = dict.fromkeys((gate.metric, "cost", CALIBRATION))
    metrics = {subject: pair_metric(subject, pair, cost) for subject in subjects}
    decisive = [metrics[subject].improve for subject in dict.fromkeys((gate.metric, "cost"))]
    length = choose_common_length(gate, decisive, pair.block_count)
    draws = draw_blocks(pair.block_count, gate.resamples, use_case.seed, length)
    parts = comparable_slices(use_case, rows, pair, length) if sliced else {}
    compared = [(metrics[subject], pair, error) for subject in subjects]
    compared[0] = (metrics[gate.metric], pair, of_metric)
    compared += [
        (pair_metric(gate.metric, part, cost), part, error / len(parts)) for part in parts.values()
    ]
    differences = [
        measure_difference(metric, part, draws, chance, length) for metric, part, chance in compared
    ]
    spread = float(pair.label.std())
    return [
        replace(one, subject=name, unit=pair.problem_type.margin_unit(one.subject, spread, cost))
        for name, one in zip((*subjects, *parts), differences, strict=True)
    ]


def measure_intervals(
    use_case: UseCase, rows: pl.DataFrame, value: Floats, threshold: Threshold
) -> dict[str, tuple[float, float]]:
    """Return the confidence interval of each metric that has one, at `gate.confidence`.

    Runs of blocks of `gate.block` are resampled, as long as the metrics need. With fewer than
    MIN_BLOCKS blocks, return no interval.
    """
    gate, cost, problem_type = use_case.gate, use_case.evaluation.cost, problem_type_of(use_case)
    predictions = Predictions(value, problem_type.decide(value, threshold))
    alone = pair_predictions(use_case, rows, predictions, predictions)
    if alone.blocks < MIN_BLOCKS:
        return {}
    measures = {
        name: block_mean(alone, calibration_gaps(alone, predictions))
        if name == "calibration_gap"
        else block_metric(name, alone, predictions, cost)
        for name in problem_type.interval_metrics
    }
    length = choose_common_length(gate, measures.values(), alone.block_count)
    draws = draw_blocks(alone.block_count, gate.resamples, use_case.seed, length)
    error = 1 - gate.confidence
    return {
        name: bootstrap_interval(measure(draws), alone.blocks / length, error)
        for name, measure in measures.items()
    }


def pair_predictions(
    use_case: UseCase, rows: pl.DataFrame, challenger: Predictions, champion: Predictions
) -> PairedPredictions:
    """Pair two models' predictions of labelled rows; of one model alone, give it twice."""
    label = rows[use_case.label.column].to_numpy().astype(np.float64)
    block = assign_blocks(rows[use_case.spine.time], use_case.gate, use_case.seed, use_case.zone)
    return PairedPredictions(
        label, block, int(block.max()) + 1, challenger, champion, problem_type_of(use_case)
    )


def comparable_slices(
    use_case: UseCase, rows: pl.DataFrame, pair: PairedPredictions, length: int
) -> dict[str, PairedPredictions]:
    """Return the slices with enough rows and blocks, and comparable labels, by name.

    Args:
        use_case: the use case, with the slices and their fewest rows
        rows: the rows of the pair, with the columns of the slices
        pair: both models' predictions
        length: number of neighbouring blocks that are drawn together
    """
    rule = use_case.evaluation
    parts = {
        f"{column}={value}": pair.select_rows(mask)
        for column, value, mask in iterate_slices(
            rows, rule.slices, rule.count_slice_rows(rows.height)
        )
    }
    return {
        name: part
        for name, part in parts.items()
        if pair.problem_type.can_compare(part.label) and part.blocks >= MIN_BLOCKS * length
    }


@dataclass(frozen=True)
class PairedMetric:
    """A subject of both models on drawn blocks; `sign` is -1 if lower is better, else 1."""

    subject: str
    challenger: BlockMetric
    champion: BlockMetric
    sign: float

    def improve(self, draws: Floats) -> Floats:
        """Return the improvement on drawn blocks; positive: the challenger is better."""
        return self.sign * (self.challenger(draws) - self.champion(draws))


def pair_metric(subject: str, pair: PairedPredictions, cost: AnyCost) -> PairedMetric:
    """Return a subject of both models of a pair: a metric, or `calibration`."""
    new, old = (block_metric(subject, pair, p, cost) for p in (pair.challenger, pair.champion))
    return PairedMetric(
        subject, new, old, -1.0 if subject in (*LOWER_IS_BETTER, CALIBRATION) else 1.0
    )


def measure_difference(
    metric: PairedMetric,
    pair: PairedPredictions,
    draws: Floats,
    error: float,
    length: int = 1,
) -> Difference:
    """Measure one subject of both models, with an interval.

    Args:
        metric: the subject; its rows may lie in more blocks than those of the pair.
        pair: labelled rows with both predictions.
        draws: from `draw_blocks` (resamples, blocks).
        error: rate at which the interval may miss the true difference.
        length: number of neighbouring blocks that were drawn together.
    """
    filled = (np.bincount(pair.block, minlength=pair.block_count) > 0).astype(np.float64)
    at_new = float(metric.challenger(filled[None])[0])
    at_old = float(metric.champion(filled[None])[0])
    low, high = bootstrap_interval(metric.improve(draws * filled), pair.blocks / length, error)
    size = (len(pair.label), pair.blocks, 1 - error)
    improvement = metric.sign * (at_new - at_old)
    return Difference(metric.subject, at_new, at_old, improvement, low, high, *size, length=length)


def block_metric(
    subject: str, pair: PairedPredictions, predictions: Predictions, cost: AnyCost
) -> BlockMetric:
    """Return the function that measures a subject of one model on drawn blocks."""
    y, p = pair.label, predictions.value
    if subject == "roc_auc":
        return block_roc_auc(pair, p)
    if subject == "pr_auc":
        return block_average_precision(pair, p)
    if subject == CALIBRATION:
        gap = block_mean(pair, calibration_gaps(pair, predictions))
        return lambda draws: np.abs(gap(draws))
    if subject == "rmse":
        squared = block_mean(pair, np.square(p - y))
        return lambda draws: np.sqrt(squared(draws))
    if subject == "cost":
        return block_mean(pair, pair.problem_type.measure_costs(y, predictions.decision, cost))
    if subject == "accuracy":
        return block_mean(pair, pair.problem_type.observed_outcome(y, predictions.decision))
    return block_mean(pair, pair.problem_type.measure_losses(subject, y, p))


def calibration_gaps(pair: PairedPredictions, predictions: Predictions) -> Floats:
    """Return predicted minus observed outcome of each row, (rows,)."""
    decision = predictions.decision
    return pair.problem_type.predicted_outcome(
        predictions.value, decision
    ) - pair.problem_type.observed_outcome(pair.label, decision)


def block_mean(pair: BlockedLabels, values: Floats) -> BlockMetric:
    """Return the function for the mean of `values` (rows,)."""
    sums = np.bincount(pair.block, values, minlength=pair.block_count)
    rows = np.bincount(pair.block, minlength=pair.block_count)
    return lambda draws: divide_counts(draws @ sums, draws @ rows)
