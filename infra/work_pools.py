"""Work pool of all deployments: one name everywhere, of type process, docker or kubernetes.

`pools/<type>.json` is Prefect's base job template: what the worker fills in for each run. Command,
environment, image, network and folders are fixed in it, so no run and no deployment can change
them; Prefect refuses other variables. Resources, labels and the like may be set for each run. The
templates are Prefect's own (process 3.8, prefect-docker 0.7, prefect-kubernetes 0.8), reduced to
what Mainspring sets.

The Prefect server holds no secret. In Kubernetes the container reads its own Secret; for Docker the
template has only names of variables, `{{ $NAME }}`, and the worker's environment has the values.
"""

from __future__ import annotations

import json
from typing import Any

from configs.errors import BadConfig
from configs.settings import ROOT, settings
from infra.deployments import WORK_POOL


def read_template(kind: str) -> dict[str, Any]:
    """Return the base job template of a type of pool; BadConfig if its image is not set."""
    template: dict[str, Any] = json.loads((ROOT / "infra" / "pools" / f"{kind}.json").read_text())
    container = _find_container(kind, template["job_configuration"])
    if container is not None:
        if not settings().image:
            raise BadConfig(f"a {kind} pool needs MAINSPRING_IMAGE; set it to the image of runs")
        container["image"] = settings().image
    return template


def _find_container(kind: str, configuration: dict[str, Any]) -> dict[str, Any] | None:
    """Return the part of a job configuration that names the image; None for processes."""
    if kind == "process":
        return None
    if kind == "docker":
        return configuration
    pod = configuration["job_manifest"]["spec"]["template"]["spec"]
    container: dict[str, Any] = pod["containers"][0]
    return container


def apply_work_pool(kind: str) -> None:
    """Create the work pool, or update its base job template.

    BadConfig if the server has the pool with another type, which cannot be changed.
    """
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
    from prefect.exceptions import ObjectNotFound

    template = read_template(kind)
    with get_client(sync_client=True) as client:
        try:
            existing = client.read_work_pool(WORK_POOL)
        except ObjectNotFound:
            client.create_work_pool(
                WorkPoolCreate(name=WORK_POOL, type=kind, base_job_template=template)
            )
            return
        if existing.type != kind:
            raise BadConfig(
                f"work pool {WORK_POOL!r} already exists with type {existing.type}, not {kind}: "
                "change MAINSPRING_WORK_POOL_TYPE, or run "
                f"`prefect work-pool delete {WORK_POOL}` first"
            )
        if existing.base_job_template != template:
            client.update_work_pool(WORK_POOL, WorkPoolUpdate(base_job_template=template))
