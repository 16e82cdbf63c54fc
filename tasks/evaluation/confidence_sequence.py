"""Confidence sequence of an A/B test: a verdict at any time, by the mean improvement a block.

The asymptotic confidence sequence of I. Waudby-Smith, D. Arbour, R. Sinha, E. H. Kennedy and
A. Ramdas, "Time-uniform central limit theory and asymptotic confidence sequences", Annals of
Statistics 52(6), 2024 (arXiv 2103.06476), theorem 2.2. It covers the mean at all times together,
so a test may stop as soon as it is clear. Its observations are blocks of time, because the rows of
one block are not independent.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tasks.evaluation.blocks import choose_block_length, merge_runs
from tasks.evaluation.metrics import Floats

MIN_SEQUENCE_BLOCKS = 14
"""Blocks before the first verdict: the sequence is valid in the limit of many blocks."""
SequenceVerdict = Literal["pass", "fail", "wait"]


@dataclass(frozen=True)
class SequenceBounds:
    """Mean improvement over the blocks so far, and its confidence sequence [low, high]."""

    improvement: float
    low: float
    high: float
    blocks: int
    confidence: float


def confidence_bounds(
    improvements: Floats, planned: float, confidence: float, shared: float = 0.0
) -> SequenceBounds:
    """Return the confidence sequence after the given improvements.

    Few blocks often underestimate the spread, so bounds widen like Student's t against the normal.
    Where neighbouring blocks are alike, the spread is that of the means of runs.

    Args:
        improvements: one a block in order of time, at least two.
        planned: number of blocks near which the sequence is tightest.
        confidence: at all times together.
        shared: variance of the mean that more blocks do not average out.
    """
    from scipy.special import ndtri, stdtrit

    n, alpha = len(improvements), 1 - confidence
    widening = math.sqrt(n * _boundary(n, alpha, _rho2(planned, alpha)))
    runs = merge_runs(improvements, choose_block_length(improvements))
    caution = stdtrit(len(runs) - 1, 1 - alpha / 2) / ndtri(1 - alpha / 2)
    mean = float(np.mean(improvements))
    error = math.sqrt(np.var(runs, ddof=1) / len(runs) + shared)
    width = float(widening * caution * error)
    return SequenceBounds(mean, mean - width, mean + width, n, confidence)


def sequence_verdict(
    bounds: SequenceBounds, bar: float, *, at_size: bool
) -> tuple[SequenceVerdict, str]:
    """Return the verdict and its reason: pass above the bar, fail below 0.

    Args:
        bar: improvement that must be exceeded.
        at_size: whether the test has its planned rows; without a verdict it fails then.
    """
    if bounds.low > bar:
        return "pass", f"the gain is shown to be above {bar:+.4f}"
    if bounds.high < 0:
        return "fail", "a loss is shown"
    if at_size:
        return "fail", "no gain shown at the planned size"
    return "wait", "not clear yet; the planned size is not reached"


def _boundary(n: int, alpha: float, rho2: float) -> float:
    """Return the squared half-width in standard deviations after n observations (theorem 2.2)."""
    scaled = n * rho2 + 1
    return scaled / (n * n * rho2) * math.log(scaled / alpha**2)


def _rho2(planned: float, alpha: float) -> float:
    """Return the mixture variance that makes the boundary tightest near `planned` blocks.

    The approximation of the same paper's appendix on optimising the boundary for a fixed time.
    """
    spent = -2 * math.log(alpha)
    return (spent + math.log(spent + 1)) / planned
