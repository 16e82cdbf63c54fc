"""Rows that were due for a prediction and have none.

A row is due when `schedules.score_window`, the longest time between two score runs, has passed
since its prediction time and since it landed. Before the first promotion no row is due.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import polars as pl

from configs.schema.use_case import UseCase
from tasks.features.raw_tables import FILE_COLUMN, scan_raw_tables
from tasks.features.retrieval import build_spine
from tasks.rollout.prediction_log import drop_predicted_rows
from tasks.storage.file_records import read_landing_times


def find_missing_predictions(
    use_case: UseCase, scored_since: datetime, as_of: datetime
) -> pl.DataFrame:
    """Return keys and prediction time of the due rows without a prediction.

    It looks at the rows that became due in the last `monitor.window`, however late they landed.

    Args:
        use_case: the use case.
        scored_since: time of the first promotion.
        as_of: time of the monitor.
    """
    until = as_of - use_case.schedules.score_window
    since = until - use_case.monitor.window
    landed, raw = read_landing_times(use_case), scan_raw_tables(use_case, as_of)
    in_window = landed.filter(pl.col("as_of").is_between(since, until))["fingerprint"].unique()
    too_new = landed.filter(pl.col("as_of") > until)["fingerprint"].unique()
    start = max(min([since, *_find_earliest_known(use_case, raw, in_window)]), scored_since)
    if start >= until:
        return pl.DataFrame()
    if not too_new.is_empty():
        others = ~pl.col(FILE_COLUMN).is_in(too_new.implode())
        raw = {name: rows.filter(others) for name, rows in raw.items()}
    due = build_spine(use_case, start, until, as_of, raw)
    missing = drop_predicted_rows(use_case, due, (start, as_of))
    return missing.select(*use_case.spine.key, use_case.spine.time)


def _find_earliest_known(
    use_case: UseCase, raw: Mapping[str, pl.LazyFrame], fingerprints: pl.Series
) -> list[datetime]:
    """Return the earliest known time in each raw table of the rows of some files."""
    if fingerprints.is_empty():
        return []
    times = [
        rows.filter(pl.col(FILE_COLUMN).is_in(fingerprints.implode()))
        .select(pl.col(use_case.tables[name].known_time).min())
        .collect()
        .item()
        for name, rows in raw.items()
    ]
    return [time for time in times if time is not None]
