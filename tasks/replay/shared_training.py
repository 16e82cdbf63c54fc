"""Work that the policies of a replay share: joined rows, labels and trained models.

Two policies that train at the same time, on the same pinned lake and with the same YAML, get the
same model. The second policy reads the files of the first, and is charged the same CPU seconds.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import polars as pl

from configs.clock import as_utc
from configs.errors import MainspringError, NoRows
from configs.schema.use_case import UseCase
from infra.storage.atomic import replace_atomically
from infra.storage.locks import hold_file_lock
from tasks.features import retrieval
from tasks.models.artifact import (
    ModelArtifact,
    pack_artifact,
    parse_artifact,
    read_version_files,
    write_artifact,
)
from tasks.models.registry import Model
from tasks.promotion.refitting.refit import refit_judged_version
from tasks.replay.plan import ReplayPlan
from tasks.replay.progress import STEP_PATIENCE, cpu_seconds
from tasks.training.pipeline import train_model

LABELS_FILE = "truth.parquet"

# fields of the YAML that do not change a trained model
_IRRELEVANT_FIELDS = {
    "approval", "rollout", "bake", "deadlines", "notify", "explanations", "schedules", "demo",
}  # fmt: skip

_IRRELEVANT_DRIFT_FIELDS = {"severity", "bad", "of", "informs"}


@dataclass(frozen=True)
class TrainedFiles:
    """A trained model, and the CPU seconds that training took."""

    artifact: ModelArtifact
    seconds: float


def join_period(use_case: UseCase, start: datetime, end: datetime) -> None:
    """Join all rows that a replay of [start, end) can train on or score.

    Raises:
        NoRows: no row of the period can be scored.
    """
    rows = retrieval.build_spine(use_case, start - use_case.retrain.window, end, end)
    if rows.filter(pl.col(use_case.spine.time) >= start).is_empty():
        raise NoRows(
            f"{use_case.name}: there are no rows to score from {start} to {end}. Ingest more "
            "files, or choose another period"
        )
    retrieval.cache_joined_features(use_case, rows)


def write_period_labels(plan: ReplayPlan, folder: Path) -> None:
    """Write the labels of the period that the pinned lake knows.

    The policies are compared on them in the end; no policy reads them.
    """
    labels = retrieval.build_labels(plan.use_case, plan.start, plan.end, plan.known_until)
    labels.write_parquet(folder / LABELS_FILE)


def train_files(use_case: UseCase, as_of: datetime, judged: Model | None = None) -> TrainedFiles:
    """Train or refit as the flows do, without registering the model."""
    before = cpu_seconds()
    if judged is None:
        artifact = train_model(use_case, as_of)
    else:
        artifact = refit_judged_version(judged, as_of)
    return TrainedFiles(artifact, cpu_seconds() - before)


def train_once(
    folder: Path, use_case: UseCase, as_of: datetime, judged: Model | None = None
) -> tuple[TrainedFiles, bool]:
    """Return the trained files below `folder`; train if they do not exist yet.

    Args:
        folder: the folder of all trainings of a replay.
        use_case: the use case.
        as_of: end of the training window.
        judged: the version to refit; None for a candidate of its own.

    Returns:
        The files, and whether they existed before.
    """
    model_folder = folder / hash_training_inputs(use_case, as_of, judged)
    folder.mkdir(parents=True, exist_ok=True)
    with hold_file_lock(model_folder.with_suffix(".lock"), STEP_PATIENCE):
        if model_folder.exists():
            return _read_training(model_folder, use_case), True
        trained = train_files(use_case, as_of, judged)
        _write_training(model_folder, trained)
    return trained, False


def hash_training_inputs(use_case: UseCase, as_of: datetime, judged: Model | None = None) -> str:
    """Return a hash of all that training depends on, beside the pinned lake.

    That is `as_of` and the YAML, without the fields that do not change a trained model. Of a refit
    it is the number and the file of the judged version too, which its card names.
    """
    irrelevant_parts: dict[str, Any] = {
        "retrain": {"cooldown"},
        "monitor": {"performance": True, "drift": _IRRELEVANT_DRIFT_FIELDS},
        "split": {"refit"},
    }
    excluded = dict.fromkeys(_IRRELEVANT_FIELDS, True) | irrelevant_parts
    content = use_case.model_dump_json(exclude=excluded)
    refitted = "" if judged is None else f"{judged.version} {judged.card.digest} "
    return sha256(f"{refitted}{as_utc(as_of).isoformat()} {content}".encode()).hexdigest()[:16]


def _write_training(folder: Path, trained: TrainedFiles) -> None:
    """Write the files of a training; `folder` appears only when it is complete."""
    with replace_atomically(folder) as unfinished:
        unfinished.mkdir()
        write_artifact(pack_artifact(trained.artifact), unfinished)
        (unfinished / "seconds").write_text(repr(trained.seconds))


def _read_training(folder: Path, use_case: UseCase) -> TrainedFiles:
    """Read the files of a training; the card gets the configuration of this policy."""
    artifact = parse_artifact(read_version_files(folder, folder.name), folder.name)
    configuration = use_case.model_dump(mode="json", by_alias=True)
    card = artifact.card.model_copy(update={"configuration": configuration})
    seconds = float((folder / "seconds").read_text())
    return TrainedFiles(replace(artifact, card=card), seconds)


def run_shared_work(folder: Path) -> None:
    """Join rows and write labels for the replay in `folder`; NoRows if its period has no rows."""
    plan = ReplayPlan.read(folder)
    assert plan is not None
    join_period(plan.use_case, plan.start, plan.end)
    write_period_labels(plan, folder)


if __name__ == "__main__":
    try:
        run_shared_work(Path(sys.argv[1]))
    except MainspringError as error:
        sys.exit(str(error))
