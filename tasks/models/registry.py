"""Model registry in MLflow: versions are registered, verified by sha256 and opened in ONNX Runtime.

MLflow's own loaders are never used: they import code that the model file names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import polars as pl

from configs.errors import BadConfig, BadModel
from configs.schema.use_case import UseCase
from configs.settings import settings
from infra.storage.errors import storage_errors
from tasks.evaluation.metrics import Floats
from tasks.evaluation.problem_types import LabelSpec
from tasks.models.artifact import ModelArtifact, read_artifact
from tasks.models.card import ModelCard
from tasks.models.file_integrity import require_digest, require_golden_predictions
from tasks.models.matrix import build_matrix
from tasks.models.mlflow_client import (
    connect_mlflow,
    create_registered_model,
    log_run,
    mlflow_errors,
)
from tasks.models.onnx_session import open_onnx_session, run_onnx

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


CHAMPION_ALIAS = "champion"
_EXTRA_FILES = "extra_files"  # folder of card and golden rows beside MLflow's model
_DESCRIPTION_LENGTH = 5000  # characters; the limit of MLflow's database column


@dataclass(frozen=True)
class Model:
    """An opened model version.

    `golden` holds raw input rows with the predictions of ONNX file and estimator; `onnx` the bytes
    of the file.
    """

    card: ModelCard
    session: InferenceSession
    version: int
    golden: pl.DataFrame = field(default_factory=pl.DataFrame, compare=False)
    onnx: bytes = field(default=b"", repr=False)


def predict(model: Model, frame: pl.DataFrame) -> Floats:
    """Return the predictions of rows that hold the model's inputs: (rows,) or (rows, classes)."""
    return run_onnx(model.session, build_matrix(frame, model.card.inputs))


def with_model_features(use_case: UseCase, model: Model) -> UseCase:
    """Return the use case with the features that the model was trained on.

    The features in the YAML may have changed since.

    Raises:
        BadConfig: the model was trained for another label.
    """
    require_same_label(use_case, model)
    card = model.card
    trained_features = {
        "service": card.feature_service,
        "numeric": card.inputs.numeric,
        "categorical": card.inputs.categorical,
    }
    features = use_case.features.model_copy(update=trained_features)
    return use_case.model_copy(update={"features": features})


def require_same_label(use_case: UseCase, model: Model) -> None:
    """Raise BadConfig if the model was trained for another label than the YAML has."""
    card = model.card
    if (card.kind, card.classes) != (use_case.label.kind, use_case.label.classes):
        raise BadConfig(
            f"{use_case.name}: `label.kind` and `label.classes` are "
            f"{_describe_label(use_case.label)}, but version {model.version} was trained for "
            f"{_describe_label(card)}. Restore them, or create another use case for the new label"
        )


def _describe_label(labelled: LabelSpec) -> str:
    return f"{labelled.kind} {', '.join(labelled.classes)}".strip()


@mlflow_errors()
def find_version(use_case: str, origin: str) -> int | None:
    """Return the version registered for an origin; None if there is none.

    If two runs registered one at the same time, return the first.
    """
    registered = connect_mlflow().search_model_versions(f"name = '{use_case}'")
    versions = [int(v.version) for v in registered if v.tags.get("origin") == origin]
    return min(versions, default=None)


@mlflow_errors()
def register_version(
    artifact: ModelArtifact,
    origin: str,
    description: str = "",
    pages: Mapping[str, str] | None = None,
) -> int:
    """Store a model and register it once per origin; return its version.

    The version is written last, together with its tags. A run that was killed earlier has no
    version and is never used.

    Args:
        artifact: the model.
        origin: what asked for it, for example an alert key; registered only once.
        description: text of the version in MLflow; cut to what MLflow's database takes.
        pages: more text files to keep beside the model, by file name.
    """
    card, use_case = artifact.card, artifact.card.use_case
    existing = find_version(use_case, origin)
    if existing is not None:
        return existing
    tags = {
        "digest": card.digest,
        "origin": origin,
        "feature_service": card.feature_service,
        "revision": card.revision,
        "trained_until": card.trained_until.isoformat(),
    }
    client = connect_mlflow()
    run_id, model_id, source = log_run(client, artifact, pages or {}, tags)
    create_registered_model(client, use_case, card.title)
    client.create_model_version(
        use_case,
        source,
        run_id,
        tags=tags,
        description=description[:_DESCRIPTION_LENGTH],
        model_id=model_id,
    )
    registered = find_version(use_case, origin)
    assert registered is not None
    return registered


@mlflow_errors()
def open_model(use_case: str, version: int) -> Model:
    """Open a version, verify its sha256 and its golden predictions, and return the model.

    Models are cached per process, by version and sha256.

    Raises:
        BadModel: the version or a file is not found, the card is invalid, or a check fails.
    """
    from mlflow.exceptions import MlflowException

    try:
        registered = connect_mlflow().get_model_version(use_case, str(version))
    except MlflowException as missing:
        raise BadModel(f"{use_case} version {version} not found: {missing.message}") from missing
    digest = registered.tags.get("digest", "")
    return _open(settings().mlflow_uri, use_case, version, digest)


@mlflow_errors()
def set_champion_alias(use_case: str, version: int) -> None:
    """Set MLflow's alias `champion` to a version."""
    connect_mlflow().set_registered_model_alias(use_case, CHAMPION_ALIAS, str(version))


@mlflow_errors()
def read_champion_alias(use_case: str) -> int | None:
    """Return the version that has MLflow's alias `champion`; None if there is none."""
    from mlflow.exceptions import MlflowException

    try:
        return int(connect_mlflow().get_model_version_by_alias(use_case, CHAMPION_ALIAS).version)
    except MlflowException as missing:
        if missing.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


def build_version_url(use_case: str, version: int) -> str:
    """Return the address of a version in the MLflow UI."""
    return f"{settings().mlflow_url}/#/models/{use_case}/versions/{version}"


@lru_cache(maxsize=8)
def _open(_uri: str, use_case: str, version: int, digest: str) -> Model:
    name = f"{use_case} version {version}"
    with _downloaded_version(use_case, version) as folder:
        artifact = read_artifact(folder, name, _EXTRA_FILES)
    require_digest(artifact, digest, name)
    session = open_onnx_session(artifact.onnx)
    require_golden_predictions(artifact, session, name)
    return Model(artifact.card, session, version, artifact.golden, artifact.onnx)


@contextmanager
def _downloaded_version(use_case: str, version: int) -> Iterator[Path]:
    """Yield a temporary folder with the files of a version."""
    import mlflow

    # models:/name/version would write a file of its own beside the model
    source = connect_mlflow().get_model_version_download_uri(use_case, str(version))
    with TemporaryDirectory() as folder:
        with storage_errors(settings().mlflow_artifacts):
            path = mlflow.artifacts.download_artifacts(artifact_uri=source, dst_path=folder)
        yield Path(path)
