"""The table `contributions`: why flagged rows were flagged (or given a class that is asked for),
written where they are scored.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from prefect import get_run_logger, task

from configs.use_case import UseCase
from tasks.contributions import contributions
from tasks.kinds import kind_of
from tasks.lake import lake_of
from tasks.predictions import Window
from tasks.registry import Model
from tasks.retries import STEADY
from tasks.scoring import Scored

CONTRIBUTIONS = "contributions"


def reasons(use_case: UseCase, scored: Sequence[Scored]) -> pl.DataFrame:
    """The largest contributions of every flagged row, explanations.top of each.

    Columns: spine keys and prediction time, model_version, rank (1: the largest), input, value
    (as text), contribution (to the probability, of the event or of the decided class). Without
    columns if nothing was predicted.
    """
    parts = [
        _of_version(use_case, each, model)
        for each in scored
        if each.used.columns
        for model in each.models.values()
    ]
    return pl.concat(parts) if parts else pl.DataFrame()


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


def write(use_case: UseCase, rows: pl.DataFrame, window: Window) -> int | None:
    """Make `rows` all that the table holds of the window; its version, if it exists.

    A frame without columns leaves the window alone, as it does in the table of predictions.
    """
    lake = lake_of(use_case.name)
    if not rows.columns:
        return lake.version(CONTRIBUTIONS)
    keys = [*use_case.spine.key, "model_version", "rank"]
    return lake.replace_window(CONTRIBUTIONS, rows, use_case.spine.time, window, keys=keys)


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


@task(task_run_name="write contributions", **STEADY)
def write_contributions(use_case: UseCase, scored: Sequence[Scored], window: Window) -> int:
    """Explain every flagged row of the window; the number of rows written."""
    rows = reasons(use_case, scored)
    version = write(use_case, rows, window)
    get_run_logger().info("%s contributions, table version %s", rows.height, version)
    return rows.height
