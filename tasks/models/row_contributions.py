"""Contributions of a model's inputs to its predictions of single rows."""

from __future__ import annotations

import polars as pl

from tasks.evaluation.metrics import Floats
from tasks.evaluation.problem_types import recorded_problem_type
from tasks.models.matrix import build_matrix
from tasks.models.onnx_session import run_onnx
from tasks.models.registry import Model
from tasks.models.shapley import shapley_values


def explain_rows(model: Model, frame: pl.DataFrame, permutations: int, seed: int) -> Floats:
    """Return what each input adds to the prediction of each row, float64 (rows, inputs).

    Of classes, to the probability of the decided one. The background are golden rows of the
    version, the same for every row: a row's contributions add up to its prediction minus their
    mean prediction. A row's contributions do not depend on the other rows.

    Args:
        frame: rows with the model's inputs.
        permutations: orders of the inputs to average over; made even, at least 2.
        seed: of the orders and of the choice of background rows.
    """
    card, problem_type = model.card, recorded_problem_type(model.card)
    rows, golden = build_matrix(frame, card.inputs), build_matrix(model.golden, card.inputs)
    decision = problem_type.decide(run_onnx(model.session, rows), card.threshold)
    column = problem_type.find_decision_columns(decision)
    return shapley_values(model.session, rows, golden, permutations, seed, column)
