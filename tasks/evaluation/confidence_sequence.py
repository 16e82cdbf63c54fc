"""The verdict of an A/B test that may be looked at at any time, by the mean improvement a block.

The asymptotic confidence sequence of I. Waudby-Smith, D. Arbour, R. Sinha, E. H. Kennedy and
A. Ramdas, "Time-uniform central limit theory and asymptotic confidence sequences", Annals of
Statistics 52(6), 2024 (arXiv 2103.06476), theorem 2.2: it covers the mean at all times together,
so a test may stop the first time that it is clear. Blocks of time are its observations, because
the rows of one are not independent.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tasks.evaluation.metrics import Floats

MIN_SEQUENCE_BLOCKS = 14
"""No look before that: the sequence holds in the limit of many blocks."""
SequenceVerdict = Literal["pass", "fail", "wait"]


@dataclass(frozen=True)
class SequenceBounds:
    """The mean improvement over the blocks seen so far, and its confidence sequence [low, high]."""

    improvement: float
    low: float
    high: float
    blocks: int
    confidence: float


def confidence_bounds(
    improvements: Floats, planned: float, confidence: float, shared: float = 0.0
) -> SequenceBounds:
    """The sequence after `improvements`, one a block in order of time, at least two.

    It is tightest near the `planned` number of blocks. Where there are few, their spread is
    underestimated as often as not, so bounds widen as Student's t does against the normal.
    `shared` is the variance of the mean that more blocks do not average out.
    """
    from scipy.special import ndtri, stdtrit

    n, alpha = len(improvements), 1 - confidence
    widening = math.sqrt(n * _boundary(n, alpha, _rho2(planned, alpha)))
    caution = stdtrit(n - 1, 1 - alpha / 2) / ndtri(1 - alpha / 2)
    mean = float(np.mean(improvements))
    error = math.sqrt(np.var(improvements, ddof=1) / n + shared)
    width = float(widening * caution * error)
    return SequenceBounds(mean, mean - width, mean + width, n, confidence)


def sequence_verdict(
    found: SequenceBounds, bar: float, *, at_size: bool
) -> tuple[SequenceVerdict, str]:
    """Pass if the improvement is shown to be above the bar, fail if shown to be below 0.

    `at_size`: the test has the rows that were planned; without a verdict by then it fails.
    """
    if found.low > bar:
        return "pass", f"the gain is shown to be above {bar:+.4f}"
    if found.high < 0:
        return "fail", "a loss is shown"
    if at_size:
        return "fail", "no gain shown at the set size"
    return "wait", "not clear yet, and the set size is not reached"


def _boundary(n: int, alpha: float, rho2: float) -> float:
    """Squared half-width in standard deviations after n observations (theorem 2.2)."""
    scaled = n * rho2 + 1
    return scaled / (n * n * rho2) * math.log(scaled / alpha**2)


def _rho2(planned: float, alpha: float) -> float:
    """The mixture's variance that makes the boundary tightest near `planned` observations.

    The approximation of the same paper's appendix on optimising the boundary for a fixed time.
    """
    spent = -2 * math.log(alpha)
    return (spent + math.log(spent + 1)) / planned
