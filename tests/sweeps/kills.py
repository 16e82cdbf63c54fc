"""SIGKILL at random instants: each flow of the story is killed several times and run again."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

from configs.settings import settings
from tests.support.small_case import SmallCase
from tests.sweeps.story import (
    Step,
    begin_story,
    land_day,
    list_differences,
    list_steps,
    read_outcome,
    run_flow,
    start_child,
    start_fork_server,
)
from tests.sweeps.tally import Tally

_PATIENCE = 180.0  # seconds for a step that nothing disturbs
Tell = Callable[[str], None]


def sweep_kills(folder: Path, kills: int, seed: int, api: str, tell: Tell) -> Tally:
    """Run the story once whole and once killed; both must come to the same."""
    chance, tally = random.Random(seed), Tally("kills of flows")
    start_fork_server()
    days = max(3, min(8, kills // 20))
    steps = list_steps(days)
    with begin_story(folder) as case:
        state = settings().state
        start = Path(shutil.copytree(state, folder / "start"))
        durations, wanted = {}, {}
        for step in steps:
            land_day(case, step)
            durations[step] = _finish_flow(case, step, api, tally)
            wanted[step] = read_outcome(state)
        shutil.rmtree(state)
        shutil.copytree(start, state)
        for number, step in enumerate(steps):
            land_day(case, step)
            share = kills * (number + 1) // len(steps) - kills * number // len(steps)
            for _ in range(share):
                _kill_flow(case, step, api, chance.uniform(0, durations[step]))
                tally.tried += 1
                tell(f"{step}: {tally.tried} of {kills} kills")
            _finish_flow(case, step, api, tally)
            for kind, table in list_differences(wanted[step], read_outcome(state)):
                tally.add(kind, f"{table} after {step}")
    return tally


def _kill_flow(case: SmallCase, step: Step, api: str, after: float) -> None:
    """Start a step and kill it with all its processes after some seconds."""
    child = start_child(case.folder, run_flow, step, api)
    child.join(after)
    if child.exitcode is None and child.pid is not None:
        kill_group(child.pid)
        child.join()


def _finish_flow(case: SmallCase, step: Step, api: str, tally: Tally) -> float:
    """Run a step to its end; return its seconds."""
    began = time.monotonic()
    child = start_child(case.folder, run_flow, step, api)
    child.join(_PATIENCE)
    if child.exitcode is None and child.pid is not None:
        kill_group(child.pid)
        tally.add("hung", str(step))
    elif child.exitcode:
        tally.add("stuck", f"{step}: {(case.folder / 'error').read_text()[-500:]}")
    return time.monotonic() - began


def kill_group(leader: int) -> None:
    """Kill a process and all that it started; before its own group exists, itself alone."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        os.kill(leader, signal.SIGKILL)
