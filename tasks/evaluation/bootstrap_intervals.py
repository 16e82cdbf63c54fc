"""Confidence intervals of bootstrap resamples."""

from __future__ import annotations

import numpy as np

from tasks.evaluation.metrics import Floats


def bootstrap_interval(improvements: Floats, blocks: float, error: float) -> tuple[float, float]:
    """Return the interval of resampled improvements; fewer blocks widen it.

    `blocks` is the number of independent ones: runs, if neighbours are drawn together.

    Expanded percentile of T. Hesterberg, "What Teachers Should Know about the Bootstrap", 2015,
    section 5.1: at the level Φ(−√(n/(n−1))·t). Resamples without one of the labels are left out.
    """
    from scipy.special import ndtr, stdtrit

    tail = ndtr(np.sqrt(blocks / (blocks - 1)) * stdtrit(blocks - 1, error / 2))
    low, high = np.nanquantile(improvements, [tail, 1 - tail])
    return float(low), float(high)
