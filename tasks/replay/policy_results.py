"""Results of a policy's process: its predictions, ledger and CPU seconds."""

from __future__ import annotations

import json
from collections.abc import Mapping

import polars as pl

from configs.paths import sqlite_url
from configs.schema.use_case import UseCase
from tasks.evaluation.prediction_columns import DECISION, VALUE
from tasks.evaluation.problem_types import problem_type_of
from tasks.ledger.log import Entry, Ledger
from tasks.replay.run import Replay
from tasks.replay.shared_training import LABELS_FILE
from tasks.rollout.prediction_log import PREDICTIONS, SHADOWS
from tasks.storage.lake import Lake


def read_judged_predictions(replay: Replay, policy: str) -> pl.DataFrame:
    """Read a policy's used predictions for the rows whose label is known, in order of time.

    Columns are spine keys, prediction time, VALUE, DECISION and the label.
    """
    use_case = replay.plan.use_case
    keys, time = list(use_case.spine.key), use_case.spine.time
    truth = pl.read_parquet(replay.folder / LABELS_FILE).select(*keys, use_case.label.column)
    lake = _open_policy_lake(replay, policy)
    if not lake.exists(PREDICTIONS):
        return truth.clear()
    value = pl.col(problem_type_of(use_case).value_column).alias(VALUE)
    decision = pl.col("decision").alias(DECISION)
    used = lake.scan(PREDICTIONS).select(*keys, time, value, decision).collect()
    return used.join(truth, on=keys, how="inner").sort(time, *keys)


def keep_common_rows(
    use_case: UseCase, predictions: Mapping[str, pl.DataFrame]
) -> dict[str, pl.DataFrame]:
    """Return the rows that all policies predicted, without policies that predicted none."""
    keys = list(use_case.spine.key)
    nonempty = {name: rows for name, rows in predictions.items() if rows.height}
    common = dict(nonempty)
    for other in nonempty.values():
        common = {
            name: rows.join(other, on=keys, how="semi", maintain_order="left")
            for name, rows in common.items()
        }
    return common


def read_policy_ledger(replay: Replay, policy: str) -> tuple[Entry, ...]:
    """Read the ledger of a policy."""
    path = replay.place_of(policy) / "state" / "ledger.db"
    return tuple(Ledger(sqlite_url(path)).entries(replay.plan.use_case.name))


def count_scored(replay: Replay, policy: str) -> int:
    """Count a policy's predictions, shadows included."""
    lake = _open_policy_lake(replay, policy)
    tables = (table for table in (PREDICTIONS, SHADOWS) if lake.exists(table))
    return sum(lake.scan(table).select(pl.len()).collect().item() for table in tables)


def read_cpu_seconds(replay: Replay) -> dict[str, dict[str, float]]:
    """Read the CPU seconds of each policy, by kind of work."""
    seconds = {}
    for name in replay.jobs:
        progress = json.loads((replay.place_of(name) / "progress.json").read_text())
        seconds[name] = progress["seconds"]
    return seconds


def _open_policy_lake(replay: Replay, policy: str) -> Lake:
    return Lake(str(replay.place_of(policy) / "state" / "lake" / replay.plan.use_case.name))
