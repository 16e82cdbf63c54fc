"""Artifacts of one fitted candidate, as training builds them."""

from __future__ import annotations

from configs.schema.use_case import UseCase
from tasks.models.artifact import ModelArtifact, pack_artifact
from tasks.models.onnx_session import open_onnx_session
from tasks.models.registry import Model
from tasks.training.fit import TrainingSplit, fit_candidate, split_training_rows
from tasks.training.onnx_export import export_candidate
from tasks.training.pipeline import FittedModel, build_artifact
from tests.support.flights import END, january


def fit_artifact(
    use_case: UseCase,
    name: str,
    parts: TrainingSplit | None = None,
    tables: dict[str, int] | None = None,
) -> ModelArtifact:
    """Fit a candidate, by default on January's flights, and return its artifact."""
    parts = parts or split_training_rows(use_case, january(), END)
    fitted = fit_candidate(use_case, name, parts)
    model = FittedModel(parts, [fitted], export_candidate(use_case, fitted, parts))
    return build_artifact(use_case, model, tables or {})


def open_artifact(artifact: ModelArtifact, version: int = 1) -> Model:
    """Return an artifact as the registry opens it."""
    session, digests = open_onnx_session(artifact.onnx), pack_artifact(artifact).digests
    return Model(artifact.card, session, version, artifact.golden, artifact.onnx, digests)
