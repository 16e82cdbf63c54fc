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
from tasks.scoring.batch import route_roles, routes_in
from tasks.scoring.partitions import (
    ScoredPartition,
    score_partition_rows,
    split_routes,
    table_chunks,
)
from tasks.scoring.predictions import write_prediction_table
from tasks.storage import chunks
from tasks.storage.chunks import TimeSpan


@task(task_run_name="who answers when", **RETRY_TRANSIENT)
def find_partitions(use_case: UseCase, window: TimeSpan, as_of: datetime) -> list[Route]:
    """The casts of a window, cut; a window without any champion is a warning, not an error."""
    log = get_run_logger()
    try:
        casts = routes_in(use_case, window)
    except NoChampion as nobody:
        log.warning("%s", nobody)
        return []
    for cast in casts:
        told = ", ".join(
            f"version {version} as {role}" for version, role in route_roles(cast).items()
        )
        log.info("from %s to %s: %s", cast.start, cast.end, told)
    found = split_routes(use_case, casts, as_of)
    log.info("%s partitions", len(found))
    return found


@task(task_run_name="score {cast.start} with champion {cast.champion}", **RETRY_TRANSIENT)
def score_partition(
    cast: Route, use_case: UseCase, as_of: datetime, folder: str | None
) -> ScoredPartition:
    """As `answer`, seen by Prefect, with reasons if the YAML asks for them."""
    run, explain = str(runtime.flow_run.id), bool(use_case.explanations.flagged)
    return score_partition_rows(
        cast, use_case, as_of, run, folder, explain=explain, log=get_run_logger()
    )


@task(task_run_name="write shadows", **RETRY_TRANSIENT)
def write_shadows(use_case: UseCase, answered: Sequence[ScoredPartition], window: TimeSpan) -> None:
    """The answers that are not used, before the ones that are: no used row misses its shadow."""
    _write(use_case, SHADOWS, answered, window)


@task(task_run_name="write predictions", **RETRY_TRANSIENT)
def write_predictions(
    use_case: UseCase, answered: Sequence[ScoredPartition], window: TimeSpan
) -> int:
    """The answers that are used; the number of rows."""
    return _write(use_case, PREDICTIONS, answered, window)


@task(task_run_name="write contributions", **RETRY_TRANSIENT)
def write_contributions(
    use_case: UseCase, answered: Sequence[ScoredPartition], window: TimeSpan
) -> int:
    """What explains the flagged rows of the window; the number of rows written."""
    return _write(use_case, CONTRIBUTIONS, answered, window)


@task(task_run_name="clear what was put aside", **RETRY_TRANSIENT)
def remove_spill(folder: str) -> None:
    """What the partitions put aside is in the tables now."""
    chunks.remove_spill(folder)


def _write(
    use_case: UseCase, table: str, answered: Sequence[ScoredPartition], window: TimeSpan
) -> int:
    parts = table_chunks(table, answered)
    version = write_prediction_table(use_case, table, parts, window)
    rows = sum(part.height for part in parts)
    get_run_logger().info("%s %s, table version %s", rows, table, version)
    return rows
