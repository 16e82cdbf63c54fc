"""Worker program of a reproduction: python -m tasks.training.reproduce_worker FOLDER.

It reads card.json in the folder and writes model.onnx and result.json there. The environment pins
the lake's tables and keeps all state below the folder, so nothing is registered. reproduce.py
starts it, with the code of the card's revision if git has it.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from configs.errors import BadConfig, MainspringError
from configs.schema.loading import explain_invalid, load_use_case
from configs.schema.use_case import UseCase
from tasks.evaluation.problem_types import Threshold
from tasks.models.card import ModelCard
from tasks.models.matrix import InputSchema
from tasks.training.onnx_export import ExportedModel
from tasks.training.pipeline import fit_best_candidate

STEP_PREFIX = "step: "  # begins the lines that report progress


class RetrainResult(BaseModel):
    """The result of a second training, beside its ONNX file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    threshold: Threshold
    inputs: InputSchema
    rows: dict[str, int]


def load_recorded_use_case(card: ModelCard) -> UseCase:
    """Return the use case as it was when the card was built.

    An older card has no configuration. Then return the current YAML with the card's candidate,
    inputs, feature service and seed.

    Raises:
        BadConfig: the recorded configuration is invalid for this code.
    """
    if card.configuration:
        try:
            return UseCase.model_validate(card.configuration)
        except ValidationError as invalid:
            message = explain_invalid(invalid, UseCase)
            raise BadConfig(
                f"the recorded YAML is invalid for the current code:\n{message}"
            ) from invalid
    current = load_use_case(card.use_case)
    inputs = {"numeric": card.inputs.numeric, "categorical": card.inputs.categorical}
    features = current.features.model_copy(update={"service": card.feature_service, **inputs})
    candidates = {card.algorithm: card.candidate}
    recorded = {"features": features, "candidates": candidates, "seed": card.seed}
    return current.model_copy(update=recorded)


def retrain_from_card(card: ModelCard) -> tuple[ExportedModel, RetrainResult]:
    """Fit and export the card's candidate on the rows of its training run."""
    case = load_recorded_use_case(card)
    candidates = {card.algorithm: case.candidates[card.algorithm]}
    case = case.model_copy(update={"candidates": candidates})
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
