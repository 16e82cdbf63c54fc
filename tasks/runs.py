"""Which flow runs Prefect has for an alert or a candidate, and whether they still do something."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

_LATEST = 200  # runs that are looked at; Prefect cannot search by parameter


@dataclass(frozen=True)
class Run:
    """A flow run: what it was started with, and when it ended; None while it waits or runs."""

    id: str
    parameters: dict[str, Any]
    ended: datetime | None


def latest_runs(flow: str, deployment: str) -> list[Run]:
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
    return [Run(str(run.id), run.parameters, _ended(run)) for run in found]


def is_alive(run_id: str) -> bool:
    """Whether a flow run waits or runs; a run that the server does not know is none."""
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound

    with get_client(sync_client=True) as client:
        try:
            return _ended(client.read_flow_run(UUID(run_id))) is None
        except ObjectNotFound:
            return False


def _ended(run: Any) -> datetime | None:  # noqa: ANN401
    """When a run reached its last state; a run that never started has that state's time only."""
    if run.state is None or not run.state.is_final():
        return None
    ended: datetime = run.end_time or run.state.timestamp
    return ended
