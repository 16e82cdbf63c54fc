"""Metrics of multiclass predictions; a class is its code, probabilities are (rows, classes)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tasks.evaluation.metrics import Decisions, Floats


def class_codes(label: Decisions) -> NDArray[np.int64]:
    """Return the codes as integers, to index arrays with."""
    return np.asarray(label, dtype=np.int64)


def macro_roc_auc(label: Floats, value: Floats) -> float:
    """Return the mean area under the ROC curves of each class against the rest.

    Classes that are true of no row, or of all, are left out; NaN if none remains.
    """
    from sklearn.metrics import roc_auc_score

    classes = [code for code in range(value.shape[1]) if 0 < (label == code).sum() < len(label)]
    areas = [roc_auc_score(label == code, value[:, code]) for code in classes]
    return float(np.mean(areas)) if areas else float("nan")


def measure_class_metrics(
    names: Sequence[str], label: Floats, decision: Decisions
) -> dict[str, float]:
    """Return macro_f1, and precision, recall and share by class.

    macro_f1 is the mean over the classes that are true or decided somewhere. The precision of a
    class is 0 where it is never decided, its recall NaN where it is never true.

    Args:
        names: the classes, in the order of their codes.
        label: true codes (rows,).
        decision: decided codes (rows,).
    """
    size = len(names)
    counts = np.bincount(class_codes(label) * size + class_codes(decision), minlength=size * size)
    table = counts.reshape(size, size).astype(np.float64)
    correct, true, decided = table.diagonal(), table.sum(axis=1), table.sum(axis=0)
    with np.errstate(invalid="ignore"):
        recall, f1 = correct / true, 2 * correct / (true + decided)
    columns = {
        "precision": correct / np.maximum(decided, 1),
        "recall": recall,
        "share": true / true.sum(),
    }
    by_class = {
        f"{metric}_{name}": float(values[code])
        for code, name in enumerate(names)
        for metric, values in columns.items()
    }
    return {"macro_f1": float(np.nanmean(f1)), **by_class}


def separate_prices(prices: Floats, value: Floats, margin: float) -> Floats:
    """Return the prices with a handicap for later classes, so that no decision is nearly a tie.

    Afterwards no decision changes when each probability moves by `margin`. If no handicap
    achieves that, the one with the widest gap is returned.

    Args:
        prices: of true class i and decided class j, (classes, classes).
        value: probabilities (rows, classes).
        margin: how far two runtimes may differ in a probability.
    """
    # The probabilities of a forest are fractions of few trees: ties of two classes are common.
    required = margin * float(np.abs(prices[:, :, None] - prices[:, None, :]).sum(axis=0).max())
    # A handicap of a decision is a constant in its column, since probabilities add up to 1.
    handicap = 4 * required * np.arange(len(prices))
    best, widest = prices, -1.0
    for times in range(32):
        candidate = prices + times * handicap
        gap = _smallest_gap(value @ candidate)
        if gap > widest:
            best, widest = candidate, gap
        if widest > required:
            break
    return best


def _smallest_gap(expected: Floats) -> float:
    """Return the least difference of the two smallest expected costs (rows, classes)."""
    cheapest = np.partition(expected, 1, axis=1)
    return float((cheapest[:, 1] - cheapest[:, 0]).min(initial=np.inf))
