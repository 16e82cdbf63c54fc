"""The feature functions as Prefect tasks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl
from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from configs.schema.use_case import UseCase
from tasks.features import online_store, retrieval
from tasks.orchestration.retries import RETRY_TRANSIENT


@task(task_run_name="build training set", cache_policy=NO_CACHE)
def build_training_set(
    use_case: UseCase, start: datetime, end: datetime, as_of: datetime
) -> pl.DataFrame:
    """Run `retrieval.build_training_set` as a Prefect task; logs the number of rows."""
    rows = retrieval.build_training_set(use_case, start, end, as_of)
    get_run_logger().info("%s labelled rows predicted in [%s, %s)", rows.height, start, end)
    return rows


@task(task_run_name="publish features", **RETRY_TRANSIENT)
def publish_features(use_case: UseCase, as_of: datetime) -> pl.DataFrame:
    """Run `feast_store.publish_features` as a Prefect task; warns about stale views.

    Returns the age of each view, as `feast_store.measure_staleness` does.
    """
    online_store.publish_features(use_case, as_of)
    ages = online_store.measure_staleness(use_case, as_of)
    for row in ages.filter("stale").iter_rows(named=True):
        get_run_logger().warning("%s is stale online: newest is %s", row["view"], row["newest"])
    return ages


@task(task_run_name="publish views", **RETRY_TRANSIENT)
def publish_views(use_case: UseCase, names: Sequence[str], as_of: datetime) -> None:
    """Publish some views to the online store, as `online_store.publish_features` does."""
    online_store.publish_features(use_case, as_of, names)
    get_run_logger().info("published online: %s", ", ".join(names))
