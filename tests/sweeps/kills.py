"""SIGKILL at random instants: each flow of the story is killed several times and run again."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from pathlib import Path

from configs.settings import settings
from tests.support.small_case import SmallCase
from tests.sweeps.disturb import Disturbance, compare_disturbed
from tests.sweeps.story import (
    Step,
    begin_story,
    list_steps,
    restore_state,
    run_flow,
    start_child,
    start_fork_server,
)
from tests.sweeps.tally import Tally, Tell

_PATIENCE = 180.0  # seconds for a step that nothing disturbs


def sweep_kills(folder: Path, kills: int, seed: int, api: str, tell: Tell) -> Tally:
    """Run the story once whole and once killed; both must come to the same."""
    chance, tally = random.Random(seed), Tally("kills of flows")
    start_fork_server()
    steps = list_steps(max(3, min(8, kills // 20)))
    with begin_story(folder) as case:
        start = Path(shutil.copytree(settings().state, folder / "start"))
        durations: dict[Step, float] = {}  # of the run that nothing disturbs

        def finish(step: Step) -> None:
            seconds = _finish_flow(case, step, api, tally)
            durations.setdefault(step, seconds)

        def disturb(step: Step) -> None:
            _kill_flow(case, step, api, chance.uniform(0, durations[step]))

        disturbance = Disturbance(finish, disturb, lambda: restore_state(start))
        compare_disturbed(case, steps, disturbance, kills, tally, tell)
    return tally


def _kill_flow(case: SmallCase, step: Step, api: str, after: float) -> None:
    """Start a step and kill it with all its processes after some seconds."""
    child = start_child(case.folder, run_flow, step, api)
    child.join(after)
    if child.exitcode is None and child.pid is not None:
        kill_group(child.pid)
        child.join()


def _finish_flow(case: SmallCase, step: Step, api: str, tally: Tally) -> float:
    """Run a step to its end, at the second attempt if need be; return its seconds.

    A schedule runs a flow again too. On a busy machine Prefect's client may lose the answer to its
    last state, and end a run that is Completed with an error.
    """
    began = time.monotonic()
    for is_last in (False, True):
        child = start_child(case.folder, run_flow, step, api)
        child.join(_PATIENCE)
        if child.exitcode is None and child.pid is not None:
            kill_group(child.pid)
            tally.add("hung", str(step))
        elif child.exitcode and is_last:
            tally.add("stuck", f"{step}: {(case.folder / 'error').read_text()[-500:]}")
        if not child.exitcode:
            break
    return time.monotonic() - began


def kill_group(leader: int) -> None:
    """Kill a process and all that it started; before its own group exists, itself alone."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        os.kill(leader, signal.SIGKILL)
