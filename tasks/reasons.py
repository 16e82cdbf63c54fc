"""Why flagged rows were flagged (or given a class that is asked for), worked out where they are
scored.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from configs.use_case import UseCase
from tasks.contributions import contributions
from tasks.kinds import kind_of
from tasks.registry import Model
from tasks.scoring import Scored


def reasons(use_case: UseCase, scored: Scored) -> pl.DataFrame:
    """The largest contributions of every flagged row, explanations.top of each.

    Columns: spine keys and prediction time, model_version, rank (1: the largest), input, value
    (as text), contribution (to the probability, of the event or of the decided class). Without
    columns if nothing was predicted.
    """
    if not scored.used.columns:
        return pl.DataFrame()
    return pl.concat(_of_version(use_case, scored, model) for model in scored.models.values())


def strongest(use_case: UseCase, model: Model, rows: pl.DataFrame) -> pl.DataFrame:
    """As `reasons`, of rows that one version answered, which hold its inputs."""
    rule, inputs = use_case.explanations, model.card.inputs.inputs
    found = contributions(model, rows, rule.permutations, use_case.seed)
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


def _of_version(use_case: UseCase, scored: Scored, model: Model) -> pl.DataFrame:
    """What one version flagged of a cast's rows (or gave a class that is asked for), among the
    answers that are used.
    """
    asked = kind_of(use_case).flagged(use_case.explanations.flagged)
    mine = pl.col("model_version") == model.version
    flagged = scored.used.filter(asked, mine).select(use_case.spine.key)
    frame = scored.features[model.card.feature_service]
    rows = frame.join(flagged, on=use_case.spine.key, how="semi", maintain_order="left")
    return strongest(use_case, model, rows)
