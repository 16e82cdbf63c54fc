"""Champion against challenger on the same fresh rows: the evidence and the decision.

Rows of one day share weather and queues, so they are resampled a block of days at a time (the
cluster bootstrap of Davison & Hinkley, "Bootstrap Methods and their Application", 1997, ch. 3.8),
and both models are measured on the same resamples, so what they share cancels out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from configs.part import Metric
from configs.policy import Cost, Gate
from configs.use_case import UseCase
from tasks.evaluation import LOWER_IS_BETTER, row_costs
from tasks.ledger import Entry, Ledger

if TYPE_CHECKING:
    from tasks.registry import Model

Floats = NDArray[np.float64]
_CHUNK = 64  # resamples measured at once: bounds memory at 64 x rows


@dataclass(frozen=True)
class Scored:
    """One model's probabilities of shape (rows,) and the threshold that it decides by."""

    probability: Floats
    threshold: float


@dataclass(frozen=True)
class Difference:
    """A metric of both models and the improvement (positive: challenger better), with interval."""

    metric: str
    challenger: float
    champion: float
    improvement: float
    low: float
    high: float


@dataclass(frozen=True)
class Decision:
    """Whether the challenger takes over, why, and every number that says so (JSON)."""

    promote: bool
    reason: str
    evidence: dict[str, Any]


def decide(
    use_case: UseCase, challenger: Model, champion: Model | None, fresh: pl.DataFrame
) -> Decision:
    """Judge a challenger on fresh labelled rows that neither model was fitted or selected on.

    `fresh` holds the inputs, the label and the prediction time. Without a champion the challenger
    must beat the answer that knows only how often the event happens.
    """
    from tasks.registry import predict

    labels = fresh[use_case.label.column].to_numpy().astype(np.float64)
    new = Scored(predict(challenger, fresh).astype(np.float64), challenger.card.threshold)
    if champion is None:
        rate = challenger.card.holdout["positive_rate"]
        old = Scored(np.full(len(labels), rate), challenger.card.threshold)
    else:
        old = Scored(predict(champion, fresh).astype(np.float64), champion.card.threshold)
    times = fresh[use_case.spine.time]
    decision = judge(
        use_case.gate, use_case.evaluation.cost, labels, times, new, old, use_case.seed
    )
    who = {
        "challenger_version": challenger.version,
        "champion_version": None if champion is None else champion.version,
    }
    return Decision(decision.promote, decision.reason, {**who, **decision.evidence})


def judge(
    gate: Gate,
    cost: Cost,
    labels: Floats,
    times: pl.Series,
    challenger: Scored,
    champion: Scored,
    seed: int,
) -> Decision:
    """The gate on arrays: enough rows, then the interval of the gate's metric against its rule."""
    span = {
        "rows": len(labels),
        "from": str(times.min()),
        "to": str(times.max()),
        "rule": gate.rule,
        "margin": gate.margin,
        "confidence": gate.confidence,
    }
    if len(labels) < gate.min_rows or len(np.unique(labels)) < 2:
        reason = f"only {len(labels)} fresh labelled rows; the gate asks for {gate.min_rows}"
        return Decision(False, reason, span)
    blocks = block_of(times, gate)
    names: tuple[Metric, ...] = tuple(dict.fromkeys((gate.metric, "cost")))
    differences = {
        name: paired_difference(name, cost, labels, blocks, challenger, champion, gate, seed)
        for name in names
    }
    promote, reason = _verdict(gate, differences)
    evidence = {**span, "blocks": int(blocks.max()) + 1} | {
        name: asdict(difference) for name, difference in differences.items()
    }
    return Decision(promote, reason, evidence)


def _verdict(gate: Gate, differences: dict[Metric, Difference]) -> tuple[bool, str]:
    """The gate's metric must clear its bar, and the cost must not be shown to be worse."""
    asked, cost = differences[gate.metric], differences["cost"]
    bar = 0.0 if gate.rule == "superiority" else -gate.margin
    clears, dearer = asked.low > bar, cost.high < 0
    reason = f"{_told(asked)}, {'above' if clears else 'not above'} {bar:+.4f}"
    if dearer and asked is not cost:
        reason += f"; but it costs more: {_told(cost)}"
    return bool(clears and not dearer), reason


