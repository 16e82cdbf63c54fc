"""The files of a model version: ONNX file, model card and golden rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl
from pydantic import ValidationError

from configs.errors import BadModel
from configs.schema.names import own_name
from tasks.evaluation.metrics import Floats
from tasks.evaluation.prediction_columns import to_prediction_array
from tasks.models.card import ModelCard

ONNX_FILE, CARD_FILE, GOLDEN_FILE = "model.onnx", "card.json", "golden.parquet"
GOLDEN_ONNX = "answer"  # column of the golden rows: prediction of the ONNX file
GOLDEN_ESTIMATOR = "fitted"  # column of the golden rows: prediction of the estimator
# both begin with `__` if an input has the name


@dataclass(frozen=True)
class ModelArtifact:
    """A trained model as it is registered.

    `golden` holds input rows (rows, inputs) with the outputs of ONNX file and estimator.
    """

    onnx: bytes
    card: ModelCard
    golden: pl.DataFrame


def read_golden_predictions(golden: pl.DataFrame, column: str) -> Floats:
    """Return the predictions of golden rows: of the ONNX file, or of the estimator."""
    inputs = golden.columns[:-2]  # the two predictions come last
    return to_prediction_array(golden[own_name(column, inputs)])


def write_artifact(artifact: ModelArtifact, folder: Path) -> None:
    """Write the three files into an existing folder."""
    (folder / ONNX_FILE).write_bytes(artifact.onnx)
    write_companions(artifact, folder)


def write_companions(artifact: ModelArtifact, folder: Path) -> list[Path]:
    """Write model card and golden rows into `folder`; return their paths."""
    card, golden = folder / CARD_FILE, folder / GOLDEN_FILE
    card.write_text(artifact.card.model_dump_json(indent=1))
    artifact.golden.write_parquet(golden)
    return [card, golden]


def read_artifact(folder: Path, name: str, companions: str = ".") -> ModelArtifact:
    """Read the three files of a version.

    Args:
        folder: where the ONNX file is.
        name: the version, for error messages.
        companions: the folder of card and golden rows, relative to `folder`.

    Raises:
        BadModel: a file is missing, or the card is invalid.
    """
    onnx = _read_bytes(folder / ONNX_FILE, name)
    card = _read_bytes(folder / companions / CARD_FILE, name)
    golden = _read_bytes(folder / companions / GOLDEN_FILE, name)
    try:
        parsed = ModelCard.model_validate_json(card)
    except ValidationError as invalid:
        raise BadModel(f"{name}: {CARD_FILE} is invalid: {invalid}") from invalid
    return ModelArtifact(onnx, parsed, pl.read_parquet(golden))


def _read_bytes(path: Path, name: str) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as missing:
        raise BadModel(
            f"{name}: {path.name} not found. Restore the file, or train and promote another version"
        ) from missing
