"""Why flagged rows were flagged (or given a class that is asked for), worked out where they are
scored.
"""

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
    """What each input adds to the answer to each row (of classes: to the probability of the one
    that is decided on), float64 (rows, inputs).

    `frame` holds the model's inputs. The background are golden rows of the version: a row's
    contributions add up to its answer minus the mean answer to those that were used,
    the same ones for every row. The answer for a row depends on nothing but the row,
    `permutations` (an even number is used, at least 2) and the seed.
    """
    card, kind = model.card, recorded_problem_type(model.card)
    rows, golden = build_matrix(frame, card.inputs), build_matrix(model.golden, card.inputs)
    place = kind.find_decision_columns(kind.decide(run_onnx(model.session, rows), card.threshold))
    return shapley_values(model.session, rows, golden, permutations, seed, place)


def explain_flagged(use_case: UseCase, scored: ScoredRoute) -> pl.DataFrame:
    """The largest contributions of every flagged row, explanations.top of each.

    Columns: spine keys and prediction time, model_version, rank (1: the largest), input, value
    (as text), contribution (to the probability, of the event or of the decided class). Without
    columns if nothing was predicted.
    """
    if not scored.used.columns:
        return pl.DataFrame()
    return pl.concat(_of_version(use_case, scored, model) for model in scored.models.values())


def strongest_contributions(use_case: UseCase, model: Model, rows: pl.DataFrame) -> pl.DataFrame:
    """As `reasons`, of rows that one version answered, which hold its inputs."""
    rule, inputs = use_case.explanations, model.card.inputs.inputs
    found = explain_rows(model, rows, rule.permutations, use_case.seed)
    top = min(rule.top, len(inputs))
    order = np.argsort(-np.abs(found), axis=1, kind="stable")[:, :top]
    text = rows.select(pl.col(inputs).cast(pl.String)).to_numpy().astype(object)
    row = np.repeat(np.arange(rows.height), top)
    who = rows.select(*use_case.spine.key, use_case.spine.time)[row]
    return who.with_columns(
        pl.lit(model.version, pl.Int64).alias("model_version"),
        pl.Series("rank", np.tile(np.arange(1, top + 1), rows.height), pl.Int64),
        pl.Series("input", np.asarray(inputs, dtype=object)[order].ravel(), pl.String),
        pl.Series("value", np.take_along_axis(text, order, axis=1).ravel(), pl.String),
        pl.Series("contribution", np.take_along_axis(found, order, axis=1).ravel(), pl.Float64),
    )


def _of_version(use_case: UseCase, scored: ScoredRoute, model: Model) -> pl.DataFrame:
    """What one version flagged of a cast's rows (or gave a class that is asked for), among the
    answers that are used.
    """
    asked = problem_type_of(use_case).flagged_filter(use_case.explanations.flagged)
    mine = pl.col("model_version") == model.version
    flagged = scored.used.filter(asked, mine).select(use_case.spine.key)
    frame = scored.features[model.card.feature_service]
    rows = frame.join(flagged, on=use_case.spine.key, how="semi", maintain_order="left")
    return strongest_contributions(use_case, model, rows)
