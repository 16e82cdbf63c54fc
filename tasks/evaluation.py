"""How good probabilities are: metrics, business cost and its best threshold; and for every kind of
label calibration and slices.

Everywhere `label` is (rows,) of 0 and 1, `probability` (rows,) of the event, and a row is flagged
when probability >= threshold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from configs.costs import Cost
from configs.part import Metric
from configs.policy import Slice

Floats = NDArray[np.float64]
Decisions = NDArray[np.bool_] | NDArray[np.int64] | Floats
"""Of each row: whether it is flagged, the code of the class that it is given, or its number."""
BINS = 10
LOWER_IS_BETTER: frozenset[Metric] = frozenset({"brier", "log_loss", "rmse", "mae", "cost"})
METRIC_NAMES = {  # as people read them
    "roc_auc": "ROC AUC", "pr_auc": "average precision", "log_loss": "log loss",
    "accuracy": "accuracy", "rmse": "RMSE", "mae": "MAE", "r2": "R²", "cost": "cost",
}  # fmt: skip


def evaluate(
    label: ArrayLike, probability: ArrayLike, threshold: float, cost: Cost
) -> dict[str, float]:
    """Every number that a card or the monitor shows.

    roc_auc and pr_auc (average precision) are NaN where the label has one value only; precision,
    recall and f1 are 0 where nothing is flagged. calibration_gap: mean predicted minus observed;
    ece: expected calibration error over ten bins of equally many rows; cost: mean per row.
    """
    from sklearn import metrics

    y, p = _arrays(label, probability)
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
    """Business cost per row when rows are flagged at the threshold."""
    return float(row_costs(label, probability, threshold, cost).mean())


def row_costs(label: ArrayLike, probability: ArrayLike, threshold: float, cost: Cost) -> Floats:
    """Business cost of each row (rows,) when rows are flagged at the threshold."""
    y, p = _arrays(label, probability)
    return decision_costs(y, p >= threshold, cost)


def decision_costs(label: Floats, decision: Decisions, cost: Cost) -> Floats:
    """Business cost of each row (rows,), given which are flagged."""
    event = np.where(decision, cost.true_positive, cost.false_negative)
    none = np.where(decision, cost.false_positive, cost.true_negative)
    return np.where(label == 1, event, none)


def best_threshold(label: ArrayLike, probability: ArrayLike, cost: Cost) -> float:
    """The threshold of least cost on these rows, halfway between two neighbouring scores.

    Every way to cut the sorted scores is tried at once; of equally cheap ones the highest wins.
    Below all scores (flag everything) it is 0, above them (flag nothing) just over the largest.
    """
    y, p = _arrays(label, probability)
    order = np.argsort(-p, kind="stable")
    p, y = p[order], y[order]
    gain = np.where(
        y == 1, cost.true_positive - cost.false_negative, cost.false_positive - cost.true_negative
    )
    total = np.concatenate([[0.0], np.cumsum(gain)])  # cost of flagging the first k, less none
    cuts = np.flatnonzero(np.concatenate([[True], p[1:] < p[:-1], [True]]))  # never inside a tie
    k = int(cuts[np.argmin(total[cuts])])
    if k == len(p):
        return 0.0
    return float(np.nextafter(p[0], np.inf) if k == 0 else (p[k - 1] + p[k]) / 2)


def expected_threshold(cost: Cost) -> float:
    """The threshold of least expected cost if the probabilities are true ones, from 0 to 1.

    C. Elkan, "The Foundations of Cost-Sensitive Learning", IJCAI 2001, equation 2.
    """
    needless = cost.false_positive - cost.true_negative
    missed = cost.false_negative - cost.true_positive
    if needless <= 0:  # flagging is never the dearer decision
        return 0.0
    return needless / (needless + max(missed, 0.0))


def proven_threshold(label: ArrayLike, probability: ArrayLike, cost: Cost) -> float:
    """The cheapest threshold on these rows, if it proves itself; else the expected one.

    The rows, two at least, come in order of time. The cheapest threshold of each half must be
    cheaper on the other half than the expected one: the best of an odd week is not the next one's.
    """
    y, p = _arrays(label, probability)
    expected = expected_threshold(cost)
    first, second = np.array_split(np.arange(len(y)), 2)
    found = charged = 0.0
    for chosen_on, tried_on in ((first, second), (second, first)):
        cheapest = best_threshold(y[chosen_on], p[chosen_on], cost)
        found += row_costs(y[tried_on], p[tried_on], cheapest, cost).sum()
        charged += row_costs(y[tried_on], p[tried_on], expected, cost).sum()
    return best_threshold(y, p, cost) if found < charged else expected


def clear_of(threshold: float, probability: ArrayLike, margin: float) -> float:
    """The nearest value to the threshold that no score comes within `margin` of.

    Two runtimes that differ by less than the margin then decide alike on all of these rows.
    """
    scores = np.unique(np.asarray(probability, dtype=np.float64))
    if not scores.size or np.abs(scores - threshold).min() > margin:
        return threshold
    gaps = np.diff(scores)
    middles = (scores[:-1] + gaps / 2)[gaps > 2 * margin]
    free = np.concatenate([[scores[0] - 2 * margin], middles, [scores[-1] + 2 * margin]])
    return float(free[np.argmin(np.abs(free - threshold))])


def better(metric: Metric, new: float, old: float) -> bool:
    """Whether `new` beats `old` in the metric's own direction."""
    return new < old if metric in LOWER_IS_BETTER else new > old


