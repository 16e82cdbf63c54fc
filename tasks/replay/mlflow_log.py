"""MLflow runs of a replay: one for each policy, in the use case's experiment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from tasks.models.mlflow.client import connect_mlflow, find_experiment
from tasks.replay.compare import PolicyComparison, PolicyOutcome
from tasks.replay.run import Replay

if TYPE_CHECKING:
    from mlflow import MlflowClient


_TAG = "mainspring.replay"


def log_replay(
    replay: Replay,
    comparison: PolicyComparison,
    spent: Mapping[str, Mapping[str, float]],
    page: Path,
) -> list[str]:
    """Log every policy as a run, with its weekly numbers and the report; return the run ids.

    A policy of a replay has one run: logging it again deletes the earlier run.

    Args:
        replay: A finished replay.
        comparison: Its results.
        spent: CPU seconds of each policy, by kind of work.
        page: The HTML report.
    """
    client = connect_mlflow()
    experiment = find_experiment(client, replay.plan.use_case.name)
    period = f"{replay.plan.start:%Y-%m-%d} {replay.plan.end:%Y-%m-%d}"
    ids = []
    for outcome in comparison.outcomes:
        name = f"{period} {outcome.policy}"
        for old in client.search_runs([experiment], f"tags.`{_TAG}` = '{name}'"):
            client.delete_run(old.info.run_id)
        run = client.create_run(experiment, run_name=f"replay {outcome.policy}", tags={_TAG: name})
        _log_policy(client, run.info.run_id, replay, comparison, outcome, spent[outcome.policy])
        client.log_artifact(run.info.run_id, str(page))
        client.set_terminated(run.info.run_id)
        ids.append(str(run.info.run_id))
    return ids


def _log_policy(
    client: MlflowClient,
    run_id: str,
    replay: Replay,
    comparison: PolicyComparison,
    outcome: PolicyOutcome,
    spent: Mapping[str, float],
) -> None:
    from mlflow.entities import Metric, Param

    plan, policy = replay.plan, replay.jobs[outcome.policy].policy
    own = comparison.numbers.filter(pl.col("policy") == outcome.policy).drop_nulls("value")
    metrics = [_build_metric(plan.start, plan.end, row) for row in own.to_dicts()]
    whole: dict[str, float] = {
        **outcome.counts, "scored": outcome.scored, "regret": outcome.regret,
        "best_share": outcome.best, "cpu_seconds": sum(spent.values()),
    }  # fmt: skip
    at = int(plan.end.timestamp() * 1000)
    metrics += [Metric(name, value, at, 0) for name, value in whole.items()]
    params = {"start": plan.start.isoformat(), "end": plan.end.isoformat(),
            **policy.model_dump(mode="json")}  # fmt: skip
    client.log_batch(run_id, metrics, [Param(name, str(value)) for name, value in params.items()])


def _build_metric(start: Any, end: Any, row: Mapping[str, Any]) -> Any:  # noqa: ANN401
    """Return a number of the whole period or of a week, at its end, as an MLflow metric."""
    from mlflow.entities import Metric

    weekly = (row["start"], row["end"]) != (start, end)
    name = f"weekly_{row['subject']}" if weekly else row["subject"]
    step = (row["end"] - start).days if weekly else 0
    return Metric(name, row["value"], int(row["end"].timestamp() * 1000), step)
