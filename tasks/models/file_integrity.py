"""Integrity of a version's files: their sha256, and predictions of the golden rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from configs.errors import BadModel
from tasks.evaluation.metrics import Floats
from tasks.evaluation.problem_types import recorded_problem_type
from tasks.ledger.file_digests import FileDigests
from tasks.models.artifact import (
    CARD_FILE,
    GOLDEN_FILE,
    GOLDEN_ONNX,
    ONNX_FILE,
    ModelArtifact,
    VersionFiles,
    parse_artifact,
    read_golden_predictions,
)
from tasks.models.matrix import build_matrix
from tasks.models.onnx_session import open_onnx_session, run_onnx

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

GOLDEN_TOLERANCE = 1e-6  # processors round differently; a wrong model differs by far more
_NAMES = {"onnx": ONNX_FILE, "card": CARD_FILE, "golden": GOLDEN_FILE}


def require_digests(files: VersionFiles, expected: FileDigests, source: str, name: str) -> None:
    """Raise BadModel unless the files have the expected sha256.

    Args:
        files: the files that were read.
        expected: digests that the ledger, or else MLflow, has of the version.
        source: which of the two, for the error message.
        name: the version, for the error message.
    """
    different = expected.find_difference(files.digests)
    if different is not None:
        actual = getattr(files.digests, different)
        raise BadModel(
            f"{name}: sha256 of {_NAMES[different]} is {actual}, but {source} has "
            f"{getattr(expected, different) or 'none'}"
        )


def open_version_files(files: VersionFiles, name: str) -> tuple[ModelArtifact, InferenceSession]:
    """Parse the files of a version, open its session and check its golden predictions.

    Args:
        files: files whose digests were checked.
        name: the version, for error messages.

    Raises:
        BadModel: a file is invalid, or the predictions differ.
    """
    artifact = parse_artifact(files, name)
    require_card_of_file(artifact, files.digests.onnx, name)
    session = open_onnx_session(files.onnx)
    require_golden_predictions(artifact, session, name)
    return artifact, session


def require_card_of_file(artifact: ModelArtifact, digest: str, name: str) -> None:
    """Raise BadModel if the card is that of another ONNX file.

    Args:
        artifact: the files of the version.
        digest: sha256 of its ONNX file.
        name: the version, for the error message.
    """
    if artifact.card.digest != digest:
        raise BadModel(
            f"{name}: sha256 of model.onnx is {digest}, but the card has {artifact.card.digest}"
        )


def require_golden_predictions(
    artifact: ModelArtifact, session: InferenceSession, name: str
) -> None:
    """Raise BadModel if the file predicts its golden rows differently than when registered."""
    registered = _read_registered(artifact, name)
    predicted = run_onnx(session, build_matrix(artifact.golden, artifact.card.inputs))
    difference = _largest_difference(artifact, predicted, registered)
    if not difference <= GOLDEN_TOLERANCE:
        raise BadModel(
            f"{name} predicts its golden rows differently, by up to {difference:.2g} (allowed: "
            f"{GOLDEN_TOLERANCE:.2g})"
        )


def _read_registered(artifact: ModelArtifact, name: str) -> Floats:
    """Return the registered predictions; BadModel without golden rows."""
    try:
        registered = read_golden_predictions(artifact.golden, GOLDEN_ONNX)
    except pl.exceptions.ColumnNotFoundError as missing:
        raise BadModel(f"{name}: {GOLDEN_FILE} has no column {missing}") from missing
    if not len(registered):
        raise BadModel(f"{name}: {GOLDEN_FILE} has no rows")
    return registered


def _largest_difference(artifact: ModelArtifact, predicted: Floats, registered: Floats) -> float:
    if predicted.shape != registered.shape:  # another number of classes
        return float("inf")
    return recorded_problem_type(artifact.card).max_difference(predicted, registered)
