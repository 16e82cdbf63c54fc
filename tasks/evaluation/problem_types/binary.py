"""Binary classification: the probability of an event, flagged from a threshold."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import ArrayLike

from configs.schema.costs import AnyCost, Cost
from tasks.evaluation.decision_thresholds import move_clear_of_scores, proven_threshold
from tasks.evaluation.metrics import Decisions, Floats, decision_costs, measure_binary_metrics
from tasks.evaluation.problem_types.base import ProblemType, Threshold


class Binary(ProblemType):
    """Labels 0 and 1."""

    name = "binary"
    value_column = "probability"
    label_type = pl.Int8()
    status_metrics = ("roc_auc", "cost")
    card_metrics = (
        "roc_auc", "pr_auc", "precision", "recall", "f1", "brier", "log_loss", "calibration_gap",
        "ece", "cost",
    )  # fmt: skip
    slice_metrics = ("positive_rate", "roc_auc", "calibration_gap", "cost")
    interval_metrics = ("roc_auc", "brier", "log_loss", "calibration_gap", "cost")

    def supports_estimator(self, estimator: object) -> bool:
        """Return whether the estimator is a classifier with probabilities."""
        from sklearn.base import is_classifier

        return is_classifier(estimator) and hasattr(estimator, "predict_proba")

    def find_label_error(self, values: pl.Series) -> str:
        """Require 0 and 1; other values are no labels, but both labels must be beside them."""
        labels = self.encode_labels(values)
        if labels.count() == values.count() or labels.drop_nulls().n_unique() == 2:
            return ""
        return f"holds {values.head(5).to_list()}; label.kind binary wants 0 and 1"

    def encode_labels(self, values: pl.Series) -> pl.Series:
        """Return 0 and 1, in their type; null for every other value."""
        numbers = values if values.dtype.is_numeric() else values.cast(pl.Float64, strict=False)
        return numbers.set((numbers != 0) & (numbers != 1), None)

    def flagged_filter(self, wanted: bool | tuple[str, ...]) -> pl.Expr:
        """Select the flagged rows, if any are wanted."""
        return pl.col("decision") if wanted else pl.lit(value=False)

    def choose_threshold(self, label: ArrayLike, value: ArrayLike, cost: AnyCost) -> Threshold:
        """Choose the cheapest threshold if it is proven, else the one of least expected cost."""
        return proven_threshold(label, value, _require_cost(cost))

    def move_threshold_clear(self, threshold: Threshold, value: Floats, margin: float) -> Threshold:
        """Move the threshold at least `margin` away from every score."""
        return move_clear_of_scores(_require_threshold(threshold), value, margin)

    def decide(self, value: Floats, threshold: Threshold) -> Decisions:
        """Flag a row from the threshold on."""
        return value >= _require_threshold(threshold)

    def measure_costs(self, label: Floats, decision: Decisions, cost: AnyCost) -> Floats:
        """Return the cost of each flagged and unflagged row."""
        return decision_costs(label, decision, _require_cost(cost))

    def measure_losses(self, metric: str, label: Floats, value: Floats) -> Floats:
        """Return squared errors (`brier`), or -ln of the probability of the true label."""
        if metric == "brier":
            return np.square(value - label)
        clipped = np.clip(value, 1e-7, 1 - 1e-7)
        return -(label * np.log(clipped) + (1 - label) * np.log(1 - clipped))

    def evaluate(
        self, label: ArrayLike, value: ArrayLike, threshold: Threshold, cost: AnyCost
    ) -> dict[str, float]:
        """Return the metrics of `measure_binary_metrics`."""
        return measure_binary_metrics(
            label, value, _require_threshold(threshold), _require_cost(cost)
        )

    def best_constant(self, metric: str, holdout: Mapping[str, float]) -> float:
        """Return the base rate, which is best by every metric."""
        return holdout["positive_rate"]

    def can_compare(self, label: Floats) -> bool:
        """Require both labels."""
        return bool(0 < label.sum() < len(label))


def _require_threshold(threshold: Threshold) -> float:
    assert isinstance(threshold, float | int)  # a binary model always has one
    return threshold


def _require_cost(cost: AnyCost) -> Cost:
    assert isinstance(cost, Cost)  # the use case schema checks it
    return cost
