"""An event or none: the model answers the probability of the event, and flags from a threshold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl
from numpy.typing import ArrayLike

from configs.policy import AnyCost, Cost
from tasks.evaluation import Decisions, Floats, clear_of, evaluate, proven_threshold
from tasks.kinds.kind import Kind


class Binary(Kind):
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

    def threshold(self, label: ArrayLike, value: ArrayLike, cost: AnyCost) -> float | None:
        """The cheapest one, if it proves itself; else Elkan's."""
        return proven_threshold(label, value, _prices(cost))

    def settled(self, threshold: float | None, value: Floats, margin: float) -> float | None:
        """As `clear_of`."""
        return clear_of(_given(threshold), value, margin)

    def decide(self, value: Floats, threshold: float | None) -> Decisions:
        """A row is flagged from the threshold on."""
        return value >= _given(threshold)

    def evaluate(
        self, label: ArrayLike, value: ArrayLike, threshold: float | None, cost: AnyCost
    ) -> dict[str, float]:
        """As evaluation.evaluate."""
        return evaluate(label, value, _given(threshold), _prices(cost))

    def constant(self, metric: str, holdout: Mapping[str, float]) -> float:
        """How often the event happens, whatever the metric."""
        return holdout["positive_rate"]

    def comparable(self, label: Floats) -> bool:
        """Both labels are there."""
        return bool(0 < label.sum() < len(label))

    def counted(self, label: Floats) -> tuple[str, str]:
        """Both labels are asked for; events are counted."""
        return " with both labels", f" with {int(label.sum())} events"

    def unit(self, metric: str, spread: float, cost: AnyCost) -> float:
        """Metrics of probabilities have no unit."""
        return 1.0

    def flipped(
        self, ours: Floats, our_threshold: float | None, theirs: Floats, threshold: float | None
    ) -> int:
        """Flagged by one and not by the other."""
        return int((self.decide(ours, our_threshold) != self.decide(theirs, threshold)).sum())

    def decides(self, threshold: float | None) -> str:
        """From where on it flags."""
        return f"flags at a probability of {_given(threshold):.4f} or more"

    def described(self, holdout: Mapping[str, float]) -> str:
        """How often the event happened."""
        return f"{holdout['positive_rate']:.1%} positive"

    def weighs(self, cost: Mapping[str, Any]) -> str:
        """Both mistakes."""
        return (
            f"Its threshold weighs a needless flag as {cost['false_positive']:g} and a missed "
            f"event as {cost['false_negative']:g}; who pays otherwise needs another threshold."
        )


def _given(threshold: float | None) -> float:
    assert threshold is not None  # a binary model is never without one
    return threshold


def _prices(cost: AnyCost) -> Cost:
    assert isinstance(cost, Cost)  # the use case's validator has seen to it
    return cost
