"""Wording by problem type for model cards, gate tables and explanations."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from configs.schema import base
from tasks.evaluation.metrics import Floats
from tasks.evaluation.problem_types import ProblemType, Threshold


class ProblemTypeText(ABC):
    """Phrases and units of one problem type; `classes` are those of a multiclass label."""

    baseline: ClassVar[str]
    """Name of the constant prediction that a first champion must beat."""
    contribution_unit: ClassVar[tuple[float, str]]
    """Factor by which a contribution is shown, and the name of its unit."""
    calibration_axes: ClassVar[tuple[str, str]]
    """Axes of the calibration chart: predicted, observed."""

    def __init__(self, classes: tuple[str, ...] = ()) -> None:
        self.classes = classes

    @abstractmethod
    def describe_labelled_rows(self, label: Floats) -> tuple[str, str]:
        """Return what labelled rows must have beside their number, and what they have."""

    @abstractmethod
    def describe_decision_rule(self, threshold: Threshold) -> str:
        """Return how a version decides, as the predicate of a sentence."""

    @abstractmethod
    def describe_prediction(self, value: Sequence[float], decision: object) -> str:
        """Return one prediction in a few words.

        Args:
            value: all its numbers, one a class or a single one.
            decision: as the prediction tables hold it.
        """

    @abstractmethod
    def describe_labels(self, holdout: Mapping[str, float]) -> str:
        """Return the distribution of the holdout's labels in a few words."""

    @abstractmethod
    def describe_costs(self, cost: Mapping[str, Any]) -> str:
        """Return the sentence of a model card on the costs that the version was made for."""


class BinaryText(ProblemTypeText):
    """Wording of binary classification."""

    baseline = "the base rate"
    contribution_unit = (100.0, "points")
    calibration_axes = ("predicted probability", "observed share")

    def describe_labelled_rows(self, label: Floats) -> tuple[str, str]:
        """Require both labels; count events."""
        return " with both labels", f" with {int(label.sum())} events"

    def describe_decision_rule(self, threshold: Threshold) -> str:
        """Name the threshold."""
        assert isinstance(threshold, float | int)  # a binary model always has one
        return f"flags at a probability of {threshold:.4f} or more"

    def describe_prediction(self, value: Sequence[float], decision: object) -> str:
        """Return whether the row is flagged."""
        return "flagged" if decision else "not flagged"

    def describe_labels(self, holdout: Mapping[str, float]) -> str:
        """Return the share of events."""
        return f"{holdout['positive_rate']:.1%} positive"

    def describe_costs(self, cost: Mapping[str, Any]) -> str:
        """Name the costs of both errors."""
        return (
            f"Its threshold assumes that a false positive costs {cost['false_positive']:g} and a "
            f"false negative {cost['false_negative']:g}; retune it if your costs differ."
        )


class MulticlassText(ProblemTypeText):
    """Wording of multiclass classification."""

    baseline = "the shares of the classes"
    contribution_unit = (100.0, "points")
    calibration_axes = ("probability of the decided class", "share decided right")

    def describe_labelled_rows(self, label: Floats) -> tuple[str, str]:
        """Require two classes; count those present."""
        return " of two classes or more", f" of {len(np.unique(label))} classes"

    def describe_decision_rule(self, threshold: Threshold) -> str:
        """Name the classes."""
        return f"predicts one of {', '.join(self.classes)}: the class of least expected cost"

    def describe_prediction(self, value: Sequence[float], decision: object) -> str:
        """Return the decision, and the probability of each class."""
        pairs = zip(self.classes, value, strict=True)
        return f"{decision} ({', '.join(f'{name} {p:.2f}' for name, p in pairs)})"

    def describe_labels(self, holdout: Mapping[str, float]) -> str:
        """Return the share of each class."""
        return ", ".join(f"{holdout[f'share_{name}']:.1%} {name}" for name in self.classes)

    def describe_costs(self, cost: Mapping[str, Any]) -> str:
        """Name the cost of a wrong class, and the exceptions."""
        exceptions = [
            f"{decided} for {true} costs {price:g}"
            for true, prices in cost["exceptions"].items()
            for decided, price in prices.items()
        ]
        except_for = f", except that {', '.join(exceptions)}" if exceptions else ""
        return (
            f"Its decisions assume that a wrong class costs {cost['wrong']:g}{except_for}; "
            "change the costs if yours differ."
        )


class RegressionText(ProblemTypeText):
    """Wording of regression."""

    baseline = "the best constant"
    contribution_unit = (1.0, "label's unit")
    calibration_axes = ("predicted value", "observed mean")

    def describe_labelled_rows(self, label: Floats) -> tuple[str, str]:
        """Require nothing more."""
        return "", ""

    def describe_decision_rule(self, threshold: Threshold) -> str:
        """Return that a number is predicted."""
        return "predicts a number"

    def describe_prediction(self, value: Sequence[float], decision: object) -> str:
        """Return the number."""
        return f"{decision:.4f}"

    def describe_labels(self, holdout: Mapping[str, float]) -> str:
        """Return mean and standard deviation."""
        return f"label {holdout['label_mean']:.4g} ± {holdout['label_std']:.4g}"

    def describe_costs(self, cost: Mapping[str, Any]) -> str:
        """Name the costs of both directions."""
        return (
            f"Its cost assumes {cost['over']:g} for each unit predicted too high and "
            f"{cost['under']:g} for each unit too low; train another model if your costs differ."
        )


_TEXTS: dict[base.LabelKind, type[ProblemTypeText]] = {
    "binary": BinaryText,
    "regression": RegressionText,
    "multiclass": MulticlassText,
}


def problem_type_text(problem_type: ProblemType) -> ProblemTypeText:
    """Return the wording of a problem type."""
    return _TEXTS[problem_type.name](problem_type.classes)
