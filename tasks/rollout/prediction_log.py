"""Read the predictions and shadows tables."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from configs.schema.use_case import UseCase
from tasks.rollout.assignment import CHAMPION
from tasks.storage.lake import open_lake

PREDICTIONS, SHADOWS, CONTRIBUTIONS = "predictions", "shadows", "contributions"


def read_all_predictions(use_case: UseCase, start: datetime, end: datetime) -> pl.DataFrame:
    """Every answer to what is predicted in [start, end): the columns of `predictions`, and `used`.

    Rows from before there were roll-outs are the champion's. NoRows if nothing was ever scored.
    """
    lake, time = open_lake(use_case.name), pl.col(use_case.spine.time)
    tables = [PREDICTIONS] if not lake.exists(SHADOWS) else [PREDICTIONS, SHADOWS]
    found = [
        lake.scan(table)
        .filter(time >= start, time < end)
        .with_columns(used=pl.lit(table == PREDICTIONS))
        .collect()
        for table in tables
    ]
    rows = pl.concat([*found, pl.DataFrame(schema={"arm": pl.String})], how="diagonal")
    # a run that was killed between the two tables may have left one answer in both
    once = rows.unique([*use_case.spine.key, "model_version"], keep="first", maintain_order=True)
    return once.with_columns(pl.col("arm").fill_null(CHAMPION)).sort(
        use_case.spine.time, *use_case.spine.key
    )


def select_used(answers: pl.DataFrame) -> pl.DataFrame:
    """Of all answers the ones that were used: one row a key."""
    return answers.filter("used").drop("used")


def select_version(answers: pl.DataFrame, version: int) -> pl.DataFrame:
    """Of all answers the ones of one version, used or not: at most one row a key."""
    return answers.filter(pl.col("model_version") == version).drop("used")
