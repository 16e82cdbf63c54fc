"""A replay in MLflow: a run for each policy, in the experiment of the use case."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from tasks.models.mlflow_client import connect_mlflow, find_experiment
from tasks.replay.compare import PolicyComparison, PolicyOutcome
from tasks.replay.run import Replay

if TYPE_CHECKING:
    from mlflow import MlflowClient


_TAG = "mainspring.replay"


def log_replay(
    replay: Replay, found: PolicyComparison, spent: Mapping[str, Mapping[str, float]], page: Path
) -> list[str]:
    """Log every policy as a run with its numbers by week and the page; the ids of the runs.

    A policy of a replay has one run: replayed again, it is logged anew and the old one goes.
    """
    client = connect_mlflow()
    experiment = find_experiment(client, replay.plan.use_case.name)
    period = f"{replay.plan.start:%Y-%m-%d} {replay.plan.end:%Y-%m-%d}"
    ids = []
    for of in found.outcomes:
        name = f"{period} {of.policy}"
        for old in client.search_runs([experiment], f"tags.`{_TAG}` = '{name}'"):
            client.delete_run(old.info.run_id)
        run = client.create_run(experiment, run_name=f"replay {of.policy}", tags={_TAG: name})
        _log(client, run.info.run_id, replay, found, of, spent[of.policy])
        client.log_artifact(run.info.run_id, str(page))
        client.set_terminated(run.info.run_id)
        ids.append(str(run.info.run_id))
    return ids


def _log(
    client: MlflowClient,
    run_id: str,
    replay: Replay,
    found: PolicyComparison,
    of: PolicyOutcome,
    spent: Mapping[str, float],
) -> None:
    from mlflow.entities import Metric, Param

    plan, policy = replay.plan, replay.jobs[of.policy].policy
    own = found.numbers.filter(pl.col("policy") == of.policy).drop_nulls("value")
    metrics = [_metric(plan.start, plan.end, row) for row in own.to_dicts()]
    whole: dict[str, float] = {
        **of.counts, "scored": of.scored, "regret": of.regret, "best_share": of.best,
        "cpu_seconds": sum(spent.values()),
    }  # fmt: skip
    at = int(plan.end.timestamp() * 1000)
    metrics += [Metric(name, value, at, 0) for name, value in whole.items()]
    said = {"start": plan.start.isoformat(), "end": plan.end.isoformat(),
            **policy.model_dump(mode="json")}  # fmt: skip
    client.log_batch(run_id, metrics, [Param(name, str(value)) for name, value in said.items()])


def _metric(start: Any, end: Any, row: Mapping[str, Any]) -> Any:  # noqa: ANN401
    """A number of the whole period, or a week's, by the week's end."""
    from mlflow.entities import Metric

    weekly = (row["start"], row["end"]) != (start, end)
    name = f"weekly_{row['subject']}" if weekly else row["subject"]
    step = (row["end"] - start).days if weekly else 0
    return Metric(name, row["value"], int(row["end"].timestamp() * 1000), step)
