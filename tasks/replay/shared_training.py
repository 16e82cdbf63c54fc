"""What the policies of a replay share: rows joined once, and trainings done once.

Two policies that train at the same moment, on the same pinned lake and by the same YAML, get the
same model: the second one takes the files of the first, and is charged what they cost.
"""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import polars as pl

from configs.clock import utc_or_now
from configs.errors import MainspringError, NoRows
from configs.schema.use_case import UseCase
from infra.storage.locks import hold_file_lock
from tasks.features import retrieval
from tasks.models.artifact import ModelArtifact, read_artifact, write_artifact
from tasks.replay.plan import ReplayPlan
from tasks.replay.progress import cpu_seconds
from tasks.training.pipeline import train_model

TRUTH_FILE = "truth.parquet"
_NOT_TRAINED_ON = {
    "approval", "rollout", "bake", "deadlines", "notify", "explanations", "schedules", "demo",
}  # fmt: skip

_JUDGED_BY = {"severity", "bad", "of", "informs"}


@dataclass(frozen=True)
class TrainedFiles:
    """A trained model, and the CPU seconds that training took."""

    artifact: ModelArtifact
    seconds: float


def join_period(use_case: UseCase, start: datetime, end: datetime) -> None:
    """Join all rows that a replay of [start, end) can train on or score; NoRows if it can score
    none.
    """
    rows = retrieval.build_spine(use_case, start - use_case.retrain.window, end, end)
    if rows.filter(pl.col(use_case.spine.time) >= start).is_empty():
        raise NoRows(f"{use_case.name}: nothing is predicted from {start} to {end}")
    retrieval.cache_joined_features(use_case, rows)


def keep_truth(plan: ReplayPlan, folder: Path) -> None:
    """Keep the labels of the period, as far as the pinned lake knows them: what policies are
    compared on in the end. No policy reads them.
    """
    truth = retrieval.build_labels(plan.use_case, plan.start, plan.end, plan.known_until)
    truth.write_parquet(folder / TRUTH_FILE)


def train_files(use_case: UseCase, as_of: datetime) -> TrainedFiles:
    """Train as the train flow does, without registering the model."""
    before = cpu_seconds()
    artifact = train_model(use_case, as_of)
    return TrainedFiles(artifact, cpu_seconds() - before)


def train_once(folder: Path, use_case: UseCase, as_of: datetime) -> tuple[TrainedFiles, bool]:
    """As `train`, unless it was done before, by whomever; and whether it was."""
    place = folder / training_key(use_case, as_of)
    folder.mkdir(parents=True, exist_ok=True)
    with hold_file_lock(place.with_suffix(".lock")):
        if place.exists():
            return _read(place, use_case), True
        made = train_files(use_case, as_of)
        _write(place, made)
    return made, False


def training_key(use_case: UseCase, as_of: datetime) -> str:
    """A name for all that a training depends on beside the pinned lake: its moment and the YAML,
    without what only judges, lets in or watches.
    """
    judged: dict[str, Any] = {
        "retrain": {"cooldown"},
        "monitor": {"performance": True, "drift": _JUDGED_BY},
    }
    content = use_case.model_dump_json(exclude=dict.fromkeys(_NOT_TRAINED_ON, True) | judged)
    return sha256(f"{utc_or_now(as_of).isoformat()} {content}".encode()).hexdigest()[:16]


def _write(place: Path, trained: TrainedFiles) -> None:
    unfinished = place.with_suffix(f".{os.getpid()}")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    write_artifact(trained.artifact, unfinished)
    (unfinished / "seconds").write_text(repr(trained.seconds))
    unfinished.rename(place)


def _read(place: Path, use_case: UseCase) -> TrainedFiles:
    """Read the files of a training; its card gets the policy's configuration."""
    artifact = read_artifact(place, place.name)
    configuration = use_case.model_dump(mode="json", by_alias=True)
    card = artifact.card.model_copy(update={"configuration": configuration})
    seconds = float((place / "seconds").read_text())
    return TrainedFiles(replace(artifact, card=card), seconds)


def run_shared_work(folder: Path) -> None:
    """Join what the replay of this folder needs; NoRows if its period has no rows."""
    plan = ReplayPlan.read(folder)
    assert plan is not None
    join_period(plan.use_case, plan.start, plan.end)
    keep_truth(plan, folder)


if __name__ == "__main__":
    try:
        run_shared_work(Path(sys.argv[1]))
    except MainspringError as error:
        sys.exit(str(error))
