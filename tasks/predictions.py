"""The tables of answers: `predictions`, one row a key, the answer that is used; `shadows`, what the
other versions of the cast answered to the same rows; `contributions`, why a row was flagged.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from configs.errors import NoRows
from configs.use_case import UseCase
from tasks.assignment import CHAMPION
from tasks.lake import lake_of
from tasks.parts import Part, Window, hold

PREDICTIONS, SHADOWS, CONTRIBUTIONS = "predictions", "shadows", "contributions"


def answers(use_case: UseCase, start: datetime, end: datetime) -> pl.DataFrame:
    """Every answer to what is predicted in [start, end): the columns of `predictions`, and `used`.

    Rows from before there were roll-outs are the champion's. NoRows if nothing was ever scored.
    """
    lake, time = lake_of(use_case.name), pl.col(use_case.spine.time)
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


def used(answers: pl.DataFrame) -> pl.DataFrame:
    """Of all answers the ones that were used: one row a key."""
    return answers.filter("used").drop("used")


def answers_of(answers: pl.DataFrame, version: int) -> pl.DataFrame:
    """Of all answers the ones of one version, used or not: at most one row a key."""
    return answers.filter(pl.col("model_version") == version).drop("used")


def write(
    use_case: UseCase, table: str, rows: pl.DataFrame | Sequence[Part], window: Window
) -> int | None:
    """Make `rows`, in one piece or in parts, what the table holds of the window, in one commit; its
    version, if it exists.

    Nothing is committed when the table says the same already, whoever scored it and when. A frame
    without columns, or no part, means that there was nothing to predict, and leaves the window
    alone; if it holds rows, the data they were made from is gone, and NoRows says so rather than
    wiping them.
    """
    lake, time = lake_of(use_case.name), use_case.spine.time
    if isinstance(rows, pl.DataFrame):
        rows = [hold(window, rows)] if rows.columns else []
    if not rows:
        _refuse_to_wipe(use_case, table, window)
        return lake.version(table)
    keys = [*use_case.spine.key, "model_version", *(["rank"] if table == CONTRIBUTIONS else [])]
    ignored = ("run_id", "scored_as_of") if table != CONTRIBUTIONS else ()
    return lake.replace_window(table, rows, time, window, keys=keys, ignoring=ignored)


def _refuse_to_wipe(use_case: UseCase, table: str, window: Window) -> None:
    lake = lake_of(use_case.name)
    if not lake.exists(table):
        return
    at = pl.col(use_case.spine.time)
    held = lake.scan(table).filter(at >= window[0], at < window[1]).select(pl.len())
    count = held.collect().item()
    if count:
        raise NoRows(
            f"{lake.uri(table)} holds {count} rows in [{window[0]}, {window[1]}), but "
            f"the spine of {use_case.name} has no row there any more; they are kept. Look for what "
            "became of the raw tables"
        )
