"""Population stability index (PSI) and the calibration of its thresholds.

Drift is the population stability index (PSI) over bins that are stored with the model,

    PSI = sum over bins of (p - q) * ln(p / q),        p: share now, q: share in the reference

(N. Siddiqi, Credit Risk Scorecards, 2006; it is Jeffreys' symmetric divergence). Shares are
smoothed first (Lidstone): p' = (p + e) / (1 + k e) with e = 0.005 and k bins. So a small bin that
happens to be empty weighs little, and no logarithm is infinite.

Thresholds come from the reference itself: each of its full windows (weeks) is compared with the
rest. The threshold is `factor` times the largest of these PSIs, at least `floor`. Rows of one day
are alike, so a test that counts rows would always raise a false alarm.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from configs.schema.monitoring import DriftRule

SMOOTHING = 0.005


def calibrate_threshold(
    windows: Sequence[NDArray[np.int64]], counts: NDArray[np.int64], rule: DriftRule
) -> float:
    """Return the PSI above which a window has drifted.

    Args:
        windows: rows by bin of each full window of the reference, (bins,) each.
        counts: rows by bin of the whole reference, (bins,).
        rule: sets factor and floor.
    """
    normal = [measure_psi(bin_shares(one), bin_shares(counts - one)) for one in windows]
    return max([rule.floor, *(rule.factor * psi for psi in normal)])


def measure_psi(now: ArrayLike, reference: ArrayLike) -> float:
    """Return the PSI of two lists of shares over the same bins, smoothed; 0 if equal."""
    p, q = (_smooth(np.asarray(shares, dtype=np.float64)) for shares in (now, reference))
    return float(((p - q) * np.log(p / q)).sum())


def bin_shares(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the share of each bin in all rows, (bins,)."""
    return np.asarray(counts / counts.sum(), dtype=np.float64)


def _smooth(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    return (shares + SMOOTHING) / (1 + shares.size * SMOOTHING)
