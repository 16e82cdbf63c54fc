"""Flow runs of the Prefect server: list, find, resume, and whether they are alive."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from configs.settings import settings
from infra.deployments import FLOWS, deployment_name

_LATEST = 200  # runs to search; Prefect cannot filter by parameter


@dataclass(frozen=True)
class FlowRun:
    """A flow run: its parameters, its end (None while it waits or runs), and whether it is
    suspended until a person decides.
    """

    id: str
    parameters: dict[str, Any]
    ended: datetime | None
    suspended: bool = False


def list_flow_runs(flow: str, use_case: str) -> list[FlowRun]:
    """Return the latest runs of a use case's deployment, newest first; none if it has none."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import (
        DeploymentFilter,
        DeploymentFilterName,
        FlowFilter,
        FlowFilterName,
    )
    from prefect.client.schemas.sorting import FlowRunSort

    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(
            flow_filter=FlowFilter(name=FlowFilterName(any_=[flow])),
            deployment_filter=DeploymentFilter(
                name=DeploymentFilterName(any_=[deployment_name(use_case, flow)])
            ),
            sort=FlowRunSort.EXPECTED_START_TIME_DESC,
            limit=_LATEST,
        )
    return [
        FlowRun(str(run.id), run.parameters, _find_end(run), _is_suspended(run)) for run in runs
    ]


def find_suspended_run(flow: str, use_case: str, version: int | None) -> FlowRun | None:
    """Return the suspended run of a version; None if there is none."""
    suspended = (run for run in list_flow_runs(flow, use_case) if run.suspended)
    return next((run for run in suspended if run.parameters.get("version") == version), None)


def delete_deployments(use_case: str) -> int:
    """Delete all deployments of a use case; return their number."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName

    with get_client(sync_client=True) as client:
        names = [deployment_name(use_case, flow) for flow in FLOWS]
        wanted = DeploymentFilter(name=DeploymentFilterName(any_=[use_case, *names]))
        existing = client.read_deployments(deployment_filter=wanted)
        for deployment in existing:
            client.delete_deployment(deployment.id)
    return len(existing)


def resume_run(run_id: str, answer: dict[str, Any]) -> bool:
    """Resume a suspended run with the content of its form; return whether Prefect accepts it."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.responses import SetStateStatus

    with get_client(sync_client=True) as client:
        return client.resume_flow_run(UUID(run_id), answer).status == SetStateStatus.ACCEPT


def build_run_page() -> str:
    """Return the address of this flow run on the Prefect server; empty outside of a run."""
    from prefect import runtime

    run_id = runtime.flow_run.id
    return f"{settings().prefect_url}/runs/flow-run/{run_id}" if run_id else ""


def is_run_alive(run_id: str) -> bool:
    """Return whether a flow run waits or runs; an unknown run does not."""
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound

    with get_client(sync_client=True) as client:
        try:
            return _find_end(client.read_flow_run(UUID(run_id))) is None
        except ObjectNotFound:
            return False


def _is_suspended(run: Any) -> bool:  # noqa: ANN401
    return run.state is not None and run.state.is_paused()


def _find_end(run: Any) -> datetime | None:  # noqa: ANN401
    """Return when a run reached its final state.

    A run that never started has no end time, only the time of that state.
    """
    if run.state is None or not run.state.is_final():
        return None
    ended: datetime = run.end_time or run.state.timestamp
    return ended
