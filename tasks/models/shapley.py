"""Shapley values: contributions of inputs to a prediction, from the ONNX file alone.

A contribution is the change of the prediction when an input takes the row's value in place of a
background row's, averaged over orders of the inputs (E. Štrumbelj & I. Kononenko,
"Explaining prediction models and individual predictions with feature contributions", Knowledge
and Information Systems 41, 2014; S. Lundberg & S.-I. Lee, "A unified approach to interpreting
model predictions", NeurIPS 2017). Every order is followed by its reverse, which at least halves
the variance (R. Mitchell, J. Cooper, E. Frank & G. Holmes, "Sampling Permutations for Shapley Value
Estimation", JMLR 23, 2022). Correlated inputs share their contribution: the values show what the
model used, not what caused the event.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tasks.evaluation.metrics import Floats
from tasks.models.matrix import Matrix
from tasks.models.onnx_session import ONNX_BATCH_ROWS, run_onnx

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


Ranks = NDArray[np.int64]
Columns = NDArray[np.int64]


def shapley_values(
    session: InferenceSession,
    rows: Matrix,
    background: Matrix,
    permutations: int,
    seed: int,
    column: Columns,
) -> Floats:
    """Return the contribution of each input to each row's prediction, (rows, inputs).

    Args:
        rows: rows to explain (rows, inputs).
        background: rows to compare with (any number, inputs).
        permutations: orders of the inputs; made even, at least 2.
        seed: of the orders and of the choice of background rows.
        column: output column to explain for each row (rows,); 0 if there is only one.
    """
    ranks = _draw_orders(rows.shape[1], permutations, seed)
    start = _choose_background(session, background, len(ranks), seed)
    first = _predict_columns(session, start)
    step = max(1, ONNX_BATCH_ROWS // (len(ranks) * max(1, rows.shape[1] - 1)))
    chunks = (slice(at, at + step) for at in range(0, len(rows), step))
    values = [
        _average_changes(session, rows[part], column[part], start, first, ranks) for part in chunks
    ]
    return np.concatenate(values) if values else np.empty(rows.shape)


def _predict_columns(session: InferenceSession, matrix: Matrix) -> Floats:
    """Return predictions as columns, (rows, 1) or (rows, classes)."""
    values = run_onnx(session, matrix)
    return values if values.ndim > 1 else values[:, None]


def _average_changes(
    session: InferenceSession,
    rows: Matrix,
    column: Columns,
    start: Matrix,
    first: Floats,
    ranks: Ranks,
) -> Floats:
    """Return the mean change of the prediction when an input takes the row's value.

    Args:
        rows: rows to explain (rows, inputs).
        column: output column to explain for each row (rows,).
        start: background row of each order (orders, inputs).
        first: predictions of `start` (orders, columns).
        ranks: position of each input in each order (orders, inputs).
    """
    orders, inputs = ranks.shape
    taken = ranks[:, None, :] < np.arange(1, inputs)[:, None]  # (orders, steps between, inputs)
    between = np.where(taken, rows[:, None, None, :], start[:, None, :])
    values = _predict_columns(session, between.reshape(-1, inputs))
    middle = values.reshape(len(rows), orders, inputs - 1, -1)
    steps = [
        first.T[column][:, :, None],
        np.take_along_axis(middle, column[:, None, None, None], axis=3)[..., 0],
        np.take_along_axis(_predict_columns(session, rows), column[:, None], axis=1)[:, :, None],
    ]
    path = np.concatenate(
        [np.broadcast_to(step, (len(rows), orders, step.shape[2])) for step in steps], axis=2
    )
    by_input = np.broadcast_to(ranks, (len(rows), orders, inputs))
    return np.asarray(np.take_along_axis(np.diff(path, axis=2), by_input, axis=2).mean(axis=1))


def _draw_orders(inputs: int, permutations: int, seed: int) -> Ranks:
    """Draw random orders, each followed by its reverse, as positions of the inputs."""
    random = np.random.default_rng(seed)
    pairs = max(1, permutations // 2)
    forth = random.permuted(np.tile(np.arange(inputs), (pairs, 1)), axis=1)
    return np.stack([forth, inputs - 1 - forth], axis=1).reshape(2 * pairs, inputs)


def _choose_background(
    session: InferenceSession, background: Matrix, count: int, seed: int
) -> Matrix:
    """Choose `count` background rows that represent the distribution of predictions.

    They are sorted by the likeliest class and its probability, taken at equal distances, and
    shuffled. Rows repeat if `count` exceeds their number.
    """
    values = _predict_columns(session, background)
    ranked = background[np.lexsort((values.max(axis=1), values.argmax(axis=1)))]
    positions = ((np.arange(count) + 0.5) / count * len(ranked)).astype(int)
    shuffled: Matrix = ranked[np.random.default_rng([seed, 1]).permutation(positions)]
    return shuffled
