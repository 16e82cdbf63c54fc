"""What is replayed: use case, period and lake, fixed when it begins, and each policy's steps.

A replay is a folder. What it reads is the real lake, pinned at the versions that it had; what it
writes, ledger, models, predictions and numbers, is below the folder, a state of its own for each
policy. So it can be started again at any time, and comes to the same numbers.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal, Self

from configs.clock import utc_or_now
from configs.errors import BadConfig, NoRows
from configs.schema.base import SchemaModel
from configs.schema.retraining_policy import RetrainingPolicy, apply_policy
from configs.schema.use_case import UseCase
from configs.settings import ROOT, settings
from infra.storage.atomic import write_atomically
from tasks.features.raw_tables import read_table_versions
from tasks.orchestration.schedules import list_schedule_times
from tasks.storage import files
from tasks.storage.lake import Lake, open_lake

StepKind = Literal["score", "monitor", "train", "answer"]
_ORDER: dict[StepKind, int] = {"score": 0, "monitor": 1, "train": 2, "answer": 3}
# One thread a process: sums come out the same each time, and policies run beside each other.
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS")


class ReplayStep(SchemaModel):
    """What is done at a moment of logical time."""

    at: datetime
    do: StepKind


class PolicyJob(SchemaModel):
    """All that the process of one policy needs to know."""

    policy: RetrainingPolicy
    use_case: UseCase
    steps: tuple[ReplayStep, ...]
    trained: Path

    @property
    def trainings(self) -> int:
        """How many trainings are certain beforehand."""
        return sum(step.do == "train" for step in self.steps)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The job of a policy's folder."""
        return cls.model_validate_json((folder / "job.json").read_bytes())

    def keep(self, folder: Path) -> None:
        """Write the job into the policy's folder."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "job.json").write_text(self.model_dump_json(by_alias=True))


class ReplayPlan(SchemaModel):
    """A replay of [start, end) on a pinned lake, whose feature tables reach to `known_until`;
    `asked` is the end that was asked for.
    """

    use_case: UseCase
    start: datetime
    end: datetime
    asked: datetime
    known_until: datetime
    pinned_lake: str
    pinned: dict[str, int]

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """The plan that a folder was begun with; None if it was not."""
        path = folder / "plan.json"
        return cls.model_validate_json(path.read_bytes()) if path.exists() else None

    def keep(self, folder: Path) -> None:
        """Begin a folder with this plan."""
        write_atomically(folder / "plan.json", self.model_dump_json(by_alias=True))

    def environment(self, folder: Path, state: Path) -> dict[str, str]:
        """Of a process of the replay: the lake pinned, everything else in `state`, one thread."""
        prefix = f"{self.use_case.name}/"
        return {
            **{n: value for n, value in os.environ.items() if not n.startswith("MAINSPRING_")},
            **dict.fromkeys(_ONE_THREAD, "1"),
            "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))),
            "MAINSPRING_STATE": str(state),
            "MAINSPRING_PINNED_LAKE": self.pinned_lake,
            "MAINSPRING_PINNED": json.dumps({prefix + t: at for t, at in self.pinned.items()}),
            "MAINSPRING_JOINED": str(folder / "joined"),
        }


def begin_replay(folder: Path, use_case: UseCase, start: datetime, asked: datetime) -> ReplayPlan:
    """The plan of a folder: the one that it was begun with, or a new one on the lake as it is now.

    The end is the one asked for, or that of the feature tables if they do not reach so far.
    BadConfig if the folder holds a replay of something else; NoRows if there is nothing to read.
    """
    place = files.to_absolute(settings().lake)
    known = ReplayPlan.read(folder)
    if known is not None:
        wanted = (use_case, start, asked, place)
        if (known.use_case, known.start, known.asked, known.pinned_lake) != wanted:
            raise BadConfig(
                f"{folder} holds a replay of another {use_case.name}.yaml or lake, half or whole: "
                "begin it anew with --again"
            )
        return known
    pinned = read_table_versions(use_case)
    known_until = _known_until(use_case, pinned)
    end = min(asked, known_until)
    if start >= end:
        raise NoRows(
            f"{use_case.name}: nothing to replay from {start:%Y-%m-%d} to {end:%Y-%m-%d}, where "
            "the feature tables end: ingest more, or choose another --from and --to"
        )
    plan = ReplayPlan(
        use_case=use_case, start=start, end=end, asked=asked, known_until=known_until,
        pinned_lake=place, pinned=pinned,
    )  # fmt: skip
    plan.keep(folder)
    return plan


def plan_policy(plan: ReplayPlan, policy: RetrainingPolicy, folder: Path) -> PolicyJob:
    """What a policy does in a replay whose folder is `folder`."""
    use_case = apply_policy(policy, plan.use_case)
    cron = policy.schedule_for(plan.use_case)
    trainings = [] if cron is None else list_schedule_times(cron, plan.start, plan.end)
    found = list_steps(use_case, plan.start, plan.end, trainings)
    return PolicyJob(policy=policy, use_case=use_case, steps=found, trained=folder / "trained")


def list_steps(
    use_case: UseCase, start: datetime, end: datetime, trainings: Sequence[datetime]
) -> tuple[ReplayStep, ...]:
    """The first training, then every score window and every monitor window that is over, and the
    trainings of a schedule; after whatever may ask for something, its answer.
    """
    found: list[tuple[datetime, StepKind]] = [(at, "train") for at in trainings]
    found += [(at, "score") for at in window_ends(start, end, use_case.schedules.score_window)]
    if not found or max(at for at, _ in found) < end:
        found.append((end, "score"))
    found += [(at, "monitor") for at in window_ends(start, end, use_case.monitor.window)]
    ordered = [(start, "train"), *sorted(found, key=lambda each: (each[0], _ORDER[each[1]]))]
    return tuple(step for at, do in ordered for step in _answered(at, do))


def _answered(at: datetime, do: StepKind) -> Iterator[ReplayStep]:
    yield ReplayStep(at=at, do=do)
    if do != "score":
        yield ReplayStep(at=at, do="answer")


def window_ends(start: datetime, end: datetime, length: timedelta) -> list[datetime]:
    """The ends of the windows of a length that follow each other from `start`, up to `end`."""
    return [start + k * length for k in range(1, (end - start) // length + 1)]


def _known_until(use_case: UseCase, pinned: dict[str, int]) -> datetime:
    """Up to when every feature table is built, at its pinned version."""
    root = open_lake(use_case.name).root
    lake = Lake(root, root, pinned)
    notes = [lake.note(f"features/{view}") for view in use_case.features.views]
    if not all(notes):
        raise NoRows(f"{root}/features: not every table was built yet; run ingest first")
    return min(utc_or_now(datetime.fromisoformat(note["built_to"])) for note in notes)
