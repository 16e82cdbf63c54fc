"""Retry settings of Prefect tasks: keywords for `@task`."""

from __future__ import annotations

from typing import Any

from prefect import Task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun

from configs.errors import MainspringError, Transient
from configs.settings import settings
from infra.storage.errors import explain_s3_error


def is_transient(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Return whether a task's error may pass on a retry (a `retry_condition_fn`).

    An unresponsive S3 counts, even while rows are read, where its error is not translated yet.
    """
    error = state.result(raise_on_failure=False)
    if not isinstance(error, MainspringError):
        error = explain_s3_error(error, settings().lake)
    return isinstance(error, Transient)


RETRY_TRANSIENT: dict[str, Any] = {
    "cache_policy": NO_CACHE,
    "retries": 5,
    "retry_delay_seconds": [1, 2, 4, 8, 15],  # long enough for a database to restart
    "retry_condition_fn": is_transient,
}
"""For tasks that use lake, ledger, registry or online store.

Another writer may have been first, or a server may be down. All of these tasks are idempotent.
"""
