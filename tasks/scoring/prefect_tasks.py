"""The scoring functions as Prefect tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import polars as pl
from prefect import get_run_logger, runtime, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from configs.errors import NoChampion
from configs.schema.use_case import UseCase
from tasks.orchestration.retries import RETRY_TRANSIENT
from tasks.rollout.prediction_log import CONTRIBUTIONS, PREDICTIONS, SHADOWS
from tasks.rollout.routing import Route, list_route_roles
from tasks.scoring import logged_predictions, plan, summary
from tasks.scoring.partitions import ScoredPartition, score_partition_rows
from tasks.scoring.plan import ScoringPlan, write_scored_rows
from tasks.storage import chunks
from tasks.storage.chunks import TimeSpan


@task(task_run_name="plan the run", **RETRY_TRANSIENT)
def plan_scoring(use_case: UseCase, as_of: datetime, window: str | None) -> ScoringPlan | None:
    """Run `plan_scoring` as a Prefect task; logs the versions of each partition.

    Prediction times without any champion are a warning, not an error: they have no plan.
    """
    log = get_run_logger()
    try:
        planned = plan.plan_scoring(use_case, as_of, window)
    except NoChampion as error:
        log.warning("%s", error)
        return None
    for route in planned.partitions:
        versions = ", ".join(
            f"version {version} as {role}" for version, role in list_route_roles(route).items()
        )
        log.info("from %s to %s: %s", route.start, route.end, versions)
    log.info("%s partitions in [%s, %s)", len(planned.partitions), *planned.span)
    return planned


@task(task_run_name="score {route.start} with champion {route.champion}", **RETRY_TRANSIENT)
def score_partition(
    route: Route,
    use_case: UseCase,
    as_of: datetime,
    folder: str | None,
    due_in: TimeSpan | None,
) -> ScoredPartition:
    """Run `score_partition_rows` as a Prefect task; explains flagged rows if the YAML says so."""
    run, explain = str(runtime.flow_run.id), bool(use_case.explanations.flagged)
    return score_partition_rows(
        route, use_case, as_of, run, folder, due_in=due_in, explain=explain, log=get_run_logger()
    )


@task(task_run_name="write shadows", **RETRY_TRANSIENT)
def write_shadows(plan: ScoringPlan, partitions: Sequence[ScoredPartition]) -> int:
    """Write the shadows of a run, before its predictions; returns and logs the number of rows."""
    return _write_table(plan, SHADOWS, partitions)


@task(task_run_name="write contributions", **RETRY_TRANSIENT)
def write_contributions(plan: ScoringPlan, partitions: Sequence[ScoredPartition]) -> int:
    """Write the explanations of flagged rows, before their predictions; returns their number."""
    return _write_table(plan, CONTRIBUTIONS, partitions)


@task(task_run_name="write predictions", **RETRY_TRANSIENT)
def write_predictions(plan: ScoringPlan, partitions: Sequence[ScoredPartition]) -> int:
    """Write the predictions of a run, after all else; returns and logs the number of rows."""
    return _write_table(plan, PREDICTIONS, partitions)


@task(task_run_name="publish scored rows", cache_policy=NO_CACHE)
def publish_scored(
    use_case: UseCase, partitions: Sequence[ScoredPartition], as_of: datetime, seconds: float
) -> None:
    """Publish rows, versions, arms, decisions and histogram of a run as an artifact."""
    line, text = summary.render_scored(use_case, partitions, seconds)
    create_markdown_artifact(
        text, key=f"{use_case.slug}-scored", description=f"{as_of:%Y-%m-%d}: {line}"
    )


@task(task_run_name="remove spill", **RETRY_TRANSIENT)
def remove_spill(folder: str) -> None:
    """Run `chunks.remove_spill` as a Prefect task, once the tables are written."""
    chunks.remove_spill(folder)


@task(task_run_name="append logged predictions", **RETRY_TRANSIENT)
def append_logged_predictions(
    use_case: UseCase, batches: Mapping[str, pl.DataFrame], as_of: datetime
) -> int:
    """Run `logged_predictions.append_logged_predictions` as a Prefect task; logs their number."""
    rows = logged_predictions.append_logged_predictions(use_case, batches, as_of)
    get_run_logger().info("%s predictions of logged requests appended", rows)
    return rows


def _write_table(plan: ScoringPlan, table: str, partitions: Sequence[ScoredPartition]) -> int:
    rows = write_scored_rows(plan, table, partitions)
    get_run_logger().info("%s %s written", rows, table)
    return rows
