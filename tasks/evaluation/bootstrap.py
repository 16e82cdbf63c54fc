"""Two models on the same labelled rows: what each is worth, and the interval of the difference.

Rows of one day share weather and queues, so whole blocks of time are drawn with replacement (the
cluster bootstrap of Davison & Hinkley, "Bootstrap Methods and their Application", 1997, ch. 3.8),
the same ones for both models, so that what they share cancels out. The draws are fixed by the seed
and the interval is a percentile one, so a challenger that is worse on every draw gets a lower
interval, never a higher one. Every metric is a function of counts by block: no draw looks at rows.
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
from tasks.evaluation.metrics import LOWER_IS_BETTER, Decisions, Floats
from tasks.evaluation.problem_types import ProblemType, problem_type_of
from tasks.evaluation.slices import iterate_slices

Flags = NDArray[np.bool_]
Blocks = NDArray[np.int64]
BlockMetric = Callable[[Floats], Floats]  # how often each block is drawn (draws, blocks) → (draws,)
CALIBRATION = "calibration"
MIN_BLOCKS = 5  # of fewer, all differ in the same direction by chance in more than 1 case of 20
_DEALT = 100  # blocks that independent rows are dealt into
_CHUNK = 64  # draws that average precision measures at once: bounds memory at 64 x positives


@dataclass(frozen=True)
class Predictions:
    """One model's values (rows,), probabilities of the event or numbers, or (rows, classes); and
    what is decided by them (rows,).
    """

    value: Floats
    decision: Decisions

    def select_rows(self, mask: Flags) -> Predictions:
        """The answers on some of the rows."""
        return Predictions(self.value[mask], self.decision[mask])


@dataclass(frozen=True)
class Difference:
    """A subject (a metric, `calibration`, or a slice like `origin=JFK`) under both models.

    `improvement` is positive where the challenger is better, and [low, high] is its interval at
    `confidence`; `blocks` is how many blocks the `rows` lie in, `unit` what one of a margin is.
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
        """Whether the subject is a slice, in gate.metric."""
        return "=" in self.subject


