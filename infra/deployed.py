"""Finish of deployments on the Prefect server: forms, schedules, and names of old releases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from infra.deployments import FLOWS, WORK_POOL, deployment_name

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.responses import DeploymentResponse

_PAGE = 200  # deployments that the server returns at once


def finish_deployments(*, schedules: bool) -> None:
    """Fix `use_case` in the form of each deployment, and show schedules as on or off.

    Deployments with the names of an earlier release are deleted, with their automations: their
    schedules would run too.
    """
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import DeploymentUpdate

    with get_client(sync_client=True) as client:
        for deployment in list(_list_deployments(client)):
            use_case = deployment.parameters.get("use_case")
            if use_case is None:
                continue
            if deployment.name not in [deployment_name(use_case, flow) for flow in FLOWS]:
                client.delete_resource_owned_automations(f"prefect.deployment.{deployment.id}")
                client.delete_deployment(deployment.id)
                continue
            schema = _fix_use_case(deployment.parameter_openapi_schema or {}, use_case)
            client.update_deployment(
                deployment.id, DeploymentUpdate(parameter_openapi_schema=schema)
            )
            for each in deployment.schedules:
                if each.active != schedules:
                    client.update_deployment_schedule(deployment.id, each.id, active=schedules)


def _list_deployments(client: SyncPrefectClient) -> Iterator[DeploymentResponse]:
    from prefect.client.schemas.filters import WorkPoolFilter, WorkPoolFilterName

    pool = WorkPoolFilter(name=WorkPoolFilterName(any_=[WORK_POOL]))
    offset = 0
    while page := client.read_deployments(work_pool_filter=pool, limit=_PAGE, offset=offset):
        yield from page
        offset += len(page)


def _fix_use_case(schema: dict[str, Any], use_case: str) -> dict[str, Any]:
    """Return a form's schema in which the use case has one value."""
    properties = schema.get("properties", {})
    fixed = {**properties.get("use_case", {}), "enum": [use_case], "default": use_case}
    return {**schema, "properties": {**properties, "use_case": fixed}}