def _told(found: Difference) -> str:
    return (
        f"{found.metric} {found.challenger:.4f} against {found.champion:.4f}: improvement "
        f"{found.improvement:+.4f} [{found.low:+.4f}, {found.high:+.4f}]"
    )


def block_of(times: pl.Series, gate: Gate) -> NDArray[np.int64]:
    """The number of each row's block of time, 0, 1, …, shape (rows,)."""
    width = int(gate.block.total_seconds() * 1_000_000)
    blocks = times.dt.epoch("us").to_numpy() // width
    return np.unique(blocks, return_inverse=True)[1].astype(np.int64)


def paired_difference(
    metric: Metric,
    cost: Cost,
    labels: Floats,
    blocks: NDArray[np.int64],
    challenger: Scored,
    champion: Scored,
    gate: Gate,
    seed: int,
) -> Difference:
    """A metric of both models, with the percentile interval of the paired block bootstrap."""
    sign = -1.0 if metric in LOWER_IS_BETTER else 1.0
    new, old = (_measure(metric, cost, labels, scored) for scored in (challenger, champion))
    everything = np.ones((1, len(labels)))
    at_new, at_old = float(new(everything)[0]), float(old(everything)[0])
    random = np.random.default_rng(seed)
    number = int(blocks.max()) + 1
    draws = random.multinomial(number, np.full(number, 1 / number), size=gate.resamples)
    parts = np.array_split(draws, max(1, gate.resamples // _CHUNK))
    weighted = (part[:, blocks].astype(np.float64) for part in parts)
    improvements = sign * np.concatenate([new(weights) - old(weights) for weights in weighted])
    tail = (1 - gate.confidence) / 2
    low, high = np.nanquantile(improvements, [tail, 1 - tail])
    improvement = sign * (at_new - at_old)
    return Difference(metric, at_new, at_old, improvement, float(low), float(high))


def _measure(
    metric: Metric, cost: Cost, labels: Floats, scored: Scored
) -> Callable[[Floats], Floats]:
    """A function from row weights (resamples, rows) to the metric (resamples,)."""
    if metric in ("roc_auc", "pr_auc"):
        return _ranking(metric, labels, scored.probability)
    losses = _losses(metric, cost, labels, scored)
    return lambda weights: weights @ losses / weights.sum(axis=1)


def _losses(metric: Metric, cost: Cost, labels: Floats, scored: Scored) -> Floats:
    """What each row costs under a metric that is a mean over rows."""
    p = scored.probability
    if metric == "brier":
        return np.square(p - labels)
    if metric == "log_loss":
        kept = np.clip(p, 1e-7, 1 - 1e-7)
        return -(labels * np.log(kept) + (1 - labels) * np.log(1 - kept))
    return row_costs(labels, p, scored.threshold, cost)


def _ranking(metric: Metric, labels: Floats, probability: Floats) -> Callable[[Floats], Floats]:
    """Weighted area under the ROC curve (trapezoids over ties) or average precision."""
    order = np.argsort(-probability, kind="stable")
    ranked, positive = probability[order], labels[order]
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])  # first row of each tie

    def area(weights: Floats) -> Floats:
        weights = weights[:, order]
        hits = np.add.reduceat(weights * positive, starts, axis=1)
        misses = np.add.reduceat(weights * (1 - positive), starts, axis=1)
        found = np.cumsum(hits, axis=1)
        total = found[:, -1]
        with np.errstate(invalid="ignore", divide="ignore"):
            if metric == "roc_auc":
                swept = (misses * (found - hits / 2)).sum(axis=1)
                return np.asarray(swept / (total * misses.sum(axis=1)))
            precision = found / (found + np.cumsum(misses, axis=1))
            return np.asarray((hits * np.nan_to_num(precision)).sum(axis=1) / total)

    return area


def record_decision(
    book: Ledger,
    use_case: UseCase,
    version: int,
    decision: Decision,
    as_of: datetime,
    expected_seq: int,
    actor: str,
) -> Entry:
    """Write the decision into the ledger, once a version; Conflict if the ledger moved on."""
    entry = Entry(
        model=use_case.name,
        what="promoted" if decision.promote else "refused",
        key=f"decision:{version}",
        at=as_of,
        actor=actor,
        version=version,
        evidence={"reason": decision.reason, **decision.evidence},
    )
    return book.record(entry, expected_seq=expected_seq)[0]