@dataclass(frozen=True)
class PairedPredictions:
    """Both models' answers on the same rows, with each row's label and block (rows,).

    `block_count` is how many blocks there are to draw from; a slice need not have rows in each.
    """

    label: Floats
    block: Blocks
    block_count: int
    challenger: Predictions
    champion: Predictions
    problem_type: ProblemType

    @property
    def blocks(self) -> int:
        """How many blocks the rows lie in."""
        return len(np.unique(self.block))

    def select_rows(self, mask: Flags) -> PairedPredictions:
        """Some of the rows, in the blocks they were in."""
        answers = (self.challenger.select_rows(mask), self.champion.select_rows(mask))
        return PairedPredictions(
            self.label[mask], self.block[mask], self.block_count, *answers, self.problem_type
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
    """Differences in gate.metric, in cost and in calibration, then in gate.metric by slice.

    `rows`, in the order of the answers, hold the label (of an event: both values), the prediction
    time and the columns of the slices. A slice counts with evaluation.slice_min_rows rows, labels
    that can be compared and five blocks. The slices share one error rate (Bonferroni), and so do
    `looks` at the same question.
    """
    gate = use_case.gate
    pair = pair_predictions(use_case, rows, challenger, champion)
    draws = draw_blocks(pair.block_count, gate.resamples, use_case.seed)
    cost, error = use_case.evaluation.cost, (1 - gate.confidence) / looks
    subjects = dict.fromkeys((gate.metric, "cost", CALIBRATION))
    found = [measure_difference(subject, pair, cost, draws, error) for subject in subjects]
    parts = comparable_slices(use_case, rows, pair) if sliced else {}
    for part in parts.values():
        found.append(measure_difference(gate.metric, part, cost, draws, error / len(parts)))
    spread = float(pair.label.std())
    return [
        replace(of, subject=name, unit=pair.problem_type.margin_unit(of.subject, spread, cost))
        for name, of in zip((*subjects, *parts), found, strict=True)
    ]


def pair_predictions(
    use_case: UseCase, rows: pl.DataFrame, challenger: Predictions, champion: Predictions
) -> PairedPredictions:
    """Both models' answers to labelled rows, in their order; of one model alone, its own twice."""
    label = rows[use_case.label.column].to_numpy().astype(np.float64)
    block = assign_blocks(rows[use_case.spine.time], use_case.gate, use_case.seed)
    return PairedPredictions(
        label, block, int(block.max()) + 1, challenger, champion, problem_type_of(use_case)
    )


def assign_blocks(times: pl.Series, gate: Gate, seed: int) -> Blocks:
    """The number of each row's block, 0, 1, …, shape (rows,): its span of gate.block since 1970
    (UTC), or one of a hundred that independent rows are dealt into at random.
    """
    if gate.block is None:
        dealt: Blocks = np.random.default_rng(seed).permutation(len(times)) % _DEALT
        return dealt
    width = int(gate.block.total_seconds() * 1_000_000)
    spans = times.dt.epoch("us").to_numpy() // width
    return np.unique(spans, return_inverse=True)[1].astype(np.int64)


def draw_blocks(blocks: int, resamples: int, seed: int) -> Floats:
    """How often each block is drawn in each resample, (resamples, blocks)."""
    even = np.full(blocks, 1 / blocks)
    return np.random.default_rng(seed).multinomial(blocks, even, size=resamples).astype(np.float64)


def comparable_slices(
    use_case: UseCase, rows: pl.DataFrame, pair: PairedPredictions
) -> dict[str, PairedPredictions]:
    """The slices that are large enough to be compared, by name."""
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
    """One subject under both models, with the interval that misses with probability `error`."""
    every = np.ones((1, pair.block_count))
    new, old = (block_metric(subject, pair, of, cost) for of in (pair.challenger, pair.champion))
    sign = -1.0 if subject in (*LOWER_IS_BETTER, CALIBRATION) else 1.0
    at_new, at_old = float(new(every)[0]), float(old(every)[0])
    low, high = bootstrap_interval(sign * (new(draws) - old(draws)), pair.blocks, error)
    size = (len(pair.label), pair.blocks, 1 - error)
    return Difference(subject, at_new, at_old, sign * (at_new - at_old), low, high, *size)


def bootstrap_interval(improvements: Floats, blocks: int, error: float) -> tuple[float, float]:
    """Quantiles of the resampled improvements, farther out the fewer blocks there are.

    Expanded percentile of T. Hesterberg, "What Teachers Should Know about the Bootstrap", 2015,
    section 5.1: at the level Φ(−√(n/(n−1))·t). Resamples without one of the labels are left out.
    """
    from scipy.special import ndtr, stdtrit

    tail = ndtr(np.sqrt(blocks / (blocks - 1)) * stdtrit(blocks - 1, error / 2))
    low, high = np.nanquantile(improvements, [tail, 1 - tail])
    return float(low), float(high)


def block_metric(
    subject: str, pair: PairedPredictions, answers: Predictions, cost: AnyCost
) -> BlockMetric:
    """How a subject is measured on drawn blocks of one model's answers."""
    y, p = pair.label, answers.value
    if subject == "roc_auc":
        return block_roc_auc(pair, p)
    if subject == "pr_auc":
        return block_average_precision(pair, p)
    if subject == CALIBRATION:
        gap = block_mean(pair, calibration_gaps(pair, answers))
        return lambda draws: np.abs(gap(draws))
    if subject == "rmse":
        squared = block_mean(pair, np.square(p - y))
        return lambda draws: np.sqrt(squared(draws))
    if subject == "cost":
        return block_mean(pair, pair.problem_type.measure_costs(y, answers.decision, cost))
    if subject == "accuracy":
        return block_mean(pair, pair.problem_type.observed_outcome(y, answers.decision))
    return block_mean(pair, pair.problem_type.measure_losses(subject, y, p))


def calibration_gaps(pair: PairedPredictions, answers: Predictions) -> Floats:
    """Of each row what was predicted minus what was observed, (rows,)."""
    decision = answers.decision
    return pair.problem_type.predicted_outcome(
        answers.value, decision
    ) - pair.problem_type.observed_outcome(pair.label, decision)


def block_mean(pair: PairedPredictions, values: Floats) -> BlockMetric:
    """The mean of one value a row."""
    sums = np.bincount(pair.block, values, minlength=pair.block_count)
    rows = np.bincount(pair.block, minlength=pair.block_count)
    return lambda draws: _ratio(draws @ sums, draws @ rows)


def block_roc_auc(pair: PairedPredictions, probability: Floats) -> BlockMetric:
    """The area under the ROC curve: the share of pairs of an event and a none that are ranked
    right, a tie counting half. Pairs are counted once, by the blocks of both.
    """
    event = pair.label == 1
    wins = _wins(pair, probability, event)
    events = np.bincount(pair.block[event], minlength=pair.block_count)
    nones = np.bincount(pair.block[~event], minlength=pair.block_count)
    return lambda draws: _ratio(
        ((draws @ wins) * draws).sum(axis=1), (draws @ events) * (draws @ nones)
    )


def _wins(pair: PairedPredictions, probability: Floats, event: Flags) -> Floats:
    """[i, j]: how many pairs of an event in block i and a none in block j are ranked right.

    With the events in order, each none lies below all from one place on.
    """
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
    """Precision at each distinct score of an event, weighted by the recall that it adds."""
    event = pair.label == 1
    cuts, at = np.unique(-probability[event], return_inverse=True)  # from the highest score on
    first = np.searchsorted(cuts, -probability)  # the first cut that flags the row; or none does
    caught = _counts(pair, pair.block[event], at, len(cuts))
    flagged = _counts(pair, pair.block, first, len(cuts))

    def chunk(draws: Floats) -> Floats:
        hits = draws @ caught
        precision = _ratio(hits, draws @ flagged)
        added = np.diff(hits, axis=1, prepend=0.0)
        return _ratio((added * np.nan_to_num(precision)).sum(axis=1), hits[:, -1])

    return lambda draws: np.concatenate(
        [chunk(draws[at : at + _CHUNK]) for at in range(0, len(draws), _CHUNK)]
    )


def _counts(pair: PairedPredictions, block: Blocks, cut: Blocks, cuts: int) -> Floats:
    """How many rows of each block each cut flags, (blocks, cuts)."""
    width = cuts + 1  # one more for what no cut flags
    found = np.bincount(block * width + cut, minlength=pair.block_count * width)
    return found.reshape(pair.block_count, width)[:, :-1].cumsum(axis=1).astype(np.float64)


def _ratio(above: Floats, below: Floats) -> Floats:
    """above / below, NaN where nothing was drawn."""
    empty = np.full(np.shape(above), np.nan)
    return np.asarray(np.divide(above, below, out=empty, where=below != 0))
