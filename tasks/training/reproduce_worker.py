"""Worker program of a reproduction: python -m tasks.training.reproduce_worker FOLDER.

It reads card.json in the folder and writes model.onnx and result.json there. The environment pins
the lake's tables and keeps all state below the folder, so nothing is registered. reproduce.py
starts it, with the code of the card's revision if git has it.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from configs.errors import MainspringError
from tasks.evaluation.problem_types import Threshold
from tasks.models.card import ModelCard
from tasks.models.matrix import InputSchema
from tasks.training.onnx_export import ExportedModel
from tasks.training.pipeline import fit_best_candidate
from tasks.training.refit import fit_all_rows, load_recorded_use_case

STEP_PREFIX = "step: "  # begins the lines that report progress


class RetrainResult(BaseModel):
    """The result of a second training, beside its ONNX file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    threshold: Threshold
    inputs: InputSchema
    rows: dict[str, int]


def retrain_from_card(card: ModelCard) -> tuple[ExportedModel, RetrainResult]:
    """Fit and export the card's candidate on the rows of its training run."""
    case = load_recorded_use_case(card)
    if card.refit is not None:
        fitted = fit_all_rows(case, card, card.end)
    else:
        candidates = {card.algorithm: case.candidates[card.algorithm]}
        case = case.model_copy(update={"candidates": candidates, "search": None})
        fitted = fit_best_candidate(case, card.end, report=_report_step)
    parts, exported = fitted.parts, fitted.exported
    sizes = {name: getattr(parts, name).height for name in ("train", "validation", "holdout")}
    inputs = exported.fitted.schema
    return exported, RetrainResult(threshold=exported.threshold, inputs=inputs, rows=sizes)


def run_worker(folder: Path) -> None:
    """Read card.json in the folder; write model.onnx and result.json."""
    exported, result = retrain_from_card(
        ModelCard.model_validate_json((folder / "card.json").read_bytes())
    )
    (folder / "model.onnx").write_bytes(exported.onnx)
    (folder / "result.json").write_text(result.model_dump_json())


def _report_step(step: str) -> None:
    print(STEP_PREFIX + step, flush=True)


if __name__ == "__main__":
    try:
        run_worker(Path(sys.argv[1]))
    except MainspringError as error:
        sys.exit(str(error))
