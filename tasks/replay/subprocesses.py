"""The processes of a replay, each on a folder of its own, started here or by a Dask worker alike.

A worker starts what this machine would start, on the same folder: nothing is shared by policies
that one worker plays, and how far each is, what to go on from and its log are where they always
are. So the workers must find the folder under the same path.
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
    """Play what is left of the policy whose folder is `place`; what went wrong, if something did,
    for the others are to be played to their end.
    """
    if not (place / "job.json").exists():
        return BadConfig(
            f"MAINSPRING_STATE: {socket.gethostname()} does not find {place}; a replay by other "
            "machines needs a state folder that they all reach under the same path"
        )
    try:
        run_module("tasks.replay.policy_worker", place, plan, folder)
    except Terminal as wrong:
        return wrong
    return None


def run_module(module: str, place: Path, plan: ReplayPlan, folder: Path) -> None:
    """A process of the replay in `folder` on a place in it; Terminal with the end of its log if it
    fails. It is killed when nobody waits for it any more.
    """
    with (place / "log").open("a+") as log:
        started = log.tell()
        process = subprocess.Popen(
            [sys.executable, "-m", module, str(place)],
            env=plan.environment(folder, place / "state"),
            cwd=place, stdout=subprocess.PIPE, stderr=log, text=True,
        )  # fmt: skip
        try:
            with process as running:
                for _ in running.stdout or ():  # a line a step
                    if not _awaited():
                        process.kill()
        finally:
            process.kill()
        log.seek(started)
        if process.returncode:
            said = "".join(log.readlines()[-_LAST_LINES:]).strip()
            raise Terminal(f"{place.name} stopped; all of it is in {place / 'log'}:\n{said}")


def _awaited() -> bool:
    """Whether who asked is still there; a worker does not end by itself what it has begun."""
    if settings().engine == "local":
        return True
    from distributed import get_worker

    try:
        worker = get_worker()
    except ValueError:  # what is asked for is a single policy, and played here
        return True
    return bool(worker.state.tasks[worker.get_current_task()].state != "cancelled")
