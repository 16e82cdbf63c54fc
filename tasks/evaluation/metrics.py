"""Metrics of binary predictions, business cost, and calibration of all problem types.

Of binary predictions `label` is (rows,) of 0 and 1, `probability` (rows,) that of the event. A row
is flagged if probability >= threshold.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from configs.schema.base import Metric
from configs.schema.costs import Cost

Floats = NDArray[np.float64]
Decisions = NDArray[np.bool_] | NDArray[np.int64] | Floats
"""Of each row: whether it is flagged, the code of its decided class, or its number."""
CALIBRATION_BINS = 10
LOWER_IS_BETTER: frozenset[Metric] = frozenset({"brier", "log_loss", "rmse", "mae", "cost"})
METRIC_NAMES = {  # for reports
    "roc_auc": "ROC AUC", "pr_auc": "average precision", "log_loss": "log loss",
    "calibration_gap": "calibration gap", "ece": "expected calibration error",
    "accuracy": "accuracy", "rmse": "RMSE", "mae": "MAE", "r2": "R²", "cost": "cost",
}  # fmt: skip


def measure_binary_metrics(
    label: ArrayLike, probability: ArrayLike, threshold: float, cost: Cost
) -> dict[str, float]:
    """Return all binary metrics of a model card and of monitoring.

    roc_auc and pr_auc (average precision) are NaN where the label has one value only; precision,
    recall and f1 are 0 where nothing is flagged. calibration_gap: mean predicted minus observed;
    ece: expected calibration error over ten bins of equally many rows; cost: mean per row.
    """
    from sklearn import metrics

    y, p = to_float_arrays(label, probability)
    flagged = p >= threshold
    ranked = 0 < y.sum() < len(y)
    table = calibration_table(y, p)
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        y, flagged, average="binary", zero_division=0.0
    )
    return {
        "roc_auc": float(metrics.roc_auc_score(y, p)) if ranked else float("nan"),
        "pr_auc": float(metrics.average_precision_score(y, p)) if ranked else float("nan"),
        "precision": float(precision),
        "recall": float(recall),
        "f1": float(f1),
        "brier": float(np.mean(np.square(p - y))),
        "log_loss": float(metrics.log_loss(y, p, labels=[0, 1])),
        "calibration_gap": float(p.mean() - y.mean()),
        "ece": calibration_error(table),
        "cost": mean_cost(y, p, threshold, cost),
        "positive_rate": float(y.mean()),
        "rows": float(len(y)),
    }


def mean_cost(label: ArrayLike, probability: ArrayLike, threshold: float, cost: Cost) -> float:
    """Return the mean business cost of rows that are flagged at the threshold."""
    return float(row_costs(label, probability, threshold, cost).mean())


def row_costs(label: ArrayLike, probability: ArrayLike, threshold: float, cost: Cost) -> Floats:
    """Return the business cost of each row (rows,), flagged at the threshold."""
    y, p = to_float_arrays(label, probability)
    return decision_costs(y, p >= threshold, cost)


def decision_costs(label: Floats, decision: Decisions, cost: Cost) -> Floats:
    """Return the business cost of each row (rows,), given which are flagged."""
    event = np.where(decision, cost.true_positive, cost.false_negative)
    none = np.where(decision, cost.false_positive, cost.true_negative)
    return np.where(label == 1, event, none)


def is_better(metric: Metric, new: float, old: float) -> bool:
    """Return whether `new` beats `old`, in the direction of the metric."""
    return new < old if metric in LOWER_IS_BETTER else new > old


def calibration_table(
    label: ArrayLike, value: ArrayLike, bins: int = CALIBRATION_BINS
) -> pl.DataFrame:
    """Return predicted against observed means, in bins of equally many rows by value.

    Columns: low, high (values), rows, predicted, observed (means). At most one bin a row.
    """
    y, p = to_float_arrays(label, value)
    order = np.argsort(p, kind="stable")
    return pl.DataFrame(
        [
            (p[part[0]], p[part[-1]], len(part), p[part].mean(), y[part].mean())
            for part in np.array_split(order, min(bins, len(p)))
        ],
        schema={
            "low": pl.Float64, "high": pl.Float64, "rows": pl.Int64,
            "predicted": pl.Float64, "observed": pl.Float64,
        },
        orient="row",
    )  # fmt: skip


def calibration_error(table: pl.DataFrame) -> float:
    """Return the expected calibration error: |predicted - observed|, weighted by rows.

    Naeini, Cooper & Hauskrecht, "Obtaining Well Calibrated Probabilities Using Bayesian Binning",
    AAAI 2015; with bins of equally many rows.
    """
    gap = (table["predicted"] - table["observed"]).abs()
    return float(np.average(gap, weights=table["rows"]))


def to_float_arrays(label: ArrayLike, probability: ArrayLike) -> tuple[Floats, Floats]:
    """Return both as float64 arrays (rows,)."""
    return np.asarray(label, dtype=np.float64), np.asarray(probability, dtype=np.float64)
