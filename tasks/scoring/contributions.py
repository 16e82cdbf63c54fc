"""Contributions of inputs to the predictions of flagged rows, computed during scoring."""

from __future__ import annotations

import numpy as np
import polars as pl

from configs.schema.use_case import UseCase
from tasks.evaluation.metrics import Floats
from tasks.evaluation.problem_types import problem_type_of, recorded_problem_type
from tasks.models.matrix import build_matrix
from tasks.models.onnx_session import run_onnx
from tasks.models.registry import Model
from tasks.models.shapley import shapley_values
from tasks.scoring.batch import ScoredRoute


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


def explain_flagged(use_case: UseCase, scored: ScoredRoute) -> pl.DataFrame:
    """Return the `explanations.top` largest contributions of every flagged row.

    Columns: spine keys and prediction time, model_version, rank (1: the largest), input, value
    (as text), contribution (to the probability of the event or of the decided class). Without
    columns if there was nothing to predict.
    """
    if not scored.predictions.columns:
        return pl.DataFrame()
    return pl.concat(_explain_version(use_case, scored, model) for model in scored.models.values())


def strongest_contributions(use_case: UseCase, model: Model, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of `explain_flagged` for rows with the inputs of one version."""
    rule, inputs = use_case.explanations, model.card.inputs.inputs
    contributions = explain_rows(model, rows, rule.permutations, use_case.seed)
    top = min(rule.top, len(inputs))
    order = np.argsort(-np.abs(contributions), axis=1, kind="stable")[:, :top]
    text = rows.select(pl.col(inputs).cast(pl.String)).to_numpy().astype(object)
    row = np.repeat(np.arange(rows.height), top)
    keys = rows.select(*use_case.spine.key, use_case.spine.time)[row]
    return keys.with_columns(
        pl.lit(model.version, pl.Int64).alias("model_version"),
        pl.Series("rank", np.tile(np.arange(1, top + 1), rows.height), pl.Int64),
        pl.Series("input", np.asarray(inputs, dtype=object)[order].ravel(), pl.String),
        pl.Series("value", np.take_along_axis(text, order, axis=1).ravel(), pl.String),
        pl.Series(
            "contribution", np.take_along_axis(contributions, order, axis=1).ravel(), pl.Float64
        ),
    )


def _explain_version(use_case: UseCase, scored: ScoredRoute, model: Model) -> pl.DataFrame:
    """Explain the flagged predictions of one version, without shadows."""
    is_flagged = problem_type_of(use_case).flagged_filter(use_case.explanations.flagged)
    by_version = pl.col("model_version") == model.version
    flagged = scored.predictions.filter(is_flagged, by_version).select(use_case.spine.key)
    frame = scored.features[model.card.feature_service]
    rows = frame.join(flagged, on=use_case.spine.key, how="semi", maintain_order="left")
    return strongest_contributions(use_case, model, rows)
