"""The scoring functions as Prefect tasks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from prefect import get_run_logger, runtime, task

from configs.errors import NoChampion
from configs.schema.use_case import UseCase
from tasks.orchestration.retries import RETRY_TRANSIENT
from tasks.rollout.prediction_log import CONTRIBUTIONS, PREDICTIONS, SHADOWS
from tasks.rollout.routing import Route
from tasks.scoring.batch import find_scoring_routes, list_route_roles
from tasks.scoring.partitions import (
    ScoredPartition,
    collect_table_chunks,
    score_partition_rows,
    split_routes,
)
from tasks.scoring.predictions import write_prediction_table
from tasks.storage import chunks
from tasks.storage.chunks import TimeSpan


@task(task_run_name="pick versions by prediction time", **RETRY_TRANSIENT)
def find_partitions(use_case: UseCase, window: TimeSpan, as_of: datetime) -> list[Route]:
    """Return the partitions of a window; logs the versions of each route.

    A window without any champion is a warning, not an error: it has no partitions.
    """
    log = get_run_logger()
    try:
        routes = find_scoring_routes(use_case, window)
    except NoChampion as error:
        log.warning("%s", error)
        return []
    for route in routes:
        versions = ", ".join(
            f"version {version} as {role}" for version, role in list_route_roles(route).items()
        )
        log.info("from %s to %s: %s", route.start, route.end, versions)
    partitions = split_routes(use_case, routes, as_of)
    log.info("%s partitions", len(partitions))
    return partitions


@task(task_run_name="score {route.start} with champion {route.champion}", **RETRY_TRANSIENT)
def score_partition(
    route: Route, use_case: UseCase, as_of: datetime, folder: str | None
) -> ScoredPartition:
    """Run `score_partition_rows` as a Prefect task; explains flagged rows if the YAML says so."""
    run, explain = str(runtime.flow_run.id), bool(use_case.explanations.flagged)
    return score_partition_rows(
        route, use_case, as_of, run, folder, explain=explain, log=get_run_logger()
    )


@task(task_run_name="write shadows", **RETRY_TRANSIENT)
def write_shadows(
    use_case: UseCase, partitions: Sequence[ScoredPartition], window: TimeSpan
) -> None:
    """Write the shadows of a window, before its predictions; logs the number of rows."""
    _write_table(use_case, SHADOWS, partitions, window)


@task(task_run_name="write predictions", **RETRY_TRANSIENT)
def write_predictions(
    use_case: UseCase, partitions: Sequence[ScoredPartition], window: TimeSpan
) -> int:
    """Write the predictions of a window; returns and logs the number of rows."""
    return _write_table(use_case, PREDICTIONS, partitions, window)


@task(task_run_name="write contributions", **RETRY_TRANSIENT)
def write_contributions(
    use_case: UseCase, partitions: Sequence[ScoredPartition], window: TimeSpan
) -> int:
    """Write the explanations of a window's flagged rows; returns and logs the number of rows."""
    return _write_table(use_case, CONTRIBUTIONS, partitions, window)


@task(task_run_name="remove spill", **RETRY_TRANSIENT)
def remove_spill(folder: str) -> None:
    """Run `chunks.remove_spill` as a Prefect task, once the tables are written."""
    chunks.remove_spill(folder)


def _write_table(
    use_case: UseCase, table: str, partitions: Sequence[ScoredPartition], window: TimeSpan
) -> int:
    parts = collect_table_chunks(table, partitions)
    version = write_prediction_table(use_case, table, parts, window)
    rows = sum(part.height for part in parts)
    get_run_logger().info("%s %s, table version %s", rows, table, version)
    return rows
