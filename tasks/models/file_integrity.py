"""Integrity of a version's files: sha256 of the ONNX file and predictions of the golden rows."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from configs.errors import BadModel
from tasks.evaluation.problem_types import recorded_problem_type
from tasks.models.artifact import GOLDEN_ONNX, ModelArtifact, read_golden_predictions
from tasks.models.matrix import build_matrix
from tasks.models.onnx_session import run_onnx

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

GOLDEN_TOLERANCE = 1e-6  # processors round differently; a wrong model differs by far more


def require_digest(artifact: ModelArtifact, registered: str, name: str) -> None:
    """Raise BadModel unless the ONNX file has the registered sha256.

    Args:
        artifact: the files that were read.
        registered: the sha256 that was registered with the version.
        name: the version, for the error message.
    """
    actual = sha256(artifact.onnx).hexdigest()
    if not actual == registered == artifact.card.digest:
        raise BadModel(
            f"{name}: sha256 of model.onnx is {actual}, but the tag `digest` is "
            f"{registered or 'missing'} and the card has {artifact.card.digest}. Restore the file, "
            "or train and promote another version"
        )


def require_golden_predictions(
    artifact: ModelArtifact, session: InferenceSession, name: str
) -> None:
    """Raise BadModel if the file predicts its golden rows differently than when registered."""
    registered = read_golden_predictions(artifact.golden, GOLDEN_ONNX)
    predicted = run_onnx(session, build_matrix(artifact.golden, artifact.card.inputs))
    difference = recorded_problem_type(artifact.card).max_difference(predicted, registered)
    if not difference <= GOLDEN_TOLERANCE:
        raise BadModel(
            f"{name} predicts its golden rows differently, by up to {difference:.2g} (allowed: "
            f"{GOLDEN_TOLERANCE:.2g}). Train and promote another version"
        )
