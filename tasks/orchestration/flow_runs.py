"""Which flow runs Prefect has for what the ledger waits for, and whether they still do a thing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

_LATEST = 200  # runs that are looked at; Prefect cannot search by parameter


@dataclass(frozen=True)
class FlowRun:
    """A flow run: what it was started with, when it ended (None while it waits or runs), and
    whether it is suspended until a person answers.
    """

    id: str
    parameters: dict[str, Any]
    ended: datetime | None
    suspended: bool = False


def list_flow_runs(flow: str, deployment: str) -> list[FlowRun]:
    """The latest runs of a deployment, newest first; none if the server does not know it."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import (
        DeploymentFilter,
        DeploymentFilterName,
        FlowFilter,
        FlowFilterName,
    )
    from prefect.client.schemas.sorting import FlowRunSort

    with get_client(sync_client=True) as client:
        found = client.read_flow_runs(
            flow_filter=FlowFilter(name=FlowFilterName(any_=[flow])),
            deployment_filter=DeploymentFilter(name=DeploymentFilterName(any_=[deployment])),
            sort=FlowRunSort.EXPECTED_START_TIME_DESC,
            limit=_LATEST,
        )
    return [FlowRun(str(run.id), run.parameters, _ended(run), _suspended(run)) for run in found]


def find_suspended_run(flow: str, deployment: str, version: int | None) -> FlowRun | None:
    """The run about a version that waits for a person; None if none does."""
    found = (run for run in list_flow_runs(flow, deployment) if run.suspended)
    return next((run for run in found if run.parameters.get("version") == version), None)


def resume_run(run_id: str, answer: dict[str, Any]) -> bool:
    """Let a suspended run go on with a filled-in form; whether Prefect takes it."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.responses import SetStateStatus

    with get_client(sync_client=True) as client:
        return client.resume_flow_run(UUID(run_id), answer).status == SetStateStatus.ACCEPT


def is_run_alive(run_id: str) -> bool:
    """Whether a flow run waits or runs; a run that the server does not know is none."""
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound

    with get_client(sync_client=True) as client:
        try:
            return _ended(client.read_flow_run(UUID(run_id))) is None
        except ObjectNotFound:
            return False


def _suspended(run: Any) -> bool:  # noqa: ANN401
    return run.state is not None and run.state.is_paused()


def _ended(run: Any) -> datetime | None:  # noqa: ANN401
    """When a run reached its last state; a run that never started has that state's time only."""
    if run.state is None or not run.state.is_final():
        return None
    ended: datetime = run.end_time or run.state.timestamp
    return ended
