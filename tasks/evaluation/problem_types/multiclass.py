"""Multiclass classification: a probability of each class, and the class of least expected cost.

A label is the code of its class: its position in `classes`. So is a decision, which prediction
tables hold by name. A version decides by its prices: of true class i and decided class j, the
decision is the j of least sum over i of p_i * price_ij (C. Elkan, "The Foundations of
Cost-Sensitive Learning", IJCAI 2001, equation 1).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from configs.schema.costs import AnyCost, ClassCost
from tasks.evaluation.metrics import Decisions, Floats, calibration_error, calibration_table
from tasks.evaluation.problem_types.base import SCORE_COLUMN, ProblemType, Threshold
from tasks.evaluation.problem_types.multiclass_metrics import (
    class_codes,
    macro_roc_auc,
    measure_class_metrics,
    separate_prices,
)


class Multiclass(ProblemType):
    """Labels 0, 1, … of named classes."""

    name = "multiclass"
    value_column = "probability"
    label_type = pl.Int8()
    status_metrics = ("log_loss", "accuracy", "cost")
    slice_metrics = ("log_loss", "accuracy", "macro_f1", "calibration_gap", "cost")
    interval_metrics = ("log_loss", "brier", "accuracy", "calibration_gap", "cost")

    def __init__(self, classes: tuple[str, ...] = ()) -> None:
        super().__init__(classes)
        self._codes = {name: code for code, name in enumerate(classes)}
        by_class = (f"{metric}_{name}" for name in classes for metric in ("precision", "recall"))
        self.card_metrics = (
            *self.interval_metrics[:3], "macro_f1", "roc_auc", "calibration_gap", "ece", "cost",
            *by_class,
        )  # fmt: skip

    def supports_estimator(self, estimator: object) -> bool:
        """Return whether the estimator is a classifier with probabilities."""
        from sklearn.base import is_classifier

        return is_classifier(estimator) and hasattr(estimator, "predict_proba")

    def find_label_error(self, values: pl.Series) -> str:
        """Require names of classes, whole numbers by their digits; others are no labels."""
        unknown = set(values.cast(pl.String).drop_nulls().unique())
        if not unknown or unknown & set(self.classes):
            return ""
        examples = ", ".join(repr(name) for name in sorted(unknown)[:5])
        return (
            f"holds {examples}, which label.classes does not name ({', '.join(self.classes)}): "
            "return the name of a class, or null where there is no label"
        )

    def encode_labels(self, values: pl.Series) -> pl.Series:
        """Return the codes of named classes; null for every other value."""
        names = values.cast(pl.String)
        return names.replace_strict(self._codes, default=None, return_dtype=self.label_type)

    def decode_label(self, label: float) -> float | str:
        """Return the name of the class."""
        return self.classes[int(label)]

    def find_missing_classes(self, label: Floats) -> tuple[str, ...]:
        """Return the classes whose code is not among the labels."""
        seen = set(np.unique(label).astype(int).tolist())
        return tuple(name for code, name in enumerate(self.classes) if code not in seen)

    def is_finite(self, value: pl.Expr) -> pl.Expr:
        """Require that no probability is NaN."""
        return value.list.eval(pl.element().is_finite()).list.all()

    def to_decision_column(self, decision: Decisions) -> pl.Series:
        """Return the names of the decided classes."""
        names = dict(enumerate(self.classes))
        return pl.Series("decision", decision).replace_strict(names, return_dtype=pl.String)

    def list_decisions(self, decision: Decisions) -> list[bool | float | str]:
        """Return the names of the decided classes."""
        return [self.classes[code] for code in decision.tolist()]

    def to_decision_array(self, decision: pl.Series) -> Decisions:
        """Return the codes of the decided classes."""
        return decision.replace_strict(self._codes, return_dtype=pl.Int64).to_numpy()

    def flagged_filter(self, wanted: bool | tuple[str, ...]) -> pl.Expr:
        """Select the rows whose decided class is named in `wanted`."""
        return pl.col("decision").is_in(() if isinstance(wanted, bool) else wanted)

    def choose_threshold(self, label: ArrayLike, value: ArrayLike, cost: AnyCost) -> Threshold:
        """Return the prices of the YAML."""
        return _require_cost(cost).prices(self.classes)

    def move_threshold_clear(self, threshold: Threshold, value: Floats, margin: float) -> Threshold:
        """Change the prices until no two decisions of a row cost nearly the same."""
        prices = separate_prices(_require_prices(threshold), value, margin)
        return tuple(map(tuple, prices.tolist()))

    def decide(self, value: Floats, threshold: Threshold) -> Decisions:
        """Return the code of the class of least expected cost; the first one of equals."""
        return np.asarray(np.argmin(value @ _require_prices(threshold), axis=1), dtype=np.int64)

    def measure_costs(self, label: Floats, decision: Decisions, cost: AnyCost) -> Floats:
        """Return the price of each decision, given its true class."""
        prices = np.asarray(_require_cost(cost).prices(self.classes))
        return np.asarray(prices[class_codes(label), decision])

    def measure_losses(self, metric: str, label: Floats, value: Floats) -> Floats:
        """Return -ln of the true class's probability, or the Brier score of each row.

        The latter sums squared errors over the classes (G. Brier, "Verification of Forecasts
        Expressed in Terms of Probability", 1950).
        """
        true = class_codes(label)[:, None]
        probability = np.take_along_axis(value, true, axis=1)[:, 0]
        if metric == "brier":
            return np.asarray(np.square(value).sum(axis=1) + 1 - 2 * probability)
        return -np.log(np.clip(probability, 1e-7, 1.0))

    def find_decision_columns(self, decision: Decisions) -> NDArray[np.int64]:
        """Return the column of the decided class."""
        return class_codes(decision)

    def predicted_outcome(self, value: Floats, decision: Decisions) -> Floats:
        """Return the probability of the decided class."""
        return np.asarray(np.take_along_axis(value, class_codes(decision)[:, None], axis=1)[:, 0])

    def observed_outcome(self, label: Floats, decision: Decisions) -> Floats:
        """Return 1 where the decided class is the true one, else 0."""
        return np.asarray(label == decision, dtype=np.float64)

    @property
    def score_names(self) -> tuple[str, ...]:
        """Return one column a class."""
        return tuple(f"{SCORE_COLUMN}_{name}" for name in self.classes)

    def evaluate(
        self, label: ArrayLike, value: ArrayLike, threshold: Threshold, cost: AnyCost
    ) -> dict[str, float]:
        """Return the metrics of multiclass predictions.

        calibration_gap: the decided class's mean probability minus the accuracy; ece: over ten
        bins of that probability. roc_auc: the mean of each class against the rest. By class:
        `share_` is how often it is true; see `measure_class_metrics` for the others.
        """
        y, p = (np.asarray(array, dtype=np.float64) for array in (label, value))
        decision = self.decide(p, threshold)
        correct, probability = (
            self.observed_outcome(y, decision),
            self.predicted_outcome(p, decision),
        )
        return {
            "log_loss": float(self.measure_losses("log_loss", y, p).mean()),
            "brier": float(self.measure_losses("brier", y, p).mean()),
            "accuracy": float(correct.mean()),
            "roc_auc": macro_roc_auc(y, p),
            "calibration_gap": float(probability.mean() - correct.mean()),
            "ece": calibration_error(calibration_table(correct, probability)),
            "cost": float(self.measure_costs(y, decision, cost).mean()),
            **measure_class_metrics(self.classes, y, decision),
            "rows": float(len(y)),
        }

    def best_constant(self, metric: str, holdout: Mapping[str, float]) -> float | Floats:
        """Return the share of each class; of accuracy 1 for the most frequent class."""
        shares = np.array([holdout[f"share_{name}"] for name in self.classes])
        return np.eye(len(shares))[shares.argmax()] if metric == "accuracy" else shares

    def can_compare(self, label: Floats) -> bool:
        """Require two classes."""
        return len(np.unique(label)) > 1


def _require_prices(threshold: Threshold) -> Floats:
    assert isinstance(threshold, tuple | list)  # a multiclass model always has prices
    return np.asarray(threshold, dtype=np.float64)


def _require_cost(cost: AnyCost) -> ClassCost:
    assert isinstance(cost, ClassCost)  # the use case schema checks it
    return cost
