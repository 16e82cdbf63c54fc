"""What can be counted of classes and their probabilities (rows, classes); a class is its code."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tasks.evaluation.metrics import Decisions, Floats

_TRIES = 32


def class_codes(label: Decisions) -> NDArray[np.int64]:
    """Codes as places in an array."""
    return np.asarray(label, dtype=np.int64)


def rank_classes(label: Floats, value: Floats) -> float:
    """The mean area under the ROC curves of each class against the rest, where both are there; NaN
    where that is nowhere.
    """
    from sklearn.metrics import roc_auc_score

    there = [code for code in range(value.shape[1]) if 0 < (label == code).sum() < len(label)]
    areas = [roc_auc_score(label == code, value[:, code]) for code in there]
    return float(np.mean(areas)) if areas else float("nan")


def class_metrics(names: Sequence[str], label: Floats, decision: Decisions) -> dict[str, float]:
    """macro_f1 over the classes that are true or decided somewhere; of each class its precision (0
    where it is never decided), recall (NaN where it is never true), and share of the true ones.
    """
    number = len(names)
    counts = np.bincount(
        class_codes(label) * number + class_codes(decision), minlength=number * number
    )
    table = counts.reshape(number, number).astype(np.float64)
    right, true, decided = table.diagonal(), table.sum(axis=1), table.sum(axis=0)
    with np.errstate(invalid="ignore"):
        recall, f1 = right / true, 2 * right / (true + decided)
    of = {"precision": right / np.maximum(decided, 1), "recall": recall, "share": true / true.sum()}
    each = {
        f"{what}_{name}": float(numbers[code])
        for code, name in enumerate(names)
        for what, numbers in of.items()
    }
    return {"macro_f1": float(np.nanmean(f1)), **each}


def settle_prices(prices: Floats, value: Floats, margin: float) -> Floats:
    """The prices with a handicap for later classes, so that the two cheapest decisions of no row
    turn round when each probability moves by `margin`; the clearest of several, if none is clear.

    A handicap for one decision is a constant in its column, since probabilities add up to 1. It is
    needed: a forest's are fractions of few trees, and ties of two classes are common.
    """
    needed = margin * float(np.abs(prices[:, :, None] - prices[:, None, :]).sum(axis=0).max())
    handicap = 4 * needed * np.arange(len(prices))
    best, clearest = prices, -1.0
    for times in range(_TRIES):
        tried = prices + times * handicap
        clear = _clearance(value @ tried)
        if clear > clearest:
            best, clearest = tried, clear
        if clearest > needed:
            break
    return best


def _clearance(expected: Floats) -> float:
    """The least difference, over rows, of the two smallest expected costs (rows, classes)."""
    cheapest = np.partition(expected, 1, axis=1)
    return float((cheapest[:, 1] - cheapest[:, 0]).min(initial=np.inf))
