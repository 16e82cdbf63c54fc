"""A number: the model answers a value, and the value itself is what is decided by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike

from configs.schema.costs import AnyCost, ErrorCost
from tasks.evaluation.metrics import Decisions, Floats
from tasks.evaluation.problem_types.base import ProblemType, Threshold


class Regression(ProblemType):
    """Labels of any number, in a unit of their own."""

    name = "regression"
    column = "prediction"
    label_type = pl.Float64()
    shown = ("rmse", "mae", "cost")
    carded = ("rmse", "mae", "r2", "calibration_gap", "cost")
    sliced = ("label_mean", "rmse", "mae", "calibration_gap", "cost")
    sure_of = ("rmse", "mae", "calibration_gap", "cost")
    opponent = "the best constant"
    points = (1.0, "label's unit")
    axes = ("predicted value", "observed mean")

    def fits(self, estimator: object) -> bool:
        """A regressor."""
        from sklearn.base import is_regressor

        return bool(is_regressor(estimator))

    def mistake(self, values: pl.Series) -> str:
        """They are numbers."""
        return "" if values.dtype.is_numeric() else f"is {values.dtype}; a label is a number"

    def costs(self, label: Floats, decision: Decisions, cost: AnyCost) -> Floats:
        """Each unit of error at the price of its direction."""
        prices, error = _prices(cost), decision - label
        return prices.over * np.maximum(error, 0.0) + prices.under * np.maximum(-error, 0.0)

    def losses(self, subject: str, label: Floats, value: Floats) -> Floats:
        """The size of the error."""
        return np.abs(value - label)

    def evaluate(
        self,
        label: ArrayLike,
        value: ArrayLike,
        threshold: Threshold,
        cost: AnyCost,
    ) -> dict[str, float]:
        """calibration_gap is the bias, mean predicted minus observed; cost the mean per row.

        r2: the share of the label's variance that is explained, NaN where it has none. label_mean,
        label_median and cheapest_constant: the best constant by rmse, by mae and by cost.
        """
        y, p = (np.asarray(of, dtype=np.float64) for of in (label, value))
        error = p - y
        squared, variance = float(np.mean(np.square(error))), float(y.var())
        return {
            "rmse": squared**0.5,
            "mae": float(np.abs(error).mean()),
            "r2": 1 - squared / variance if variance else float("nan"),
            "calibration_gap": float(error.mean()),
            "cost": float(self.costs(y, p, cost).mean()),
            "label_mean": float(y.mean()),
            "label_median": float(np.median(y)),
            "label_std": variance**0.5,
            "cheapest_constant": float(np.quantile(y, _level(_prices(cost)))),
            "rows": float(len(y)),
        }

    def constant(self, metric: str, holdout: Mapping[str, float]) -> float:
        """The mean, the median, or the quantile that costs least."""
        best = {"mae": "label_median", "cost": "cheapest_constant"}
        return holdout[best.get(metric, "label_mean")]

    def comparable(self, label: Floats) -> bool:
        """Any labels are."""
        return len(label) > 0

    def counted(self, label: Floats) -> tuple[str, str]:
        """Nothing more is asked."""
        return "", ""

    def unit(self, metric: str, spread: float, cost: AnyCost) -> float:
        """A standard deviation of the label; of cost what it costs, the mean of both ways."""
        prices = _prices(cost)
        return spread * (prices.over + prices.under) / 2 if metric == "cost" else spread

    def apart(self, ours: Floats, theirs: Floats) -> float:
        """As a share of the largest value: float32 has seven digits of whatever unit it holds."""
        largest = float(np.abs(theirs).max(initial=0.0))
        return float(np.abs(ours - theirs).max(initial=0.0)) / (largest or 1.0)

    def flipped(
        self, ours: Floats, our_threshold: Threshold, theirs: Floats, threshold: Threshold
    ) -> int:
        """A number decides nothing that could flip."""
        return 0

    def decides(self, threshold: Threshold) -> str:
        """It does not."""
        return "answers a number"

    def decided(self, value: Sequence[float], decision: object) -> str:
        """The number."""
        return f"{decision:.4f}"

    def described(self, holdout: Mapping[str, float]) -> str:
        """Mean and standard deviation."""
        return f"label {holdout['label_mean']:.4g} ± {holdout['label_std']:.4g}"

    def weighs(self, cost: Mapping[str, Any]) -> str:
        """Both ways to be wrong."""
        return (
            f"Its cost weighs a unit too much as {cost['over']:g} and a unit too little as "
            f"{cost['under']:g}; who pays otherwise may need another model."
        )


def _level(prices: ErrorCost) -> float:
    """Of which quantile a constant costs least (R. Koenker & G. Bassett, "Regression Quantiles",
    Econometrica 46, 1978).
    """
    return prices.under / (prices.over + prices.under)


def _prices(cost: AnyCost) -> ErrorCost:
    assert isinstance(cost, ErrorCost)  # the use case's validator has seen to it
    return cost
