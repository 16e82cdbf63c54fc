"""Model versions in MLflow, and the one way to open one: ONNX whose sha256 is the registered one.

MLflow keeps runs, files and versions for people to look at. Its own loaders are never used, since
they run what the file names; a version is downloaded, checked and opened in ONNX Runtime here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import polars as pl

from configs.errors import BadConfig, BadModel
from configs.schema.use_case import UseCase
from configs.settings import settings
from infra.storage.errors import storage_errors
from tasks.evaluation.metrics import Floats
from tasks.evaluation.prediction_columns import to_prediction_array
from tasks.evaluation.problem_types import LabelSpec, recorded_problem_type
from tasks.models.artifact import ModelArtifact, read_artifact
from tasks.models.card import ModelCard
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
_EXTRA_FILES = "extra_files"  # where MLflow puts them beside the model
GOLDEN_ONNX = "answer"  # the ONNX file's, in the golden rows
GOLDEN_ESTIMATOR = "fitted"  # the estimator's own
GOLDEN_TOLERANCE = 1e-6  # processors round differently; a wrong model is off by far more
_DESCRIPTION_LENGTH = 5000  # characters that MLflow's database takes


@dataclass(frozen=True)
class Model:
    """An opened model version: card, session, the file's bytes, and the rows kept with it (as they
    came, with the answers of file and estimator).
    """

    card: ModelCard
    session: InferenceSession
    version: int
    golden: pl.DataFrame = field(default_factory=pl.DataFrame, compare=False)
    onnx: bytes = field(default=b"", repr=False)


def predict(model: Model, frame: pl.DataFrame) -> Floats:
    """What a model answers to rows that hold its inputs, as export.answer."""
    return run_onnx(model.session, build_matrix(frame, model.card.inputs))


def with_model_features(use_case: UseCase, model: Model) -> UseCase:
    """The use case with the features that the model was trained on; the YAML may have moved on.

    BadConfig as `require_same_question`.
    """
    require_same_label(use_case, model)
    card = model.card
    of_model = {
        "service": card.feature_service,
        "numeric": card.inputs.numeric,
        "categorical": card.inputs.categorical,
    }
    return use_case.model_copy(update={"features": use_case.features.model_copy(update=of_model)})


def require_same_label(use_case: UseCase, model: Model) -> None:
    """BadConfig if the YAML asks another question by now: then the model answers it no more."""
    card = model.card
    if (card.kind, card.classes) != (use_case.label.kind, use_case.label.classes):
        raise BadConfig(
            f"{use_case.name}: label.kind and label.classes are {_describe_label(use_case.label)} "
            f"now, but version {model.version} answers {_describe_label(card)}. Put them back, or "
            "make the other question a use case of its own"
        )


def _describe_label(labelled: LabelSpec) -> str:
    return f"{labelled.kind} {', '.join(labelled.classes)}".strip()


@mlflow_errors()
def find_version(use_case: str, origin: str) -> int | None:
    """The version that was registered for an origin; the first, if two raced; None if none was."""
    found = connect_mlflow().search_model_versions(f"name = '{use_case}'")
    versions = [int(v.version) for v in found if v.tags.get("origin") == origin]
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
    known = find_version(use_case, origin)
    if known is not None:
        return known
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
    """Open a version; BadModel unless its file, its card and its golden answers all hold.

    Opened models are kept for this process, by what they contain.
    """
    from mlflow.exceptions import MlflowException

    try:
        found = connect_mlflow().get_model_version(use_case, str(version))
    except MlflowException as missing:
        raise BadModel(f"{use_case} has no version {version}: {missing.message}") from missing
    digest = found.tags.get("digest", "")
    return _open(settings().mlflow_uri, use_case, version, digest)


@mlflow_errors()
def set_champion_alias(use_case: str, version: int) -> None:
    """Let MLflow's alias `champion` follow the ledger."""
    connect_mlflow().set_registered_model_alias(use_case, CHAMPION_ALIAS, str(version))


@mlflow_errors()
def read_champion_alias(use_case: str) -> int | None:
    """The version that MLflow calls champion; None if there is none."""
    from mlflow.exceptions import MlflowException

    try:
        return int(connect_mlflow().get_model_version_by_alias(use_case, CHAMPION_ALIAS).version)
    except MlflowException as none:
        if none.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


def version_url(use_case: str, version: int) -> str:
    """Where the version is seen in the local MLflow UI."""
    return f"{settings().mlflow_url}/#/models/{use_case}/versions/{version}"


@lru_cache(maxsize=8)
def _open(_uri: str, use_case: str, version: int, digest: str) -> Model:
    who = f"{use_case} version {version}"
    with _downloaded(use_case, version) as folder:
        artifact = read_artifact(folder, who, _EXTRA_FILES)
    card = artifact.card
    actual = sha256(artifact.onnx).hexdigest()
    if not actual == digest == card.digest:
        raise BadModel(
            f"{who}: sha256 of model.onnx is {actual}, its tag says {digest or 'nothing'}, its "
            f"card {card.digest}. Restore the file, or train and promote another version"
        )
    model = Model(card, open_onnx_session(artifact.onnx), version, artifact.golden, artifact.onnx)
    _check_golden(model, who)
    return model


def _check_golden(model: Model, who: str) -> None:
    registered = to_prediction_array(model.golden[GOLDEN_ONNX])
    difference = recorded_problem_type(model.card).max_difference(
        predict(model, model.golden), registered
    )
    if not difference <= GOLDEN_TOLERANCE:
        raise BadModel(f"{who} answers its golden rows differently, by up to {difference:.2g}")


@contextmanager
def _downloaded(use_case: str, version: int) -> Iterator[Path]:
    import mlflow

    # not models:/name/version, which writes a file of its own beside the model
    source = connect_mlflow().get_model_version_download_uri(use_case, str(version))
    with TemporaryDirectory() as folder:
        with storage_errors(settings().mlflow_artifacts):
            found = mlflow.artifacts.download_artifacts(artifact_uri=source, dst_path=folder)
        yield Path(found)
