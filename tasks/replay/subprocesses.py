"""Processes of a replay, each on its own folder, started here or by a Dask worker.

A worker starts the same process on the same folder as this machine would. So policies on one worker
share nothing, and progress and logs have the same place. The workers must reach the folder under
the same path.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

from configs.errors import BadConfig, Terminal
from configs.settings import settings
from tasks.replay.plan import ReplayPlan

_LAST_LINES = 12


def run_policy_process(place: Path, plan: ReplayPlan, folder: Path) -> Terminal | None:
    """Run the unfinished steps of a policy; return an error, so that other policies continue.

    Args:
        place: The folder of the policy.
        plan: The plan of the replay.
        folder: The folder of the replay.
    """
    if not (place / "job.json").exists():
        return BadConfig(
            f"{place} not found on {socket.gethostname()}. A replay on several machines needs a "
            "`MAINSPRING_STATE` that all of them reach under the same path"
        )
    try:
        run_module("tasks.replay.policy_worker", place, plan, folder)
    except Terminal as error:
        return error
    return None


def run_module(module: str, place: Path, plan: ReplayPlan, folder: Path) -> None:
    """Run a module in a process of the replay; raise Terminal with the end of its log if it fails.

    The process is killed when the caller's task is cancelled.

    Args:
        module: The module, run with `python -m`.
        place: The folder that it works in, its only argument.
        plan: The plan of the replay.
        folder: The folder of the replay.
    """
    with (place / "log").open("a+") as log:
        log_start = log.tell()
        process = subprocess.Popen(
            [sys.executable, "-m", module, str(place)],
            env=plan.environment(folder, place / "state"),
            cwd=place, stdout=subprocess.PIPE, stderr=log, text=True,
        )  # fmt: skip
        try:
            with process as running:
                for _ in running.stdout or ():  # a line a step
                    if not _is_awaited():
                        process.kill()
        finally:
            process.kill()
        log.seek(log_start)
        if process.returncode:
            lines = "".join(log.readlines()[-_LAST_LINES:]).strip()
            raise Terminal(f"{place.name} failed. The whole log is in {place / 'log'}:\n{lines}")


def _is_awaited() -> bool:
    """Return whether the task was not cancelled; Dask does not stop a running task by itself."""
    if settings().engine == "local":
        return True
    from distributed import get_worker

    try:
        worker = get_worker()
    except ValueError:  # outside a worker: a single policy runs here
        return True
    return bool(worker.state.tasks[worker.get_current_task()].state != "cancelled")
