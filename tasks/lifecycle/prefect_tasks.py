"""The checks of the state as Prefect tasks."""

from __future__ import annotations

from datetime import datetime

from prefect import get_run_logger, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE

from configs.errors import Damaged
from configs.schema.use_case import UseCase
from tasks.lifecycle import verification


@task(task_run_name="verify state", cache_policy=NO_CACHE)
def verify_state(use_case: UseCase, as_of: datetime) -> list[str]:
    """Verify all of the state; log and publish the damages, and return the repaired ones.

    Raises Damaged if a file has to be replaced by a person.
    """
    damages = verification.verify_state(use_case, as_of)
    for damage in damages:
        get_run_logger().error("%s", damage)
    if damages:
        create_table_artifact(
            [{"file": d.file, "problem": d.problem, "remedy": d.remedy} for d in damages],
            key=f"{use_case.slug}-damaged",
            description=f"Damaged files, verified at {as_of}",
        )
    lost = [str(damage) for damage in damages if not damage.repaired]
    if lost:
        raise Damaged("; ".join(lost))
    return [str(damage) for damage in damages]
