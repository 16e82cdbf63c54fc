"""An event or none: the model answers the probability of the event, and flags from a threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike

from configs.schema.costs import AnyCost, Cost
from tasks.evaluation.metrics import Decisions, Floats, decision_costs, measure_binary
from tasks.evaluation.problem_types.base import ProblemType, Threshold
from tasks.evaluation.thresholds import move_clear_of_scores, proven_threshold


class Binary(ProblemType):
    """Labels 0 and 1."""

    name = "binary"
    column = "probability"
    label_type = pl.Int8()
    shown = ("roc_auc", "cost")
    carded = (
        "roc_auc", "pr_auc", "precision", "recall", "f1", "brier", "log_loss", "calibration_gap",
        "ece", "cost",
    )  # fmt: skip
    sliced = ("positive_rate", "roc_auc", "calibration_gap", "cost")
    sure_of = ("roc_auc", "brier", "log_loss", "calibration_gap", "cost")
    opponent = "the base rate"
    points = (100.0, "points")
    axes = ("predicted probability", "observed share")

    def fits(self, estimator: object) -> bool:
        """A classifier that gives probabilities."""
        from sklearn.base import is_classifier

        return is_classifier(estimator) and hasattr(estimator, "predict_proba")

    def mistake(self, values: pl.Series) -> str:
        """They are 0 and 1."""
        if values.dtype.is_numeric() and ((values == 0) | (values == 1)).all():
            return ""
        return f"holds {values.head(5).to_list()}; label.kind binary wants 0 and 1"

    def flagged(self, wanted: bool | tuple[str, ...]) -> pl.Expr:
        """The decision says."""
        return pl.col("decision") if wanted else pl.lit(value=False)

    def threshold(self, label: ArrayLike, value: ArrayLike, cost: AnyCost) -> Threshold:
        """The cheapest one, if it proves itself; else Elkan's."""
        return proven_threshold(label, value, _prices(cost))

    def settled(self, threshold: Threshold, value: Floats, margin: float) -> Threshold:
        """As `clear_of`."""
        return move_clear_of_scores(_given(threshold), value, margin)

    def decide(self, value: Floats, threshold: Threshold) -> Decisions:
        """A row is flagged from the threshold on."""
        return value >= _given(threshold)

    def costs(self, label: Floats, decision: Decisions, cost: AnyCost) -> Floats:
        """As decision_costs."""
        return decision_costs(label, decision, _prices(cost))

    def losses(self, subject: str, label: Floats, value: Floats) -> Floats:
        """Squared errors (brier), or -ln of what was said of what came."""
        if subject == "brier":
            return np.square(value - label)
        kept = np.clip(value, 1e-7, 1 - 1e-7)
        return -(label * np.log(kept) + (1 - label) * np.log(1 - kept))

    def evaluate(
        self, label: ArrayLike, value: ArrayLike, threshold: Threshold, cost: AnyCost
    ) -> dict[str, float]:
        """As evaluation.evaluate."""
        return measure_binary(label, value, _given(threshold), _prices(cost))

    def constant(self, metric: str, holdout: Mapping[str, float]) -> float:
        """How often the event happens, whatever the metric."""
        return holdout["positive_rate"]

    def comparable(self, label: Floats) -> bool:
        """Both labels are there."""
        return bool(0 < label.sum() < len(label))

    def counted(self, label: Floats) -> tuple[str, str]:
        """Both labels are asked for; events are counted."""
        return " with both labels", f" with {int(label.sum())} events"

    def decides(self, threshold: Threshold) -> str:
        """From where on it flags."""
        return f"flags at a probability of {_given(threshold):.4f} or more"

    def decided(self, value: Sequence[float], decision: object) -> str:
        """Flagged or not."""
        return "flagged" if decision else "not flagged"

    def described(self, holdout: Mapping[str, float]) -> str:
        """How often the event happened."""
        return f"{holdout['positive_rate']:.1%} positive"

    def weighs(self, cost: Mapping[str, Any]) -> str:
        """Both mistakes."""
        return (
            f"Its threshold weighs a needless flag as {cost['false_positive']:g} and a missed "
            f"event as {cost['false_negative']:g}; who pays otherwise needs another threshold."
        )


def _given(threshold: Threshold) -> float:
    assert isinstance(threshold, float | int)  # a binary model is never without one
    return threshold


def _prices(cost: AnyCost) -> Cost:
    assert isinstance(cost, Cost)  # the use case's validator has seen to it
    return cost
