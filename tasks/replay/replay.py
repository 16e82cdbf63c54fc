"""A replay from the command's words to the finished policies, each in a process of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from configs.errors import BadConfig, Terminal
from configs.replay import Policy
from configs.settings import settings
from configs.use_case import UseCase
from tasks.replay.meter import Meter
from tasks.replay.plan import Job, Plan, begin, job_of
from tasks.replay.play import DONE
from tasks.replay.shared import TRUTH

Tell = Callable[[str, int, int], None]  # a policy, its steps done, all its steps
_LAST_LINES = 12


@dataclass(frozen=True)
class Replay:
    """A replay's folder, its plan and the job of each policy."""

    folder: Path
    plan: Plan
    jobs: dict[str, Job]

    def place_of(self, policy: str) -> Path:
        """The folder of a policy: its job, its progress, and the state that it leaves."""
        return self.folder / "policies" / policy


def folder_of(use_case: UseCase, start: datetime, end: datetime) -> Path:
    """Where a replay of [start, end) is kept."""
    period = f"{start:%Y-%m-%d}_{end:%Y-%m-%d}"
    return settings().state / "replays" / use_case.name / period


def prepare(
    use_case: UseCase,
    start: datetime,
    end: datetime,
    policies: Sequence[Policy],
    *,
    again: bool = False,
) -> Replay:
    """Begin a replay, or find the one that was begun; `again` erases that one first.

    BadConfig if a policy is not the one that its folder was begun with.
    """
    folder = folder_of(use_case, start, end)
    if again:
        shutil.rmtree(folder, ignore_errors=True)
    plan = begin(folder, use_case, start, end)
    found = Replay(folder, plan, {p.name: job_of(plan, p, folder) for p in policies})
    for name, job in found.jobs.items():
        place = found.place_of(name)
        if (place / "job.json").exists() and Job.read(place) != job:
            raise BadConfig(
                f"policy {name} is not the one that {place} was begun with: begin it anew with "
                "--again, or give it another name"
            )
        job.keep(place)
    return found


def share(replay: Replay) -> None:
    """Join the rows of the whole period once, and keep its labels, unless that was done before."""
    if not (replay.folder / TRUTH).exists():
        _run(replay, "tasks.replay.shared", replay.folder, lambda _: None)


def play_all(replay: Replay, at_once: int, tell: Tell) -> None:
    """Play what is left of every policy, `at_once` at a time; `tell` is told of each step.

    Those that train most begin first: they take longest. Terminal says what went wrong with the
    first one that failed; the others are played to their end.
    """

    def one(policy: str) -> None:
        steps, place = len(replay.jobs[policy].steps), replay.place_of(policy)
        if before := Meter(place).done:
            tell(policy, before, steps)
        if before == steps:
            return
        _run(replay, "tasks.replay.play", place, lambda done: tell(policy, done, steps))

    with ThreadPoolExecutor(at_once) as pool:
        longest_first = sorted(replay.jobs, key=lambda name: -replay.jobs[name].trainings)
        running = [pool.submit(one, policy) for policy in longest_first]
    for future in running:
        future.result()


def _run(replay: Replay, module: str, place: Path, tell: Callable[[int], None]) -> None:
    """A process of the replay on a folder; what it says that is no progress goes to its log."""
    environment = replay.plan.environment(replay.folder, place / "state")
    with (place / "log").open("a+") as log:
        started = log.tell()
        process = subprocess.Popen(
            [sys.executable, "-m", module, str(place)],
            env=environment, cwd=place, stdout=subprocess.PIPE, stderr=log, text=True,
        )  # fmt: skip
        try:
            with process as running:
                for line in running.stdout or ():
                    if line.startswith(DONE):
                        tell(int(line.removeprefix(DONE)))
        finally:
            process.kill()
        log.seek(started)
        if process.returncode:
            said = "".join(log.readlines()[-_LAST_LINES:]).strip()
            raise Terminal(f"{place.name} stopped; all of it is in {place / 'log'}:\n{said}")
