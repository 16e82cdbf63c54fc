"""The overview functions as Prefect tasks."""

from __future__ import annotations

from datetime import datetime

from prefect import get_run_logger, task
from prefect.artifacts import create_link_artifact

from configs.schema.use_case import UseCase
from tasks.orchestration.retries import RETRY_TRANSIENT
from tasks.overview import write
from tasks.storage import files


@task(task_run_name="write overview", **RETRY_TRANSIENT)
def write_overview(use_case: UseCase, as_of: datetime) -> str:
    """Run `write_overview` as a Prefect task, and publish a link to the model's page."""
    address = write.write_overview(use_case, as_of)
    page = f"{address.removesuffix('index.html')}{use_case.name}/index.html"
    get_run_logger().info("overview: %s", files.link_to(page))
    create_link_artifact(
        files.link_to(page),
        f"Overview of {use_case.name}",
        key=f"overview-{use_case.slug}",
        description=f"{use_case.title} Metric, cost, drift, alerts and versions of all windows",
    )
    return address
