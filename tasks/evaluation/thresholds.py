"""Decision thresholds by business cost."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from configs.schema.costs import Cost
from tasks.evaluation.metrics import row_costs, to_float_arrays


def best_threshold(label: ArrayLike, probability: ArrayLike, cost: Cost) -> float:
    """The threshold of least cost on these rows, halfway between two neighbouring scores.

    Every way to cut the sorted scores is tried at once; of equally cheap ones the highest wins.
    Below all scores (flag everything) it is 0, above them (flag nothing) just over the largest.
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
    y, p = to_float_arrays(label, probability)
    expected = expected_threshold(cost)
    first, second = np.array_split(np.arange(len(y)), 2)
    found = charged = 0.0
    for chosen_on, tried_on in ((first, second), (second, first)):
        cheapest = best_threshold(y[chosen_on], p[chosen_on], cost)
        found += row_costs(y[tried_on], p[tried_on], cheapest, cost).sum()
        charged += row_costs(y[tried_on], p[tried_on], expected, cost).sum()
    return best_threshold(y, p, cost) if found < charged else expected


def move_clear_of_scores(threshold: float, probability: ArrayLike, margin: float) -> float:
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
