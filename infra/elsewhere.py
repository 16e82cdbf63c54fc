"""Where servers and workers are started by somebody else: containers, another machine."""

from __future__ import annotations

import os

from configs.errors import CannotStart
from configs.settings import settings
from infra import local, pools
from infra.environment import check_state, join
from infra.places import check_places


def deploy(*, schedules: bool) -> list[str]:
    """Tell the server of PREFECT_API_URL of the work pool, the deployments and the automations.

    Done again it changes only what differs. Returns the notification blocks that are configured but
    not there. CannotStart if no server answers; BadConfig if an address of the settings cannot be
    used, prefect.yaml is out of date, or the pool is there with another type.
    """
    check_state()
    check_places()
    local.check_deployments()
    if not join():
        url = os.environ.get("PREFECT_API_URL", settings().prefect_url)
        raise CannotStart(f"no Prefect server answers at {url}; start it, or set PREFECT_API_URL")
    pools.put(settings().work_pool_type)
    return local.deploy(schedules=schedules)
