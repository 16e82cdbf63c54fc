"""Regression: the predicted number is the decision."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import ArrayLike

from configs.schema.costs import AnyCost, ErrorCost
from tasks.evaluation.metrics import Decisions, Floats
from tasks.evaluation.problem_types.base import ProblemType, Threshold


class Regression(ProblemType):
    """Numeric labels, in a unit of their own."""

    name = "regression"
    value_column = "prediction"
    label_type = pl.Float64()
    status_metrics = ("rmse", "mae", "cost")
    card_metrics = ("rmse", "mae", "r2", "calibration_gap", "cost")
    slice_metrics = ("label_mean", "rmse", "mae", "calibration_gap", "cost")
    interval_metrics = ("rmse", "mae", "calibration_gap", "cost")

    def supports_estimator(self, estimator: object) -> bool:
        """Return whether the estimator is a regressor."""
        from sklearn.base import is_regressor

        return bool(is_regressor(estimator))

    def find_label_error(self, values: pl.Series) -> str:
        """Require numbers."""
        return "" if values.dtype.is_numeric() else f"is {values.dtype}; a label is a number"

    def encode_labels(self, values: pl.Series) -> pl.Series:
        """Return the numbers, in their type; null for NaN and infinity."""
        numbers = values if values.dtype.is_numeric() else values.cast(pl.Float64, strict=False)
        return numbers.set(~numbers.is_finite(), None)

    def measure_costs(self, label: Floats, decision: Decisions, cost: AnyCost) -> Floats:
        """Return each row's error times the price of its direction."""
        prices, error = _require_cost(cost), decision - label
        return prices.over * np.maximum(error, 0.0) + prices.under * np.maximum(-error, 0.0)

    def measure_losses(self, metric: str, label: Floats, value: Floats) -> Floats:
        """Return the absolute error."""
        return np.abs(value - label)

    def evaluate(
        self,
        label: ArrayLike,
        value: ArrayLike,
        threshold: Threshold,
        cost: AnyCost,
    ) -> dict[str, float]:
        """Return the metrics of numeric predictions.

        calibration_gap: the bias, mean predicted minus mean observed. r2: the explained share of
        the label's variance, NaN if it has none. label_mean, label_median, cheapest_constant: the
        best constants by rmse, by mae and by cost.
        """
        y, p = (np.asarray(array, dtype=np.float64) for array in (label, value))
        error = p - y
        squared, variance = float(np.mean(np.square(error))), float(y.var())
        return {
            "rmse": squared**0.5,
            "mae": float(np.abs(error).mean()),
            "r2": 1 - squared / variance if variance else float("nan"),
            "calibration_gap": float(error.mean()),
            "cost": float(self.measure_costs(y, p, cost).mean()),
            "label_mean": float(y.mean()),
            "label_median": float(np.median(y)),
            "label_std": variance**0.5,
            "cheapest_constant": float(np.quantile(y, _cheapest_quantile(_require_cost(cost)))),
            "rows": float(len(y)),
        }

    def best_constant(self, metric: str, holdout: Mapping[str, float]) -> float:
        """Return the label's mean, its median, or the quantile of least cost."""
        best = {"mae": "label_median", "cost": "cheapest_constant"}
        return holdout[best.get(metric, "label_mean")]

    def can_compare(self, label: Floats) -> bool:
        """Require any label."""
        return len(label) > 0

    def margin_unit(self, metric: str, spread: float, cost: AnyCost) -> float:
        """Return the label's standard deviation; for cost, its price averaged over directions."""
        prices = _require_cost(cost)
        return spread * (prices.over + prices.under) / 2 if metric == "cost" else spread

    def max_difference(self, ours: Floats, theirs: Floats) -> float:
        """Return the largest difference, as a share of the largest value.

        A share, because float32 has seven digits whatever the label's unit.
        """
        largest = float(np.abs(theirs).max(initial=0.0))
        return float(np.abs(ours - theirs).max(initial=0.0)) / (largest or 1.0)

    def count_flipped_decisions(
        self, ours: Floats, our_threshold: Threshold, theirs: Floats, threshold: Threshold
    ) -> int:
        """Return 0: numbers have no decision to flip."""
        return 0


def _cheapest_quantile(prices: ErrorCost) -> float:
    """Return the quantile of the label that is the cheapest constant.

    R. Koenker & G. Bassett, "Regression Quantiles", Econometrica 46, 1978.
    """
    return prices.under / (prices.over + prices.under)


def _require_cost(cost: AnyCost) -> ErrorCost:
    assert isinstance(cost, ErrorCost)  # the use case schema checks it
    return cost
