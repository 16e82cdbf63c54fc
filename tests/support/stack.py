"""The servers that `mainspring up` starts, for the time of a block."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.state import forget


@contextmanager
def run_stack(
    *, mlflow: bool = False, reports: bool = False, deployed: bool = True
) -> Iterator[dict[str, str]]:
    """Start the stack of the present state on free ports; yield the addresses of its servers.

    Args:
        mlflow: whether MLflow's server is one of them.
        reports: whether the server of the reports is one of them.
        deployed: whether the deployments that ship are created.
    """
    from infra import deployments, environment, stack

    before = dict(os.environ)
    deployments.write_deployments()
    try:
        started = stack.up(
            mlflow=mlflow, reports=reports, free_ports=True, schedules=False, deployed=deployed
        )
        yield started.addresses
    finally:
        environment.leave_environment()
        stack.down()
        os.environ.clear()
        os.environ.update(before)
        forget()
