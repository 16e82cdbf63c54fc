"""What a policy's process leaves: its answers, its ledger, and what it spent."""

from __future__ import annotations

import json
from collections.abc import Mapping

import polars as pl

from configs.schema.use_case import UseCase
from tasks.evaluation.problem_types import problem_type_of
from tasks.ledger.log import Entry, Ledger
from tasks.replay.run import Replay
from tasks.replay.shared_training import TRUTH_FILE
from tasks.rollout.prediction_log import PREDICTIONS, SHADOWS
from tasks.storage.lake import Lake


def read_judged_predictions(replay: Replay, policy: str) -> pl.DataFrame:
    """The answers that a policy used, of the rows whose label is known: spine keys, prediction
    time, value, decision and label, in order of time.
    """
    use_case = replay.plan.use_case
    keys, time = list(use_case.spine.key), use_case.spine.time
    truth = pl.read_parquet(replay.folder / TRUTH_FILE).select(*keys, use_case.label.column)
    lake = _lake_of(replay, policy)
    if not lake.exists(PREDICTIONS):
        return truth.clear()
    value = pl.col(problem_type_of(use_case).value_column).alias("value")
    used = lake.scan(PREDICTIONS).select(*keys, time, value, "decision").collect()
    return used.join(truth, on=keys, how="inner").sort(time, *keys)


def keep_common_rows(
    use_case: UseCase, answered: Mapping[str, pl.DataFrame]
) -> dict[str, pl.DataFrame]:
    """The rows that all policies answered; those that never answered one are left out."""
    keys = list(use_case.spine.key)
    some = {name: rows for name, rows in answered.items() if rows.height}
    found = dict(some)
    for other in some.values():
        found = {
            name: rows.join(other, on=keys, how="semi", maintain_order="left")
            for name, rows in found.items()
        }
    return found


def read_policy_ledger(replay: Replay, policy: str) -> tuple[Entry, ...]:
    """What happened under a policy."""
    path = replay.place_of(policy) / "state" / "ledger.db"
    return tuple(Ledger(f"sqlite:///{path}").entries(replay.plan.use_case.name))


def count_scored(replay: Replay, policy: str) -> int:
    """Answers that were given, used or not."""
    lake = _lake_of(replay, policy)
    tables = (table for table in (PREDICTIONS, SHADOWS) if lake.exists(table))
    return sum(lake.scan(table).select(pl.len()).collect().item() for table in tables)


def read_cpu_seconds(replay: Replay) -> dict[str, dict[str, float]]:
    """CPU seconds of each policy, by kind of work."""
    found = {}
    for name in replay.jobs:
        progress = json.loads((replay.place_of(name) / "progress.json").read_text())
        found[name] = progress["seconds"]
    return found


def _lake_of(replay: Replay, policy: str) -> Lake:
    return Lake(str(replay.place_of(policy) / "state" / "lake" / replay.plan.use_case.name))
