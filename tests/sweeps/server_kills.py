"""Kills of runs, worker, server, or all at once, on the stack that `mainspring up` starts."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from configs.settings import settings
from tests.support.stack import run_stack
from tests.sweeps.disturb import Disturbance, compare_disturbed
from tests.sweeps.story import NAME, Step, begin_story, list_steps
from tests.sweeps.tally import Tally, Tell

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun

_ENDED = 150.0  # seconds in which a run that no process is at must be ended
_PATIENCE = 240.0  # seconds for a run that nothing disturbs
_LONGEST = 15.0  # seconds after which a run is disturbed at the latest


def sweep_server_kills(folder: Path, kills: int, seed: int, tell: Tell) -> Tally:
    """Run the story on deployments, once whole and once disturbed; both come to the same."""
    chance, tally = random.Random(seed), Tally("kills of runs, worker and server")
    steps = [step for step in list_steps(max(3, kills // 8)) if step.flow != "promote"]
    with begin_story(folder) as case, run_stack():
        state = settings().state
        start = Path(shutil.copytree(state, folder / "start", ignore=_servers_files))

        def restore() -> None:
            _down()
            _copy_over(start, state)
            _up()

        disturbance = Disturbance(
            partial(_finish_run, tally=tally),
            partial(_disturb, chance=chance, tally=tally),
            restore,
        )
        compare_disturbed(case, steps, disturbance, kills, tally, tell)
    return tally


def _up() -> None:
    """Start what is missing on the ports of before: a living worker knows no others."""
    from infra import stack

    stack.up(mlflow=False, reports=False, schedules=False)


def _servers_files(_folder: str, names: list[str]) -> list[str]:
    """Leave out what the servers keep, which goes on."""
    return [name for name in names if name in ("prefect", "logs", "processes.json")]


def _copy_over(start: Path, state: Path) -> None:
    """Replace all but the servers' own files by those of the start.

    Files are new ones: a process may have the old database open, with a log of its writes.
    """
    gone = {path.name for path in state.iterdir()}
    for name in gone - set(_servers_files("", list(gone))):
        path = state / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.copytree(start, state, dirs_exist_ok=True)


def _disturb(step: Step, chance: random.Random, tally: Tally) -> None:
    """Start a run, kill something at a random instant, start it again; the run must end."""
    run = _start(step)
    time.sleep(chance.uniform(0, _LONGEST))
    what = chance.choice(list(_DISTURBANCES))
    _DISTURBANCES[what]()
    _up()
    if not _wait_for_end(run, _ENDED):
        tally.add("stuck", f"{step}: the run has not ended {_ENDED:.0f} s after {what}")


def _start(step: Step) -> FlowRun:
    from prefect.deployments import run_deployment

    return run_deployment(f"{step.flow}/{NAME}-{step.flow}", parameters=step.parameters, timeout=0)  # type: ignore[return-value]


def _wait_for_end(run: FlowRun, seconds: float) -> bool:
    """Return whether a run ends within some seconds."""
    from prefect.client.orchestration import get_client

    deadline = time.monotonic() + seconds
    with get_client(sync_client=True) as client:
        while time.monotonic() < deadline:
            state = client.read_flow_run(run.id).state
            if state is not None and state.is_final():
                return True
            time.sleep(1)
    return False


def _finish_run(step: Step, tally: Tally) -> None:
    """Run a step to its end; it must complete."""
    from prefect.client.orchestration import get_client

    run = _start(step)
    if not _wait_for_end(run, _PATIENCE):
        tally.add("hung", str(step))
        return
    with get_client(sync_client=True) as client:
        state = client.read_flow_run(run.id).state
    if state is None or not state.is_completed():
        tally.add("stuck", f"{step}: {state}")


def _kill_servers(*names: str, children: bool = True, itself: bool = True) -> None:
    """Kill processes of the stack by their names, with what they started."""
    from infra.processes import read_processes

    for process in read_processes(settings().state / "processes.json"):
        if process.name in names and psutil.pid_exists(process.pid):
            leader = psutil.Process(process.pid)
            family = leader.children(recursive=True) if children else []
            for one in [*([leader] if itself else []), *family]:
                if one.is_running():
                    one.kill()


def _down() -> None:
    from infra import stack

    stack.down()


_DISTURBANCES: dict[str, Callable[[], None]] = {
    "a kill of the run": lambda: _kill_servers("worker", "warm", itself=False),
    "a kill of the worker alone": lambda: _kill_servers("worker", children=False),
    "a kill of worker and run": lambda: _kill_servers("worker", "warm"),
    "a kill of the server": lambda: _kill_servers("Prefect"),
    "the end of the machine": lambda: _kill_servers("Prefect", "worker", "warm", "MLflow"),
    "`mainspring down`": _down,
}
