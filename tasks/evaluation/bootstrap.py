"""Paired block bootstrap: two models on the same rows, and the interval of their difference.

Rows of one day share weather and queues. So whole blocks of time are drawn with replacement (the
cluster bootstrap of Davison & Hinkley, "Bootstrap Methods and their Application", 1997, ch. 3.8),
the same ones for both models. The seed fixes the draws. The interval is a percentile one, so a
challenger that is worse on every draw never gets a higher interval. Metrics need only counts by
block: no draw reads rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from configs.schema.costs import AnyCost
from configs.schema.promotion import Gate
from configs.schema.use_case import UseCase
from tasks.evaluation.bootstrap_intervals import bootstrap_interval
from tasks.evaluation.metrics import LOWER_IS_BETTER, Decisions, Floats
from tasks.evaluation.problem_types import ProblemType, problem_type_of
from tasks.evaluation.slices import iterate_slices

Flags = NDArray[np.bool_]
Blocks = NDArray[np.int64]
BlockMetric = Callable[[Floats], Floats]  # draw counts (draws, blocks) → metric (draws,)
CALIBRATION = "calibration"
MIN_BLOCKS = 5  # fewer all differ in one direction by chance in more than 1 case of 20
_RANDOM_BLOCKS = 100  # of independent rows
_CHUNK = 64  # draws of average precision at once: bounds memory at 64 x positives


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
    `confidence`. `blocks` is the number of blocks of the `rows`, `unit` the size of a margin of 1.
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

    @property
    def is_slice(self) -> bool:
        """Return whether the subject is a slice, measured by gate.metric."""
        return "=" in self.subject


@dataclass(frozen=True)
class PairedPredictions:
    """Predictions of both models for the same rows, with each row's label and block (rows,).

    `block_count` is the number of blocks to draw from; a slice may lack rows in some.
    """

    label: Floats
    block: Blocks
    block_count: int
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
    looks: int = 1,
    sliced: bool = True,
) -> list[Difference]:
    """Return the differences in gate.metric, cost and calibration, then in gate.metric by slice.

    The slices share one error rate (Bonferroni), and so do the `looks`.

    Args:
        rows: label, prediction time and slice columns, in the order of the predictions.
        looks: how often the same rows are compared in all (interim analyses).
        sliced: whether to compare slices.
    """
    gate = use_case.gate
    pair = pair_predictions(use_case, rows, challenger, champion)
    draws = draw_blocks(pair.block_count, gate.resamples, use_case.seed)
    cost, error = use_case.evaluation.cost, (1 - gate.confidence) / looks
    subjects = dict.fromkeys((gate.metric, "cost", CALIBRATION))
    differences = [measure_difference(subject, pair, cost, draws, error) for subject in subjects]
    parts = comparable_slices(use_case, rows, pair) if sliced else {}
    for part in parts.values():
        differences.append(measure_difference(gate.metric, part, cost, draws, error / len(parts)))
    spread = float(pair.label.std())
    return [
        replace(one, subject=name, unit=pair.problem_type.margin_unit(one.subject, spread, cost))
        for name, one in zip((*subjects, *parts), differences, strict=True)
    ]


def pair_predictions(
    use_case: UseCase, rows: pl.DataFrame, challenger: Predictions, champion: Predictions
) -> PairedPredictions:
    """Pair two models' predictions of labelled rows; of one model alone, give it twice."""
    label = rows[use_case.label.column].to_numpy().astype(np.float64)
    block = assign_blocks(rows[use_case.spine.time], use_case.gate, use_case.seed)
    return PairedPredictions(
        label, block, int(block.max()) + 1, challenger, champion, problem_type_of(use_case)
    )


def assign_blocks(times: pl.Series, gate: Gate, seed: int) -> Blocks:
    """Return the block number of each row, 0, 1, … (rows,): its span of gate.block since 1970.

    Independent rows get one of a hundred blocks at random.
    """
    if gate.block is None:
        shuffled: Blocks = np.random.default_rng(seed).permutation(len(times)) % _RANDOM_BLOCKS
        return shuffled
    width = int(gate.block.total_seconds() * 1_000_000)
    spans = times.dt.epoch("us").to_numpy() // width
    return np.unique(spans, return_inverse=True)[1].astype(np.int64)


def draw_blocks(blocks: int, resamples: int, seed: int) -> Floats:
    """Return how often each block is drawn in each resample, (resamples, blocks)."""
    even = np.full(blocks, 1 / blocks)
    return np.random.default_rng(seed).multinomial(blocks, even, size=resamples).astype(np.float64)


def comparable_slices(
    use_case: UseCase, rows: pl.DataFrame, pair: PairedPredictions
) -> dict[str, PairedPredictions]:
    """Return the slices with enough rows and blocks, and comparable labels, by name."""
    rule = use_case.evaluation
    parts = {
        f"{column}={value}": pair.select_rows(mask)
        for column, value, mask in iterate_slices(rows, rule.slices, rule.slice_min_rows)
    }
    return {
        name: part
        for name, part in parts.items()
        if pair.problem_type.can_compare(part.label) and part.blocks >= MIN_BLOCKS
    }


