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

from configs.clock import moment
from configs.errors import MainspringError, NoRows
from configs.use_case import UseCase
from tasks import features
from tasks.card import Card, make_card
from tasks.export import export_fitted
from tasks.registry import golden_rows
from tasks.replay.meter import cpu_seconds, locked
from tasks.replay.plan import Plan
from tasks.training import choose, fit_candidate, training_parts

TRUTH = "truth.parquet"
_NOT_TRAINED_ON = {
    "approval", "rollout", "bake", "deadlines", "notify", "explanations", "schedules", "demo",
}  # fmt: skip
_JUDGED_BY = {"severity", "bad", "of", "informs"}


@dataclass(frozen=True)
class Trained:
    """A model as it would be registered, and the CPU seconds that making it took."""

    onnx: bytes
    card: Card
    golden: pl.DataFrame
    seconds: float


def join_once(use_case: UseCase, start: datetime, end: datetime) -> None:
    """Join all rows that a replay of [start, end) can train on or score; NoRows if it can score
    none.
    """
    rows = features.spine(use_case, start - use_case.retrain.window, end, end)
    if rows.filter(pl.col(use_case.spine.time) >= start).is_empty():
        raise NoRows(f"{use_case.name}: nothing is predicted from {start} to {end}")
    features.join_once(use_case, rows)


def keep_truth(plan: Plan, folder: Path) -> None:
    """Keep the labels of the period, as far as the pinned lake knows them: what policies are
    compared on in the end. No policy reads them.
    """
    truth = features.labels(plan.use_case, plan.start, plan.end, plan.known_until)
    truth.write_parquet(folder / TRUTH)


def train(use_case: UseCase, as_of: datetime) -> Trained:
    """What the train flow does up to the files of a candidate."""
    before = cpu_seconds()
    versions = features.table_versions(use_case)
    frame = features.training_set(use_case, as_of - use_case.retrain.window, as_of, as_of)
    parts = training_parts(use_case, frame, as_of)
    fitted = [fit_candidate(use_case, name, parts) for name in use_case.candidates]
    exported = export_fitted(use_case, choose(use_case, fitted), parts)
    card = make_card(use_case, parts, fitted, exported, versions)
    return Trained(exported.onnx, card, golden_rows(exported, parts), cpu_seconds() - before)


def train_once(folder: Path, use_case: UseCase, as_of: datetime) -> tuple[Trained, bool]:
    """As `train`, unless it was done before, by whomever; and whether it was."""
    place = folder / training_key(use_case, as_of)
    folder.mkdir(parents=True, exist_ok=True)
    with locked(place.with_suffix(".lock")):
        if place.exists():
            return _read(place, use_case), True
        made = train(use_case, as_of)
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
    return sha256(f"{moment(as_of).isoformat()} {content}".encode()).hexdigest()[:16]


def _write(place: Path, made: Trained) -> None:
    aside = place.with_suffix(f".{os.getpid()}")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    (aside / "model.onnx").write_bytes(made.onnx)
    (aside / "card.json").write_text(made.card.model_dump_json())
    made.golden.write_parquet(aside / "golden.parquet")
    (aside / "seconds").write_text(repr(made.seconds))
    aside.rename(place)


def _read(place: Path, use_case: UseCase) -> Trained:
    """The files of a training, with the card of the policy that asks for it now."""
    card = Card.model_validate_json((place / "card.json").read_bytes())
    own: dict[str, Any] = {"configuration": use_case.model_dump(mode="json", by_alias=True)}
    return Trained(
        onnx=(place / "model.onnx").read_bytes(),
        card=card.model_copy(update=own),
        golden=pl.read_parquet(place / "golden.parquet"),
        seconds=float((place / "seconds").read_text()),
    )


def main(folder: Path) -> None:
    """Join what the replay of this folder needs; NoRows if its period has no rows."""
    plan = Plan.read(folder)
    assert plan is not None
    join_once(plan.use_case, plan.start, plan.end)
    keep_truth(plan, folder)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except MainspringError as error:
        sys.exit(str(error))
