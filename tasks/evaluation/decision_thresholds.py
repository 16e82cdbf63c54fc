"""Decision thresholds of binary models, by business cost."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from configs.schema.costs import Cost
from tasks.evaluation.metrics import row_costs, to_float_arrays


def best_threshold(label: ArrayLike, probability: ArrayLike, cost: Cost) -> float:
    """Return the threshold of least cost on these rows, halfway between two scores.

    Of equally cheap thresholds the highest is chosen. It is 0 to flag all rows, and just above the
    largest score to flag none.
    """
    y, p = to_float_arrays(label, probability)
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
    """Return the threshold of least expected cost for calibrated probabilities, 0 to 1.

    C. Elkan, "The Foundations of Cost-Sensitive Learning", IJCAI 2001, equation 2.
    """
    needless = cost.false_positive - cost.true_negative
    missed = cost.false_negative - cost.true_positive
    if needless <= 0:  # flagging never costs more
        return 0.0
    return needless / (needless + max(missed, 0.0))


def proven_threshold(label: ArrayLike, probability: ArrayLike, cost: Cost) -> float:
    """Return the cheapest threshold on these rows if it is proven, else the expected one.

    The rows, at least two, are in order of time. It is proven if the cheapest threshold of each
    half costs less on the other half than the expected one, both halves together.
    """
    y, p = to_float_arrays(label, probability)
    expected = expected_threshold(cost)
    first, second = np.array_split(np.arange(len(y)), 2)
    tuned_cost = expected_cost = 0.0
    for chosen_on, tried_on in ((first, second), (second, first)):
        cheapest = best_threshold(y[chosen_on], p[chosen_on], cost)
        tuned_cost += row_costs(y[tried_on], p[tried_on], cheapest, cost).sum()
        expected_cost += row_costs(y[tried_on], p[tried_on], expected, cost).sum()
    return best_threshold(y, p, cost) if tuned_cost < expected_cost else expected


def move_clear_of_scores(threshold: float, probability: ArrayLike, margin: float) -> float:
    """Return the value nearest to the threshold that is over `margin` from every score.

    Two runtimes whose scores differ by less than the margin then decide alike on these rows.
    """
    scores = np.unique(np.asarray(probability, dtype=np.float64))
    if not scores.size or np.abs(scores - threshold).min() > margin:
        return threshold
    gaps = np.diff(scores)
    middles = (scores[:-1] + gaps / 2)[gaps > 2 * margin]
    free = np.concatenate([[scores[0] - 2 * margin], middles, [scores[-1] + 2 * margin]])
    return float(free[np.argmin(np.abs(free - threshold))])
