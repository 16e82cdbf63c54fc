"""What the policies of a replay share: rows joined once, and trainings done once.

Two policies that train at the same moment, on the same pinned lake and by the same YAML, get the
same model: the second one takes the files of the first, and is charged what they cost.
"""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import polars as pl

from configs.clock import utc_or_now
from configs.errors import MainspringError, NoRows
from configs.schema.use_case import UseCase
from tasks.features import raw_tables, retrieval
from tasks.models.card import ModelCard
from tasks.replay.plan import ReplayPlan
from tasks.replay.progress import cpu_seconds, locked
from tasks.training.build_card import build_model_card
from tasks.training.fit import choose_candidate, fit_candidate, split_training_rows
from tasks.training.golden_rows import choose_golden_rows
from tasks.training.onnx_export import export_candidate

TRUTH_FILE = "truth.parquet"
_NOT_TRAINED_ON = {
    "approval", "rollout", "bake", "deadlines", "notify", "explanations", "schedules", "demo",
}  # fmt: skip

_JUDGED_BY = {"severity", "bad", "of", "informs"}


@dataclass(frozen=True)
class TrainedFiles:
    """A model as it would be registered, and the CPU seconds that making it took."""

    onnx: bytes
    card: ModelCard
    golden: pl.DataFrame
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
    """What the train flow does up to the files of a candidate."""
    before = cpu_seconds()
    versions = raw_tables.read_table_versions(use_case)
    frame = retrieval.build_training_set(use_case, as_of - use_case.retrain.window, as_of, as_of)
    parts = split_training_rows(use_case, frame, as_of)
    fitted = [fit_candidate(use_case, name, parts) for name in use_case.candidates]
    exported = export_candidate(use_case, choose_candidate(use_case, fitted), parts)
    card = build_model_card(use_case, parts, fitted, exported, versions)
    return TrainedFiles(
        exported.onnx, card, choose_golden_rows(exported, parts), cpu_seconds() - before
    )


def train_once(folder: Path, use_case: UseCase, as_of: datetime) -> tuple[TrainedFiles, bool]:
    """As `train`, unless it was done before, by whomever; and whether it was."""
    place = folder / training_key(use_case, as_of)
    folder.mkdir(parents=True, exist_ok=True)
    with locked(place.with_suffix(".lock")):
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


def _write(place: Path, made: TrainedFiles) -> None:
    aside = place.with_suffix(f".{os.getpid()}")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    (aside / "model.onnx").write_bytes(made.onnx)
    (aside / "card.json").write_text(made.card.model_dump_json())
    made.golden.write_parquet(aside / "golden.parquet")
    (aside / "seconds").write_text(repr(made.seconds))
    aside.rename(place)


def _read(place: Path, use_case: UseCase) -> TrainedFiles:
    """The files of a training, with the card of the policy that asks for it now."""
    card = ModelCard.model_validate_json((place / "card.json").read_bytes())
    own: dict[str, Any] = {"configuration": use_case.model_dump(mode="json", by_alias=True)}
    return TrainedFiles(
        onnx=(place / "model.onnx").read_bytes(),
        card=card.model_copy(update=own),
        golden=pl.read_parquet(place / "golden.parquet"),
        seconds=float((place / "seconds").read_text()),
    )


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
