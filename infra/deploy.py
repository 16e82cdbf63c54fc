"""Deployment to a Prefect server that runs elsewhere: in containers, or on another machine."""

from __future__ import annotations

import os
import subprocess
import sys

from configs.errors import BadConfig, CannotStart
from configs.settings import ROOT, settings
from infra import automations, deployed, deployments, work_pools
from infra.environment import check_state, join_server
from infra.preflight import check_s3_addresses
from infra.processes import log_folder, read_last_lines


def deploy(*, schedules: bool) -> list[str]:
    """Apply work pool, deployments and automations to the server of PREFECT_API_URL.

    Return the notification blocks that are configured but missing. Idempotent.

    Raises:
        CannotStart: no server responds.
        BadConfig: an address of the settings cannot be used, prefect.yaml is out of date, or the
            pool exists with another type.
    """
    check_state()
    check_s3_addresses()
    check_deployments()
    if not join_server():
        url = os.environ.get("PREFECT_API_URL", settings().prefect_url)
        raise CannotStart(f"no Prefect server responds at {url}; start it, or set PREFECT_API_URL")
    work_pools.apply_work_pool(settings().work_pool_type)
    return deploy_to_stack(schedules=schedules)


def check_deployments() -> None:
    """Raise BadConfig if prefect.yaml differs from what the use cases define."""
    if not deployments.deployments_are_current():
        raise BadConfig(
            f"{deployments.deployments_path()} is out of date: "
            "run `mainspring deployments --write` and review the changes"
        )


def deploy_to_stack(*, schedules: bool = False) -> list[str]:
    """Apply prefect.yaml and the automations beside it; CannotStart if that fails.

    Return the notification blocks that are configured but missing. Missed runs are only watched
    for with `schedules`.
    """
    _apply_deployments()
    deployed.finish_deployments(schedules=schedules)
    return automations.install_automations(schedules=schedules)


def _apply_deployments() -> None:
    """Run `prefect deploy` from the project's root."""
    log = log_folder() / "deploy.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = ["prefect", "--no-prompt", "deploy", "--all", "--prefect-file"]
    with log.open("wb") as output:
        process = subprocess.run(
            [sys.executable, "-m", *command, str(deployments.deployments_path())],
            cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    if process.returncode:
        raise CannotStart(f"`prefect deploy` failed; {log} ends with\n{read_last_lines(log)}")
