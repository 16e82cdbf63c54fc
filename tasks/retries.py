"""When Prefect may try a task again."""

from typing import Any

from prefect import Task
from prefect.client.schemas.objects import State, TaskRun

from configs.errors import Transient


def is_transient(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Whether a task failed by an error that may not come again (a `retry_condition_fn`)."""
    return isinstance(state.result(raise_on_failure=False), Transient)
