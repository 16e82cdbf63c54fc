"""The work pool that all deployments go to: of one name everywhere, process, docker or kubernetes.

What a run gets is in pools/<type>.json, Prefect's base job template, which the worker fills in for
each run. No secret is kept on the Prefect server: Kubernetes puts its own Secret into the
container, and of Docker's variables the template has only the names, `{{ $NAME }}`, whose values
the worker takes from its own environment. The templates are Prefect's own (process 3.8,
prefect-docker 0.7, prefect-kubernetes 0.8), cut down to what Mainspring sets; the command and the
environment that all runs share come with the deployments.
"""

from __future__ import annotations

import json
from typing import Any

from configs.errors import BadConfig
from configs.settings import ROOT, settings
from infra.deployments import WORK_POOL


def template(kind: str) -> dict[str, Any]:
    """The base job template of a type of pool; BadConfig if it needs an image and none is set."""
    found: dict[str, Any] = json.loads((ROOT / "infra" / "pools" / f"{kind}.json").read_text())
    image = found["variables"]["properties"].get("image")
    if image is not None:
        if not settings().image:
            raise BadConfig(f"a {kind} pool needs MAINSPRING_IMAGE, the image that runs start from")
        image["default"] = settings().image
    return found


def put(kind: str) -> None:
    """Make the work pool of this type, or bring its base job template up to date.

    BadConfig if the server has it with another type, which no pool can change.
    """
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
    from prefect.exceptions import ObjectNotFound

    wanted = template(kind)
    with get_client(sync_client=True) as client:
        try:
            there = client.read_work_pool(WORK_POOL)
        except ObjectNotFound:
            client.create_work_pool(
                WorkPoolCreate(name=WORK_POOL, type=kind, base_job_template=wanted)
            )
            return
        if there.type != kind:
            raise BadConfig(
                f"the work pool {WORK_POOL!r} is of type {there.type}, wanted is {kind}: change "
                f"MAINSPRING_WORK_POOL_TYPE, or `prefect work-pool delete {WORK_POOL}` first"
            )
        if there.base_job_template != wanted:
            client.update_work_pool(WORK_POOL, WorkPoolUpdate(base_job_template=wanted))
