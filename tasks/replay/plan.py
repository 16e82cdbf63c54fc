"""Plan of a replay: use case, period and pinned lake, and the steps of each policy.

A replay is a folder. It reads the real lake at pinned table versions. It writes ledgers, models,
predictions and numbers below the folder, with a separate state for each policy. So it can be
interrupted and continued at any time, with the same results.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal, Self

from configs.clock import as_utc
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
# One thread a process: sums are reproducible, and policies run in parallel.
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS")


class ReplayStep(SchemaModel):
    """A kind of work at a moment of logical time."""

    at: datetime
    do: StepKind


class PolicyJob(SchemaModel):
    """The input of one policy's process."""

    policy: RetrainingPolicy
    use_case: UseCase
    steps: tuple[ReplayStep, ...]
    trained: Path

    @property
    def trainings(self) -> int:
        """The number of scheduled trainings."""
        return sum(step.do == "train" for step in self.steps)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read the job of a policy's folder."""
        return cls.model_validate_json((folder / "job.json").read_bytes())

    def keep(self, folder: Path) -> None:
        """Write the job into the policy's folder."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "job.json").write_text(self.model_dump_json(by_alias=True))


class ReplayPlan(SchemaModel):
    """A replay of [start, end) on a pinned lake, whose feature tables end at `known_until`.

    `asked` is the requested end.
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
        """Read the plan of a replay's folder; return None if there is none."""
        path = folder / "plan.json"
        return cls.model_validate_json(path.read_bytes()) if path.exists() else None

    def keep(self, folder: Path) -> None:
        """Write the plan into a replay's folder."""
        write_atomically(folder / "plan.json", self.model_dump_json(by_alias=True))

    def environment(self, folder: Path, state: Path) -> dict[str, str]:
        """Return the variables of a policy's process: pinned lake, its own state, one thread.

        Args:
            folder: The folder of the replay.
            state: The state folder of the policy.
        """
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


def plan_replay(
    folder: Path,
    use_case: UseCase,
    start: datetime,
    requested_end: datetime,
    *,
    again: bool = False,
) -> ReplayPlan:
    """Return the plan of a replay's folder, or a new one for the lake as it is now.

    Nothing is written: a replay that is refused leaves nothing behind.

    Raises BadConfig if the folder has a replay of another use case or lake, and NoRows if the
    features do not reach the period.

    Args:
        folder: The folder of the replay.
        use_case: What is replayed.
        start: The start of the period.
        requested_end: The requested end; the replay ends earlier if the feature tables do.
        again: Whether to ignore an earlier replay in the folder.
    """
    place = files.to_absolute(settings().lake)
    known = None if again else ReplayPlan.read(folder)
    if known is not None:
        wanted = (use_case, start, requested_end, place)
        if (known.use_case, known.start, known.asked, known.pinned_lake) != wanted:
            raise BadConfig(
                f"{folder} already has a replay with another {use_case.name}.yaml or lake. Erase "
                "it and start over with --again"
            )
        return known
    pinned = read_table_versions(use_case)
    known_until = _find_feature_end(use_case, pinned)
    end = min(requested_end, known_until)
    if start >= end:
        raise NoRows(
            f"{use_case.name}: nothing to replay from {start:%Y-%m-%d} to {end:%Y-%m-%d}, where "
            "the feature tables end. Ingest more, or choose another --from and --to"
        )
    return ReplayPlan(
        use_case=use_case, start=start, end=end, asked=requested_end, known_until=known_until,
        pinned_lake=place, pinned=pinned,
    )  # fmt: skip


def plan_policy(plan: ReplayPlan, policy: RetrainingPolicy, folder: Path) -> PolicyJob:
    """Return the job of a policy in the replay of `folder`."""
    use_case = apply_policy(policy, plan.use_case)
    cron = policy.schedule_for(plan.use_case)
    trainings = [] if cron is None else list_schedule_times(cron, plan.start, plan.end)
    steps = list_steps(use_case, plan.start, plan.end, trainings)
    return PolicyJob(policy=policy, use_case=use_case, steps=steps, trained=folder / "trained")


def list_steps(
    use_case: UseCase, start: datetime, end: datetime, trainings: Sequence[datetime]
) -> tuple[ReplayStep, ...]:
    """List the steps of a replay in order.

    They are the first training, then all score windows, complete monitor windows and scheduled
    trainings. Every step that may request something is followed by one that answers requests.

    Args:
        use_case: What is replayed.
        start: The start of the replay, and the moment of the first training.
        end: The end of the replay.
        trainings: The moments of scheduled trainings.
    """
    work: list[tuple[datetime, StepKind]] = [(at, "train") for at in trainings]
    work += [(at, "score") for at in window_ends(start, end, use_case.schedules.score_window)]
    if not work or max(at for at, _ in work) < end:
        work.append((end, "score"))
    work += [(at, "monitor") for at in window_ends(start, end, use_case.monitor.window)]
    ordered = [(start, "train"), *sorted(work, key=lambda each: (each[0], _ORDER[each[1]]))]
    return tuple(step for at, do in ordered for step in _add_answer(at, do))


def _add_answer(at: datetime, do: StepKind) -> Iterator[ReplayStep]:
    yield ReplayStep(at=at, do=do)
    if do != "score":
        yield ReplayStep(at=at, do="answer")


def window_ends(start: datetime, end: datetime, length: timedelta) -> list[datetime]:
    """Return the ends of consecutive windows of a length, from `start` up to `end`."""
    return [start + k * length for k in range(1, (end - start) // length + 1)]


def _find_feature_end(use_case: UseCase, pinned: dict[str, int]) -> datetime:
    """Return the moment up to which every feature table is built, at its pinned version."""
    root = open_lake(use_case.name).root
    lake = Lake(root, root, pinned)
    notes = [lake.note(f"features/{view}") for view in use_case.features.views]
    if not all(notes):
        raise NoRows(f"{root}/features: some tables are not built yet; run ingest first")
    return min(as_utc(datetime.fromisoformat(note["built_to"])) for note in notes)
