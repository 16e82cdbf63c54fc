"""Confidence intervals of bootstrap resamples."""

from __future__ import annotations

import numpy as np

from tasks.evaluation.metrics import Floats


def bootstrap_interval(improvements: Floats, blocks: float, error: float) -> tuple[float, float]:
    """Return the interval of resampled improvements; fewer blocks widen it.

    `blocks` is the number of independent ones: runs, if neighbours are drawn together.

    Expanded percentile of T. Hesterberg, "What Teachers Should Know about the Bootstrap", 2015,
    section 5.1: at the level Φ(−√(n/(n−1))·t). Resamples without one of the labels are left out.

    No resample lies beyond a tail that is too small for their number. There the interval of
    Student's t with the standard deviation of the resamples is taken, if it is wider. Without it,
    an interval of seven days at 99.9% would have the confidence of the most extreme resample.
    """
    from scipy.special import ndtr, stdtrit

    reach = float(np.sqrt(blocks / (blocks - 1)) * stdtrit(blocks - 1, error / 2))
    tail = float(ndtr(reach))
    low, high = (float(each) for each in np.nanquantile(improvements, [tail, 1 - tail]))
    if tail * np.isfinite(improvements).sum() >= 1:
        return low, high
    middle, spread = float(np.nanmean(improvements)), float(np.nanstd(improvements))
    return min(low, middle + reach * spread), max(high, middle - reach * spread)
