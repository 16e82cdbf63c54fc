"""Run of a replay: from the command's arguments to finished policies, one process each."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from threading import Event

from configs.errors import BadConfig
from configs.schema.retraining_policy import RetrainingPolicy
from configs.schema.use_case import UseCase
from configs.settings import settings
from infra.storage.locks import hold_file_lock
from tasks.orchestration.parallel import map_parallel
from tasks.replay.plan import PolicyJob, ReplayPlan, plan_policy, plan_replay
from tasks.replay.progress import STEP_PATIENCE, ProgressMeter
from tasks.replay.shared_training import LABELS_FILE
from tasks.replay.subprocesses import run_module, run_policy_process

ReportProgress = Callable[[str, int, int], None]  # a policy, its steps done, all its steps
_LONGEST_NAME = 120
_POLL = 0.5  # seconds between reads of the policies' progress


@dataclass(frozen=True)
class Replay:
    """A replay's folder, its plan and the job of each policy."""

    folder: Path
    plan: ReplayPlan
    jobs: dict[str, PolicyJob]

    def place_of(self, policy: str) -> Path:
        """Return the folder of a policy: its job, progress and state."""
        return self.folder / "policies" / policy

    @property
    def comparison_folder(self) -> Path:
        """The folder of the results of these policies; other policies have one of their own."""
        name = "-".join(sorted(self.jobs))
        if len(name) > _LONGEST_NAME:
            name = f"{len(self.jobs)}-policies-{sha256(name.encode()).hexdigest()[:12]}"
        return self.folder / "comparisons" / name


def replay_folder(use_case: UseCase, start: datetime, end: datetime) -> Path:
    """Return the folder of a replay of [start, end)."""
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
    """Start a replay, or continue an earlier one of the same period.

    Raises BadConfig if a policy differs from the one in its folder.

    Args:
        use_case: What is replayed.
        start: The start of the period.
        end: The end of the period, exclusive.
        policies: The policies to compare.
        again: Whether to erase an earlier replay first.
    """
    folder = replay_folder(use_case, start, end)
    plan = plan_replay(folder, use_case, start, end, again=again)
    replay = Replay(folder, plan, {p.name: plan_policy(plan, p, folder) for p in policies})
    if again:  # only now, since a replay that is refused must not cost the earlier one
        _erase_replay(folder)
    for name, job in replay.jobs.items():
        place = replay.place_of(name)
        if (place / "job.json").exists() and PolicyJob.read(place) != job:
            raise BadConfig(
                f"policy {name} differs from the one in {place}. Start over with --again, or give "
                "the policy another name"
            )
    plan.keep(folder)
    for name, job in replay.jobs.items():
        job.keep(replay.place_of(name))
    return replay


def share_features(replay: Replay) -> None:
    """Join the features of the whole period and keep its labels, unless that is already done."""
    if not (replay.folder / LABELS_FILE).exists():
        run_module("tasks.replay.shared_training", replay.folder, replay.plan, replay.folder)


def run_policies(replay: Replay, at_once: int, report: ReportProgress) -> None:
    """Run the unfinished policies, those with most trainings first.

    Raises Terminal with the error of the first failed policy, after all others have finished, and
    Transient if no Dask worker is left.

    Args:
        replay: The replay.
        at_once: How many policies run in parallel; with Dask, the workers' threads decide.
        report: Called with a policy, its finished steps and all its steps.
    """
    longest_first = sorted(replay.jobs, key=lambda name: -replay.jobs[name].trainings)
    unfinished = [replay.place_of(name) for name in longest_first if not _is_finished(replay, name)]
    run_policy = partial(run_policy_process, plan=replay.plan, folder=replay.folder)
    with _follow_progress(replay, report):
        if settings().engine == "local":
            with ThreadPoolExecutor(at_once) as pool:
                errors = list(pool.map(run_policy, unfinished))
        else:
            errors = map_parallel(run_policy, unfinished)
    for error in filter(None, errors):
        raise error


def _is_finished(replay: Replay, policy: str) -> bool:
    return ProgressMeter(replay.place_of(policy)).done == len(replay.jobs[policy].steps)


@contextmanager
def _follow_progress(replay: Replay, report: ReportProgress) -> Iterator[None]:
    """Report the progress in the policies' folders, in whichever process they run."""
    over, reported = Event(), dict.fromkeys(replay.jobs, 0)

    def read_progress() -> None:
        for policy, before in reported.items():
            if (done := ProgressMeter(replay.place_of(policy)).done) > before:
                reported[policy] = done
                report(policy, done, len(replay.jobs[policy].steps))

    def follow() -> None:
        while not over.wait(_POLL):
            read_progress()
        read_progress()

    with ThreadPoolExecutor(1) as one:
        following = one.submit(follow)
        try:
            yield
        finally:
            over.set()
    following.result()


def _erase_replay(folder: Path) -> None:
    """Erase a replay, after a process left over from it has finished its step."""
    with ExitStack() as held:
        for lock in folder.glob("policies/*/lock"):
            held.enter_context(hold_file_lock(lock, STEP_PATIENCE))
        shutil.rmtree(folder, ignore_errors=True)
