"""How much each input moved an answer: Shapley values, from the ONNX file alone.

A contribution is what an input adds to the answer when it takes the row's value in place of a
background row's, averaged over orders in which the inputs do so (E. Štrumbelj & I. Kononenko,
"Explaining prediction models and individual predictions with feature contributions", Knowledge
and Information Systems 41, 2014; S. Lundberg & S.-I. Lee, "A unified approach to interpreting
model predictions", NeurIPS 2017). Every order is followed by its reverse, which halves the noise
or better (R. Mitchell, J. Cooper, E. Frank & G. Holmes, "Sampling Permutations for Shapley Value
Estimation", JMLR 23, 2022). Inputs that go together share what they say: this tells what the
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
Places = NDArray[np.int64]


def shapley_values(
    session: InferenceSession,
    rows: Matrix,
    background: Matrix,
    permutations: int,
    seed: int,
    place: Places,
) -> Floats:
    """As `contributions`, of matrices (rows, inputs), to the column `place` (rows,) of each row's
    answer; memory is that of CHUNK rows.
    """
    ranks = _orders(rows.shape[1], permutations, seed)
    start = _spread(session, background, len(ranks), seed)
    first = _columns(session, start)
    step = max(1, ONNX_BATCH_ROWS // (len(ranks) * max(1, rows.shape[1] - 1)))
    chunks = (slice(at, at + step) for at in range(0, len(rows), step))
    found = [_walk(session, rows[of], place[of], start, first, ranks) for of in chunks]
    return np.concatenate(found) if found else np.empty(rows.shape)


def _columns(session: InferenceSession, matrix: Matrix) -> Floats:
    """The answers as columns, (rows, 1) or (rows, classes)."""
    found = run_onnx(session, matrix)
    return found if found.ndim > 1 else found[:, None]


def _walk(
    session: InferenceSession,
    rows: Matrix,
    place: Places,
    start: Matrix,
    first: Floats,
    ranks: Ranks,
) -> Floats:
    """Mean change of the answer when an input takes the row's value, over all orders.

    `start` (orders, inputs) are the background rows that each order sets out from, `first`
    (orders, columns) their answers, `ranks` (orders, inputs) each input's place in each order.
    """
    orders, inputs = ranks.shape
    taken = ranks[:, None, :] < np.arange(1, inputs)[:, None]  # (orders, steps between, inputs)
    between = np.where(taken, rows[:, None, None, :], start[:, None, :])
    answers = _columns(session, between.reshape(-1, inputs))
    middle = answers.reshape(len(rows), orders, inputs - 1, -1)
    steps = [
        first.T[place][:, :, None],
        np.take_along_axis(middle, place[:, None, None, None], axis=3)[..., 0],
        np.take_along_axis(_columns(session, rows), place[:, None], axis=1)[:, :, None],
    ]
    path = np.concatenate(
        [np.broadcast_to(step, (len(rows), orders, step.shape[2])) for step in steps], axis=2
    )
    by_input = np.broadcast_to(ranks, (len(rows), orders, inputs))
    return np.asarray(np.take_along_axis(np.diff(path, axis=2), by_input, axis=2).mean(axis=1))


def _orders(inputs: int, permutations: int, seed: int) -> Ranks:
    """Random orders, each followed by its reverse, as the place of every input in each."""
    random = np.random.default_rng(seed)
    pairs = max(1, permutations // 2)
    forth = random.permuted(np.tile(np.arange(inputs), (pairs, 1)), axis=1)
    return np.stack([forth, inputs - 1 - forth], axis=1).reshape(2 * pairs, inputs)


def _spread(session: InferenceSession, background: Matrix, count: int, seed: int) -> Matrix:
    """`count` background rows, spread over their answers (by the likeliest class, and by how likely
    it is) so that few stand for all of them.

    They are dealt at random to the orders; beyond the rows there are, all come again.
    """
    answers = _columns(session, background)
    ranked = background[np.lexsort((answers.max(axis=1), answers.argmax(axis=1)))]
    places = ((np.arange(count) + 0.5) / count * len(ranked)).astype(int)
    dealt: Matrix = ranked[np.random.default_rng([seed, 1]).permutation(places)]
    return dealt
