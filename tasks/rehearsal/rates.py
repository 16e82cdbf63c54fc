"""Rates that a rehearsal measures, with exact intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

CONFIDENCE = 0.95
TOLERANCE = 1.2  # of a stated rate that is the most
Unit = Literal["a year", "of histories"]


@dataclass(frozen=True)
class MeasuredRate:
    """A rate and its interval; `stated` is the rate that the YAML allows, None without one.

    It is the most, or with `is_least` the least. `delays` are the days after which 50% and 80% of
    all histories had found the fault; None if fewer found it.
    """

    subject: str
    unit: Unit
    rate: float
    low: float
    high: float
    count: int
    histories: int
    stated: float | None = None
    delays: tuple[float | None, float | None] | None = None
    is_least: bool = False

    @property
    def is_missed(self) -> bool:
        """Whether the interval contradicts the stated rate, with a tolerance for the most."""
        if self.stated is None:
            return False
        return self.high < self.stated if self.is_least else self.low > TOLERANCE * self.stated


def measure_share(subject: str, hits: Sequence[bool], stated: float | None = None) -> MeasuredRate:
    """Return the share of histories with a result (C. Clopper and E. Pearson, 1934).

    Args:
        subject: what is counted.
        hits: whether each history has it.
        stated: the share that is allowed.
    """
    from scipy.special import betaincinv

    count, total, tail = int(np.sum(hits)), len(hits), (1 - CONFIDENCE) / 2
    low = float(betaincinv(count, total - count + 1, tail)) if count else 0.0
    high = float(betaincinv(count + 1, total - count, 1 - tail)) if count < total else 1.0
    return MeasuredRate(subject, "of histories", count / total, low, high, count, total, stated)


def measure_yearly(
    subject: str, counts: Sequence[int], stated: float | None = None
) -> MeasuredRate:
    """Return the mean count of a year (exact Poisson interval; F. Garwood, 1936).

    Args:
        subject: what is counted.
        counts: of each history of one year.
        stated: the rate that is allowed.
    """
    from scipy.special import gammaincinv

    count, years, tail = int(np.sum(counts)), len(counts), (1 - CONFIDENCE) / 2
    low = float(gammaincinv(count, tail)) / years if count else 0.0
    high = float(gammaincinv(count + 1, 1 - tail)) / years
    return MeasuredRate(subject, "a year", count / years, low, high, count, years, stated)


def measure_delays(delays: Sequence[float | None]) -> tuple[float | None, float | None]:
    """Return the delays within which 50% and 80% of the histories found a fault."""
    known = sorted(np.inf if each is None else each for each in delays)
    median, most = (known[int(np.ceil(share * len(known))) - 1] for share in (0.5, 0.8))
    return (
        None if np.isinf(median) else float(median),
        None if np.isinf(most) else float(most),
    )
