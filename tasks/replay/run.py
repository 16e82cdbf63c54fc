"""A replay from the command's words to the finished policies, each in a process of its own."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from threading import Event

from configs.errors import BadConfig
from configs.schema.retraining_policy import RetrainingPolicy
from configs.schema.use_case import UseCase
from configs.settings import settings
from infra.storage.locks import hold_file_lock
from tasks.orchestration.parallel import map_parallel
from tasks.replay.plan import PolicyJob, ReplayPlan, begin_replay, plan_policy
from tasks.replay.progress import ProgressMeter
from tasks.replay.shared_training import TRUTH_FILE
from tasks.replay.subprocesses import run_module, run_policy_process

ReportProgress = Callable[[str, int, int], None]  # a policy, its steps done, all its steps
_LOOK = 0.5  # seconds between looks at how far the policies are


@dataclass(frozen=True)
class Replay:
    """A replay's folder, its plan and the job of each policy."""

    folder: Path
    plan: ReplayPlan
    jobs: dict[str, PolicyJob]

    def place_of(self, policy: str) -> Path:
        """The folder of a policy: its job, its progress, and the state that it leaves."""
        return self.folder / "policies" / policy


def replay_folder(use_case: UseCase, start: datetime, end: datetime) -> Path:
    """Where a replay of [start, end) is kept."""
    period = f"{start:%Y-%m-%d}_{end:%Y-%m-%d}"
    return settings().state / "replays" / use_case.name / period


def prepare_replay(
    use_case: UseCase,
    start: datetime,
    end: datetime,
    policies: Sequence[RetrainingPolicy],
    *,
    again: bool = False,
) -> Replay:
    """Begin a replay, or find the one that was begun; `again` erases that one first.

    BadConfig if a policy is not the one that its folder was begun with.
    """
    folder = replay_folder(use_case, start, end)
    if again:
        _erase(folder)
    plan = begin_replay(folder, use_case, start, end)
    found = Replay(folder, plan, {p.name: plan_policy(plan, p, folder) for p in policies})
    for name, job in found.jobs.items():
        place = found.place_of(name)
        if (place / "job.json").exists() and PolicyJob.read(place) != job:
            raise BadConfig(
                f"policy {name} is not the one that {place} was begun with: begin it anew with "
                "--again, or give it another name"
            )
        job.keep(place)
    return found


def share_features(replay: Replay) -> None:
    """Join the rows of the whole period once, and keep its labels, unless that was done before."""
    if not (replay.folder / TRUTH_FILE).exists():
        run_module("tasks.replay.shared_training", replay.folder, replay.plan, replay.folder)


def run_policies(replay: Replay, at_once: int, tell: ReportProgress) -> None:
    """Play what is left of every policy, `at_once` at a time or as many as Dask's workers have
    threads; `tell` is told how far each is.

    Those that train most begin first: they take longest. Terminal says what went wrong with the
    first one that failed; the others are played to their end. Transient if all workers are gone.
    """
    longest_first = sorted(replay.jobs, key=lambda name: -replay.jobs[name].trainings)
    left = [replay.place_of(name) for name in longest_first if not _over(replay, name)]
    play = partial(run_policy_process, plan=replay.plan, folder=replay.folder)
    with _followed(replay, tell):
        if settings().engine == "local":
            with ThreadPoolExecutor(at_once) as pool:
                ended = list(pool.map(play, left))
        else:
            ended = map_parallel(play, left)
    for wrong in filter(None, ended):
        raise wrong


def _over(replay: Replay, policy: str) -> bool:
    return ProgressMeter(replay.place_of(policy)).done == len(replay.jobs[policy].steps)


@contextmanager
def _followed(replay: Replay, tell: ReportProgress) -> Iterator[None]:
    """Look into the policies' folders how far they are, whoever plays them."""
    over, told = Event(), dict.fromkeys(replay.jobs, 0)

    def look() -> None:
        for policy, before in told.items():
            if (done := ProgressMeter(replay.place_of(policy)).done) > before:
                told[policy] = done
                tell(policy, done, len(replay.jobs[policy].steps))

    def follow() -> None:
        while not over.wait(_LOOK):
            look()
        look()

    with ThreadPoolExecutor(1) as one:
        following = one.submit(follow)
        try:
            yield
        finally:
            over.set()
    following.result()


def _erase(folder: Path) -> None:
    """Remove a replay; who was left behind and still plays a policy of it ends its step first."""
    with ExitStack() as held:
        for lock in folder.glob("policies/*/lock"):
            held.enter_context(hold_file_lock(lock))
        shutil.rmtree(folder, ignore_errors=True)
