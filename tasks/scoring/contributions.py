"""Contributions of inputs to the predictions of flagged rows, computed during scoring."""

from __future__ import annotations

import numpy as np
import polars as pl

from configs.schema.use_case import UseCase
from tasks.evaluation.problem_types import problem_type_of
from tasks.models.registry import Model
from tasks.models.row_contributions import explain_rows
from tasks.scoring.batch import ScoredRoute


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