def calibration_table(label: ArrayLike, value: ArrayLike, bins: int = BINS) -> pl.DataFrame:
    """Predicted against observed in bins of equally many rows, by ascending value.

    Columns low, high (values), rows, predicted, observed (means). Fewer bins than asked for where
    there are fewer rows.
    """
    y, p = _arrays(label, value)
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


def slice_values(frame: pl.DataFrame, of: Slice) -> pl.Series:
    """Each row's slice as text: its value, or its bin like "(9, 14]"; "(missing)" without one."""
    column = frame[of.column]
    text = _bin_names(column, of.bins) if of.bins else column.cast(pl.String)
    return text.fill_null("(missing)").rename("value")


def _bin_names(column: pl.Series, edges: Sequence[float]) -> pl.Series:
    names = [f"({low:g}, {high:g}]" for low, high in pairwise((-np.inf, *edges, np.inf))]
    numbers = column.cast(pl.Float64).fill_nan(None)
    bins = pl.Series(np.searchsorted(edges, numbers.fill_null(0.0).to_numpy()))
    named = bins.replace_strict(list(range(len(names))), names, return_dtype=pl.String)
    return pl.select(pl.when(numbers.is_not_null()).then(named)).to_series()


def slices_of(
    frame: pl.DataFrame, slices: Sequence[Slice], min_rows: int
) -> Iterator[tuple[str, str, NDArray[np.bool_]]]:
    """Column, value and rows (a mask) of each slice of at least `min_rows` rows; by column,
    largest first.
    """
    for each in slices:
        values = slice_values(frame, each)
        counts = values.value_counts().sort(["count", "value"], descending=[True, False])
        for value in counts.filter(pl.col("count") >= min_rows)["value"]:
            yield each.column, value, (values == value).to_numpy()


def by_slice(
    frame: pl.DataFrame,
    measured: Callable[[NDArray[np.bool_]], dict[str, float]],
    slices: Sequence[Slice],
    min_rows: int,
) -> list[dict[str, Any]]:
    """What is `measured` of the rows (a mask) of each slice of at least `min_rows` rows, as
    `slices_of` orders them.

    Each entry: slice (the column), value (text), and the metrics.
    """
    return [
        {"slice": column, "value": value, **measured(rows)}
        for column, value, rows in slices_of(frame, slices, min_rows)
    ]


def calibration_error(table: pl.DataFrame) -> float:
    """Expected calibration error: the bins' |predicted - observed|, weighted by rows.

    Naeini, Cooper & Hauskrecht, "Obtaining Well Calibrated Probabilities Using Bayesian Binning",
    AAAI 2015; with bins of equally many rows.
    """
    gap = (table["predicted"] - table["observed"]).abs()
    return float(np.average(gap, weights=table["rows"]))


def _arrays(label: ArrayLike, probability: ArrayLike) -> tuple[Floats, Floats]:
    return np.asarray(label, dtype=np.float64), np.asarray(probability, dtype=np.float64)
