"""Flow runs that a person starts: create one from its deployment, follow it, list its pages."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from configs.errors import BadConfig
from infra.deployments import deployment_name

_POLL_SECONDS = 1.0  # a shorter pause makes SQLite's server slow
_LINK = re.compile(r"\]\((https?://[^)\s]+)\)")


@dataclass(frozen=True)
class StartedRun:
    """A flow run as it is now: its state in words, and the number of its finished tasks."""

    id: str
    name: str
    state: str
    message: str
    is_final: bool
    is_suspended: bool
    finished_tasks: int

    @property
    def succeeded(self) -> bool:
        """Whether the run ended as it should; a run with lost rows has another state's name."""
        return self.state in ("Completed", "Cached")


def start_run(flow: str, use_case: str, parameters: Mapping[str, Any]) -> str:
    """Create a run of a use case's deployment; return its id.

    Raises:
        BadConfig: the deployment does not exist, or the server refuses a parameter.
    """
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

    name = f"{flow}/{deployment_name(use_case, flow)}"
    with get_client(sync_client=True) as client:
        try:
            deployment = client.read_deployment_by_name(name)
            run = client.create_flow_run_from_deployment(
                deployment.id, parameters=dict(parameters), tags=list(deployment.tags)
            )
        except ObjectNotFound as missing:
            raise BadConfig(f"{name} is not deployed; run mainspring deploy") from missing
        except PrefectHTTPStatusError as refused:
            raise BadConfig(f"{name}: {_read_detail(refused)}") from refused
    return str(run.id)


def follow_run(run_id: str) -> Iterator[StartedRun]:
    """Yield a run about once a second, until it has ended or waits for a person."""
    while True:
        run = read_run(run_id)
        yield run
        if run.is_final or run.is_suspended:
            return
        time.sleep(_POLL_SECONDS)


def read_run(run_id: str) -> StartedRun:
    """Return a run as the server has it now."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

    with get_client(sync_client=True) as client:
        run = client.read_flow_run(UUID(run_id))
        own = FlowRunFilter(id=FlowRunFilterId(any_=[UUID(run_id)]))
        tasks = client.read_task_runs(flow_run_filter=own, limit=200)
    state = run.state
    return StartedRun(
        run_id,
        run.name,
        state.name or "" if state else "Pending",
        state.message or "" if state else "",
        state is not None and state.is_final(),
        state is not None and state.is_paused(),
        sum(each.state is not None and each.state.is_final() for each in tasks),
    )


def list_run_pages(run_id: str, server: str) -> dict[str, str]:
    """Return the addresses of a run: its own page, and those of its artifacts and their links.

    Args:
        run_id: The run.
        server: Root address of the Prefect server.
    """
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId

    wanted = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[UUID(run_id)]))
    with get_client(sync_client=True) as client:
        artifacts = client.read_artifacts(artifact_filter=wanted)
    pages = {"run": f"{server}/runs/flow-run/{run_id}"}
    for artifact in artifacts:
        links = _LINK.findall(artifact.data) if isinstance(artifact.data, str) else []
        is_link = len(links) == 1 and len(str(artifact.data)) < 2 * len(links[0]) + 200
        page = f"{server}/artifacts/artifact/{artifact.id}"
        pages[artifact.key or str(artifact.id)] = links[0] if is_link else page
    return pages


def _read_detail(refused: Any) -> str:  # noqa: ANN401
    try:
        return str(refused.response.json().get("detail", refused))
    except ValueError:
        return str(refused)