def measure_difference(
    subject: str, pair: PairedPredictions, cost: AnyCost, draws: Floats, error: float
) -> Difference:
    """Measure one subject of both models, with an interval.

    Args:
        subject: a metric, or `calibration`.
        pair: labelled rows with both predictions.
        cost: prices of decisions.
        draws: from `draw_blocks` (resamples, blocks).
        error: rate at which the interval may miss the true difference.
    """
    every = np.ones((1, pair.block_count))
    new, old = (block_metric(subject, pair, p, cost) for p in (pair.challenger, pair.champion))
    sign = -1.0 if subject in (*LOWER_IS_BETTER, CALIBRATION) else 1.0
    at_new, at_old = float(new(every)[0]), float(old(every)[0])
    low, high = bootstrap_interval(sign * (new(draws) - old(draws)), pair.blocks, error)
    size = (len(pair.label), pair.blocks, 1 - error)
    return Difference(subject, at_new, at_old, sign * (at_new - at_old), low, high, *size)


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


def block_mean(pair: PairedPredictions, values: Floats) -> BlockMetric:
    """Return the function for the mean of `values` (rows,)."""
    sums = np.bincount(pair.block, values, minlength=pair.block_count)
    rows = np.bincount(pair.block, minlength=pair.block_count)
    return lambda draws: _divide(draws @ sums, draws @ rows)


def block_roc_auc(pair: PairedPredictions, probability: Floats) -> BlockMetric:
    """Return the function for the area under the ROC curve, from pairs counted by block."""
    # It is the share of pairs of an event and a non-event in the right order; a tie counts half.
    event = pair.label == 1
    wins = _count_wins(pair, probability, event)
    events = np.bincount(pair.block[event], minlength=pair.block_count)
    nones = np.bincount(pair.block[~event], minlength=pair.block_count)
    return lambda draws: _divide(
        ((draws @ wins) * draws).sum(axis=1), (draws @ events) * (draws @ nones)
    )


def _count_wins(pair: PairedPredictions, probability: Floats, event: Flags) -> Floats:
    """Count correctly ranked pairs: [i, j] of events in block i and non-events in block j."""
    # With the events sorted, each non-event ranks below all events from one position on.
    order = np.argsort(probability[event])
    scores, block = probability[event][order], pair.block[event][order]
    grouped = np.argsort(pair.block[~event], kind="stable")
    none, starts = probability[~event][grouped], np.arange(1, pair.block_count)
    ties, above = (np.searchsorted(scores, none, side) for side in ("left", "right"))
    bounds = np.searchsorted(pair.block[~event][grouped], starts)
    wins = np.empty((pair.block_count, pair.block_count))
    places = zip(np.split(ties, bounds), np.split(above, bounds), strict=True)
    for j, place in enumerate(places):
        below = np.bincount(np.concatenate(place), minlength=len(scores) + 1).cumsum() / 2
        wins[:, j] = np.bincount(block, below[:-1], minlength=pair.block_count)
    return wins


def block_average_precision(pair: PairedPredictions, probability: Floats) -> BlockMetric:
    """Return the function for precision at each event's score, weighted by the added recall."""
    event = pair.label == 1
    cuts, at = np.unique(-probability[event], return_inverse=True)  # from the highest score on
    first = np.searchsorted(cuts, -probability)  # the first cut that flags the row, if any
    caught = _count_flagged(pair, pair.block[event], at, len(cuts))
    flagged = _count_flagged(pair, pair.block, first, len(cuts))

    def chunk(draws: Floats) -> Floats:
        hits = draws @ caught
        precision = _divide(hits, draws @ flagged)
        added = np.diff(hits, axis=1, prepend=0.0)
        return _divide((added * np.nan_to_num(precision)).sum(axis=1), hits[:, -1])

    return lambda draws: np.concatenate(
        [chunk(draws[at : at + _CHUNK]) for at in range(0, len(draws), _CHUNK)]
    )


def _count_flagged(pair: PairedPredictions, block: Blocks, cut: Blocks, cuts: int) -> Floats:
    """Count the rows of each block that each cut flags, (blocks, cuts)."""
    width = cuts + 1  # one more for rows that no cut flags
    counts = np.bincount(block * width + cut, minlength=pair.block_count * width)
    return counts.reshape(pair.block_count, width)[:, :-1].cumsum(axis=1).astype(np.float64)


def _divide(above: Floats, below: Floats) -> Floats:
    """Divide; NaN where the denominator is 0."""
    empty = np.full(np.shape(above), np.nan)
    return np.asarray(np.divide(above, below, out=empty, where=below != 0))
