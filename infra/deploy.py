"""Where servers and workers are started by somebody else: containers, another machine."""

from __future__ import annotations

import os
import subprocess
import sys

from configs.errors import BadConfig, CannotStart
from configs.settings import ROOT, settings
from infra import automations, deployments, work_pools
from infra.environment import check_state, join
from infra.preflight import check_places
from infra.processes import last_lines, log_folder


def deploy(*, schedules: bool) -> list[str]:
    """Tell the server of PREFECT_API_URL of the work pool, the deployments and the automations.

    Done again it changes only what differs. Returns the notification blocks that are configured but
    not there. CannotStart if no server answers; BadConfig if an address of the settings cannot be
    used, prefect.yaml is out of date, or the pool is there with another type.
    """
    check_state()
    check_places()
    check_deployments()
    if not join():
        url = os.environ.get("PREFECT_API_URL", settings().prefect_url)
        raise CannotStart(f"no Prefect server answers at {url}; start it, or set PREFECT_API_URL")
    work_pools.put(settings().work_pool_type)
    return deploy_to_stack(schedules=schedules)


def check_deployments() -> None:
    """BadConfig if prefect.yaml is not what the use cases ask for."""
    if not deployments.is_current():
        raise BadConfig(
            f"{deployments.path()} is not what the use cases ask for: "
            "run `mainspring deployments --write` and look at what changed"
        )


def deploy_to_stack(*, schedules: bool = False) -> list[str]:
    """Apply prefect.yaml and the automations that stand beside it; CannotStart if that fails.

    Returns the notification blocks that are configured but not there. Only with `schedules` does
    anybody wait for what runs by the clock.
    """
    _deploy()
    return automations.install(schedules=schedules)


def _deploy() -> None:
    """Apply prefect.yaml as anybody would, from the project's root."""
    log = log_folder() / "deploy.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = ["prefect", "--no-prompt", "deploy", "--all", "--prefect-file"]
    with log.open("wb") as output:
        done = subprocess.run(
            [sys.executable, "-m", *command, str(deployments.path())],
            cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    if done.returncode:
        raise CannotStart(f"the deployments were not applied; {log} ends with\n{last_lines(log)}")
