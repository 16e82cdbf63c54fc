"""Problem type interface: labels, decisions, costs and metrics of binary, multiclass, regression.

Arrays have one entry a row. `label` (rows,) holds numbers, or class codes. `value` is the model's
float64 prediction, (rows,) or (rows, classes). `decision` (rows,) is what is decided on a value;
by default it is the value itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from configs.schema import base
from configs.schema.costs import AnyCost, Prices
from tasks.evaluation.metrics import Decisions, Floats

SCORE_COLUMN = "score"
"""Column of the model's own predictions in its reference profile."""
_NAMED_VALUES = 5  # of those that are no label
Threshold = float | Prices | None
"""What a model version decides by: the probability from which it flags a row (binary), the prices
of each class (multiclass), or None (regression).
"""


class ProblemType(ABC):
    """One problem type; of a multiclass label also its classes, in the order of their codes."""

    name: ClassVar[base.LabelKind]
    value_column: ClassVar[str]
    """Column of the value in the prediction tables, beside `decision`."""
    label_type: ClassVar[pl.DataType]
    status_metrics: ClassVar[tuple[str, ...]]
    """Metrics that status, history and the history chart show."""
    card_metrics: tuple[str, ...]
    slice_metrics: ClassVar[tuple[str, ...]]
    interval_metrics: ClassVar[tuple[str, ...]]
    """Holdout metrics that get a confidence interval."""

    def __init__(self, classes: tuple[str, ...] = ()) -> None:
        self.classes = classes

    @abstractmethod
    def supports_estimator(self, estimator: object) -> bool:
        """Return whether a scikit-learn estimator can predict this type of label."""

    @abstractmethod
    def find_label_error(self, values: pl.Series) -> str:
        """Return what is wrong with the labels of a feature module; "" if nothing."""

    @abstractmethod
    def encode_labels(self, values: pl.Series) -> pl.Series:
        """Return the labels of a feature module as numbers; null for a value that is no label."""

    def count_other_values(self, values: pl.Series) -> dict[str, int]:
        """Count the values that are neither a label nor null; the most frequent ones by name."""
        other = self.encode_labels(values).is_null() & values.is_not_null()
        counts = values.filter(other).cast(pl.String).alias("value").value_counts()
        ordered = counts.sort(["count", "value"], descending=[True, False]).rows()
        named, rest = dict(ordered[:_NAMED_VALUES]), sum(n for _, n in ordered[_NAMED_VALUES:])
        return named | ({"other values": rest} if rest else {})

    def decode_label(self, label: float) -> float | str:
        """Return the label as the feature module writes it."""
        return label

    def find_missing_classes(self, label: Floats) -> tuple[str, ...]:
        """Return the classes without a label, which a model cannot learn."""
        return ()

    def is_finite(self, value: pl.Expr) -> pl.Expr:
        """Return an expression: whether a value in a table has no NaN."""
        return value.is_finite()

    def to_decision_column(self, decision: Decisions) -> pl.Series:
        """Return decisions as the prediction tables hold them."""
        return pl.Series("decision", decision)

    def list_decisions(self, decision: Decisions) -> list[bool | float | str]:
        """Return decisions as the prediction tables hold them, without building a column."""
        decisions: list[bool | float | str] = decision.tolist()
        return decisions

    def to_decision_array(self, decision: pl.Series) -> Decisions:
        """Return the inverse of `to_decision_column`."""
        return decision.to_numpy()

    def flagged_filter(self, wanted: bool | tuple[str, ...]) -> pl.Expr:
        """Return the filter of predictions that `explanations.flagged` selects."""
        return pl.lit(value=False)

    def choose_threshold(self, label: ArrayLike, value: ArrayLike, cost: AnyCost) -> Threshold:
        """Choose what to decide by, on rows in order of time."""
        return None

    def move_threshold_clear(self, threshold: Threshold, value: Floats, margin: float) -> Threshold:
        """Move the threshold until no decision changes when a value moves by `margin`."""
        return threshold

    def decide(self, value: Floats, threshold: Threshold) -> Decisions:
        """Decide on each value."""
        return value

    @abstractmethod
    def measure_costs(self, label: Floats, decision: Decisions, cost: AnyCost) -> Floats:
        """Return the business cost of each row (rows,)."""

    @abstractmethod
    def measure_losses(self, metric: str, label: Floats, value: Floats) -> Floats:
        """Return the loss of each row (rows,), whose mean is the metric.

        Of metrics that compare values with labels, such as `brier` or `mae`.
        """

    def find_decision_columns(self, decision: Decisions) -> NDArray[np.int64]:
        """Return the column of the predictions that each row's decision rests on (rows,)."""
        return np.zeros(len(decision), dtype=np.int64)

    def predicted_outcome(self, value: Floats, decision: Decisions) -> Floats:
        """Return the one number of each prediction that is explained and calibrated (rows,)."""
        return value

    def observed_outcome(self, label: Floats, decision: Decisions) -> Floats:
        """Return what `predicted_outcome` is compared with (rows,).

        The means of both are equal if the model is calibrated.
        """
        return label

    @property
    def score_names(self) -> tuple[str, ...]:
        """Return the prediction columns of a version's reference profile.

        There they begin with `__` if the data has a column of the same name.
        """
        return (SCORE_COLUMN,)

    def to_score_columns(self, value: Floats, names: Sequence[str]) -> list[pl.Series]:
        """Return the predictions as columns, named in the order of `score_names`."""
        pairs = zip(names, value.reshape(len(value), len(names)).T, strict=True)
        return [pl.Series(name, column) for name, column in pairs]

    @abstractmethod
    def evaluate(
        self, label: ArrayLike, value: ArrayLike, threshold: Threshold, cost: AnyCost
    ) -> dict[str, float]:
        """Return all metrics of a model card and of monitoring; NaN where one is undefined."""

    @abstractmethod
    def best_constant(self, metric: str, holdout: Mapping[str, float]) -> float | Floats:
        """Return the constant prediction that is best by `metric` on the holdout."""

    @abstractmethod
    def can_compare(self, label: Floats) -> bool:
        """Return whether labels, at least one, suffice to compare two models."""

    def margin_unit(self, metric: str, spread: float, cost: AnyCost) -> float:
        """Return the size of one unit of a margin, in the metric's own unit.

        `spread` is the label's standard deviation. Margins of probability metrics have no unit.
        """
        return 1.0

    def max_difference(self, ours: Floats, theirs: Floats) -> float:
        """Return the largest difference between two predictions of the same rows."""
        return float(np.abs(ours - theirs).max(initial=0.0))

    def count_flipped_decisions(
        self, ours: Floats, our_threshold: Threshold, theirs: Floats, threshold: Threshold
    ) -> int:
        """Count the rows on which two models decide differently."""
        return int((self.decide(ours, our_threshold) != self.decide(theirs, threshold)).sum())
