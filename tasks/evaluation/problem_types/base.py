"""What a kind of label is asked for.

Everywhere `label` is (rows,), what was true: numbers, or the codes of classes. `value` is float64,
what the model answered: (rows,), or (rows, classes). A decision is what is done with a value; what
a kind does not say otherwise is that of a kind whose decision is the value itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from configs.schema import base
from configs.schema.costs import AnyCost, Prices
from tasks.evaluation.metrics import Decisions, Floats

SCORE_COLUMN = "score"
"""What the model's own answers are called in its reference profile."""
Threshold = float | Prices | None
"""What a version decides by: of an event the probability from which it flags, of classes the prices
of which it takes the least, of a number nothing.
"""


class ProblemType(ABC):
    """One kind of label, and of kind multiclass its classes, in the order of their codes."""

    name: ClassVar[base.LabelKind]
    column: ClassVar[str]
    """What a value is called in the tables of answers, beside `decision`."""
    label_type: ClassVar[pl.DataType]
    shown: ClassVar[tuple[str, ...]]
    """Metrics of status, history and their picture; `carded` and `sliced` are the card's."""
    carded: tuple[str, ...]
    sliced: ClassVar[tuple[str, ...]]
    sure_of: ClassVar[tuple[str, ...]]
    """Metrics of the holdout that get an interval."""
    opponent: ClassVar[str]
    """What the value is called that a first champion must beat: the same one for all rows."""
    points: ClassVar[tuple[float, str]]
    """How a contribution is told: times what, and the unit's name."""
    axes: ClassVar[tuple[str, str]]
    """Names of the calibration picture's axes: predicted, observed."""

    def __init__(self, classes: tuple[str, ...] = ()) -> None:
        self.classes = classes

    @abstractmethod
    def fits(self, estimator: object) -> bool:
        """Whether a scikit-learn estimator answers such a question."""

    @abstractmethod
    def mistake(self, values: pl.Series) -> str:
        """What is wrong with the values that the feature module gives as labels; "" if nothing."""

    def coded(self, values: pl.Series) -> pl.Series:
        """The values that the feature module gives as labels, as numbers."""
        return values

    def unseen(self, label: Floats) -> tuple[str, ...]:
        """The classes that no label has, so that nothing can be learned of them."""
        return ()

    def meant(self, label: float) -> float | str:
        """A label as people know it."""
        return label

    def finite(self, value: pl.Expr) -> pl.Expr:
        """Whether the value in a table is an answer: no NaN."""
        return value.is_finite()

    def in_table(self, decision: Decisions) -> pl.Series:
        """Decisions as the tables of answers hold them."""
        return pl.Series("decision", decision)

    def of_table(self, decision: pl.Series) -> Decisions:
        """The inverse of `in_table`."""
        return decision.to_numpy()

    def flagged(self, wanted: bool | tuple[str, ...]) -> pl.Expr:
        """Which rows of the tables of answers explanations.flagged asks for."""
        return pl.lit(value=False)

    def threshold(self, label: ArrayLike, value: ArrayLike, cost: AnyCost) -> Threshold:
        """What to decide by, chosen on rows in order of time."""
        return None

    def settled(self, threshold: Threshold, value: Floats, margin: float) -> Threshold:
        """The threshold, moved by a hair so that no value lies within `margin` of where decisions
        change.
        """
        return threshold

    def decide(self, value: Floats, threshold: Threshold) -> Decisions:
        """What is decided on each value."""
        return value

    @abstractmethod
    def costs(self, label: Floats, decision: Decisions, cost: AnyCost) -> Floats:
        """Business cost of each row (rows,)."""

    @abstractmethod
    def losses(self, subject: str, label: Floats, value: Floats) -> Floats:
        """What each row adds to a metric that is a mean over rows of something but decisions."""

    def place(self, decision: Decisions) -> NDArray[np.int64]:
        """In which column of the answers each row's decision stands (rows,)."""
        return np.zeros(len(decision), dtype=np.int64)

    def stated(self, value: Floats, decision: Decisions) -> Floats:
        """The one number of each answer (rows,) that is explained, and held against `observed`."""
        return value

    def observed(self, label: Floats, decision: Decisions) -> Floats:
        """What `stated` should be in the mean, if the model is calibrated, (rows,)."""
        return label

    @property
    def scored(self) -> tuple[str, ...]:
        """What the answers are called in a version's reference profile, a name a column."""
        return (SCORE_COLUMN,)

    def scores(self, value: Floats) -> list[pl.Series]:
        """The answers as these columns."""
        columns = zip(self.scored, value.reshape(len(value), len(self.scored)).T, strict=True)
        return [pl.Series(name, column) for name, column in columns]

    @abstractmethod
    def evaluate(
        self, label: ArrayLike, value: ArrayLike, threshold: Threshold, cost: AnyCost
    ) -> dict[str, float]:
        """Every number that a card or the monitor shows; NaN where one is undefined."""

    @abstractmethod
    def constant(self, metric: str, holdout: Mapping[str, float]) -> float | Floats:
        """The one value for all rows that is best by `metric`, as far as the holdout knows."""

    @abstractmethod
    def comparable(self, label: Floats) -> bool:
        """Whether such labels, of one row at least, can tell two models apart."""

    @abstractmethod
    def counted(self, label: Floats) -> tuple[str, str]:
        """What is asked of labels beyond their number, and what of it there is, in words."""

    def unit(self, metric: str, spread: float, cost: AnyCost) -> float:
        """What one of a margin is in the metric's own unit, given the label's standard deviation
        (`spread`). Metrics of probabilities have none.
        """
        return 1.0

    def apart(self, ours: Floats, theirs: Floats) -> float:
        """The largest difference of two answers to the same rows, as parity counts it."""
        return float(np.abs(ours - theirs).max(initial=0.0))

    def flipped(
        self, ours: Floats, our_threshold: Threshold, theirs: Floats, threshold: Threshold
    ) -> int:
        """How many decisions on the same rows differ."""
        return int((self.decide(ours, our_threshold) != self.decide(theirs, threshold)).sum())

    @abstractmethod
    def decides(self, threshold: Threshold) -> str:
        """How it decides, as part of a sentence."""

    @abstractmethod
    def decided(self, value: Sequence[float], decision: object) -> str:
        """One answer, all its numbers, and its decision (as `in_table` has it) in a few words."""

    @abstractmethod
    def described(self, holdout: Mapping[str, float]) -> str:
        """What the holdout's labels are like, in a few words."""

    @abstractmethod
    def weighs(self, cost: Mapping[str, Any]) -> str:
        """What the card says of the prices that it was made for."""
