"""What a kind of label is asked for.

Everywhere `label` and `value` are float64 (rows,): what was true, and what the model answered. A
decision is what is done with a value: what a kind does not say otherwise is that of a kind without
threshold, whose decision is the value itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike

from configs import part
from configs.policy import AnyCost
from tasks.evaluation import Decisions, Floats


class Kind(ABC):
    """One kind of label, without state."""

    name: part.Kind
    column: str
    """What a value is called in the tables of answers, beside `decision`."""
    label_type: pl.DataType
    shown: tuple[str, ...]
    """Metrics of status, history and their picture; `carded` and `sliced` are the card's."""
    carded: tuple[str, ...]
    sliced: tuple[str, ...]
    sure_of: tuple[str, ...]
    """Metrics of the holdout that get an interval."""
    opponent: str
    """What the value is called that a first champion must beat: the same one for all rows."""
    points: tuple[float, str]
    """How a contribution is told: times what, and the unit's name."""
    axes: tuple[str, str]
    """Names of the calibration picture's axes: predicted, observed."""

    @abstractmethod
    def fits(self, estimator: object) -> bool:
        """Whether a scikit-learn estimator answers such a question."""

    def threshold(self, label: ArrayLike, value: ArrayLike, cost: AnyCost) -> float | None:
        """The threshold to decide by, chosen on rows in order of time; None of a kind without."""
        return None

    def settled(self, threshold: float | None, value: Floats, margin: float) -> float | None:
        """The threshold, moved by a hair so that no value lies within `margin` of it."""
        return threshold

    def decide(self, value: Floats, threshold: float | None) -> Decisions:
        """What is decided on each value."""
        return value

    @abstractmethod
    def evaluate(
        self, label: ArrayLike, value: ArrayLike, threshold: float | None, cost: AnyCost
    ) -> dict[str, float]:
        """Every number that a card or the monitor shows; NaN where one is undefined."""

    @abstractmethod
    def constant(self, metric: str, holdout: Mapping[str, float]) -> float:
        """The one value for all rows that is best by `metric`, as far as the holdout knows."""

    @abstractmethod
    def comparable(self, label: Floats) -> bool:
        """Whether such labels, of one row at least, can tell two models apart."""

    @abstractmethod
    def counted(self, label: Floats) -> tuple[str, str]:
        """What is asked of labels beyond their number, and what of it there is, in words."""

    @abstractmethod
    def unit(self, metric: str, spread: float, cost: AnyCost) -> float:
        """What one of a margin is in the metric's own unit, given the label's standard deviation
        (`spread`).
        """

    def apart(self, ours: Floats, theirs: Floats) -> float:
        """The largest difference of two answers to the same rows, as parity counts it."""
        return float(np.abs(ours - theirs).max(initial=0.0))

    def flipped(
        self, ours: Floats, our_threshold: float | None, theirs: Floats, threshold: float | None
    ) -> int:
        """How many decisions on the same rows differ."""
        return 0

    @abstractmethod
    def decides(self, threshold: float | None) -> str:
        """How it decides, as part of a sentence."""

    @abstractmethod
    def described(self, holdout: Mapping[str, float]) -> str:
        """What the holdout's labels are like, in a few words."""

    @abstractmethod
    def weighs(self, cost: Mapping[str, Any]) -> str:
        """What the card says of the prices that it was made for."""
