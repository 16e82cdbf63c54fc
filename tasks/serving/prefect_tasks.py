"""The functions on logged requests as Prefect tasks."""

from __future__ import annotations

from datetime import datetime

from prefect import get_run_logger, task

from configs.schema.use_case import UseCase
from tasks.orchestration.retries import RETRY_TRANSIENT
from tasks.serving.spooled import retention


@task(task_run_name="remove old requests", **RETRY_TRANSIENT)
def remove_old_requests(use_case: UseCase, as_of: datetime) -> int:
    """Run `retention.remove_old_requests` as a Prefect task; logs the number of rows."""
    removed = retention.remove_old_requests(use_case, as_of)
    if removed:
        get_run_logger().info("%s rows older than serving.log.keep removed", removed)
    return removed
