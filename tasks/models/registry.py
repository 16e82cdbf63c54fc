"""Model registry in MLflow: versions are registered, verified by sha256 and opened in ONNX Runtime.

MLflow's own loaders are never used: they import code that the model file names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

import polars as pl

from configs.errors import BadConfig, BadModel
from configs.schema.use_case import UseCase
from configs.settings import settings
from tasks.evaluation.metrics import Floats
from tasks.evaluation.problem_types import LabelSpec
from tasks.ledger.file_digests import FileDigests
from tasks.ledger.log import open_ledger
from tasks.ledger.projections import find_file_digests
from tasks.models.artifact import (
    ModelArtifact,
    VersionFiles,
    pack_artifact,
    parse_artifact,
    read_version_files,
)
from tasks.models.card import ModelCard
from tasks.models.file_integrity import open_version_files, require_digests
from tasks.models.matrix import build_matrix
from tasks.models.mlflow.client import (
    connect_mlflow,
    create_registered_model,
    mlflow_errors,
)
from tasks.models.mlflow.runs import log_run, name_run
from tasks.models.mlflow.versions import (
    EXTRA_FILES,
    NOT_FOUND,
    downloaded_version,
    find_version,
    get_version,
    read_tagged_digests,
    skip_numbers,
)
from tasks.models.onnx_session import run_onnx
from tasks.models.trial import try_version

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


CHAMPION_ALIAS = "champion"
_DESCRIPTION_LENGTH = 5000  # characters; the limit of MLflow's database column
_exported_here: set[FileDigests] = set()  # by this process: these files need no trial


@dataclass(frozen=True)
class Model:
    """An opened model version.

    `golden` holds raw input rows with the predictions of ONNX file and estimator; `onnx` the bytes
    of the file; `digests` those of all files.
    """

    card: ModelCard
    session: InferenceSession
    version: int
    golden: pl.DataFrame = field(default_factory=pl.DataFrame, compare=False)
    onnx: bytes = field(default=b"", repr=False)
    digests: FileDigests | None = field(default=None, repr=False)


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
    return with_card_features(use_case, model.card)


def with_card_features(use_case: UseCase, card: ModelCard) -> UseCase:
    """Return the use case with the features of a model card."""
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
def register_version(
    artifact: ModelArtifact,
    origin: str,
    description: str = "",
    pages: Mapping[str, str] | None = None,
) -> int:
    """Store a model and register it once per origin; return its version.

    The version is written last, together with its tags. A run that was killed earlier has no
    version and is never used. Its number is larger than every version in the ledger.

    Args:
        artifact: the model.
        origin: what asked for it, for example an alert key; registered only once.
        description: text of the version in MLflow; cut to what MLflow's database takes.
        pages: more text files to keep beside the model, by file name.
    """
    use_case = artifact.card.use_case
    existing = find_version(use_case, origin)
    if existing is not None:
        return existing
    files = pack_artifact(artifact)
    _exported_here.add(files.digests)
    versions = (e.version or 0 for e in open_ledger().entries(use_case))
    last = max(versions, default=0)
    _create_version(artifact, files, origin, last, description, pages or {})
    registered = find_version(use_case, origin)
    assert registered is not None
    return registered


@mlflow_errors()
def restore_version(files: VersionFiles, use_case: str, version: int, origin: str) -> bool:
    """Register files again under a number that MLflow no longer has; return whether it did.

    MLflow gives a number once. So only a new database, or a registered model that was renamed or
    deleted, has the number free.

    Args:
        files: the files of the version, whose digests were checked.
        use_case: name of the registered model.
        version: the number.
        origin: what asked for the version, as the ledger has it.
    """
    artifact = parse_artifact(files, f"{use_case} version {version}")
    created = _create_version(artifact, files, origin, version - 1, "", {})
    if created != version:
        connect_mlflow().delete_model_version(use_case, str(created))
    return created == version


@mlflow_errors()
def open_model(use_case: str, version: int) -> Model:
    """Open a version, verify its files and its golden predictions, and return the model.

    The ledger's digests decide which model a version is. If the ledger has none, the version is
    new, and MLflow's tags have them; it is then tried out in a process with bounded memory first.
    Models are cached per process, by version and digests.

    Raises:
        BadModel: the version or a file is not found, a file is invalid, or a check fails.
    """
    recorded = find_file_digests(open_ledger().entries(use_case), version)
    try:
        if recorded is not None:
            return _open(settings().mlflow_uri, use_case, version, recorded, is_recorded=True)
        tagged = read_tagged_digests(use_case, version)
        return _open(settings().mlflow_uri, use_case, version, tagged, is_recorded=False)
    except BadModel as bad:
        raise BadModel(f"{bad}. {recovery_hint(use_case)}") from bad


def recovery_hint(use_case: str) -> str:
    """Return what to do when a version cannot be opened."""
    return f"Restore it in MLflow, or run `mainspring recover {use_case}`"


@mlflow_errors()
def set_alias(use_case: str, alias: str, version: int | None, *, is_required: bool = True) -> None:
    """Set an alias of MLflow to a version, or remove it without one.

    Args:
        use_case: name of the registered model.
        alias: the alias.
        version: the version; None to remove the alias.
        is_required: whether a missing version is an error, or removes the alias.

    Raises:
        BadModel: MLflow has no such version.
    """
    client = connect_mlflow()
    if version is None:
        client.delete_registered_model_alias(use_case, alias)
        return
    try:
        get_version(use_case, version)
    except BadModel as missing:
        if is_required:
            raise BadModel(f"{missing}. {recovery_hint(use_case)}") from missing
        client.delete_registered_model_alias(use_case, alias)
        return
    client.set_registered_model_alias(use_case, alias, str(version))


@mlflow_errors()
def read_alias(use_case: str, alias: str = CHAMPION_ALIAS) -> int | None:
    """Return the version that has an alias of MLflow; None if there is none.

    Args:
        use_case: name of the registered model.
        alias: the alias.
    """
    from mlflow.exceptions import MlflowException

    try:
        return int(connect_mlflow().get_model_version_by_alias(use_case, alias).version)
    except MlflowException as missing:
        if missing.error_code in NOT_FOUND:
            return None
        raise


def _create_version(
    artifact: ModelArtifact,
    files: VersionFiles,
    origin: str,
    last: int,
    description: str,
    pages: Mapping[str, str],
) -> int:
    """Store files and create a version of them; return its number, which is larger than `last`."""
    card, use_case = artifact.card, artifact.card.use_case
    tags = {
        "digest": card.digest,
        "card_digest": str(files.digests.card),
        "golden_digest": str(files.digests.golden),
        "origin": origin,
        "feature_service": card.feature_service,
        "revision": card.revision,
        "trained_until": card.trained_until.isoformat(),
        "status": "candidate",
    }
    client = connect_mlflow()
    run_id, model_id, source = log_run(client, artifact, files, pages, tags)
    create_registered_model(client, use_case, card.title)
    skip_numbers(client, use_case, source, last)
    created = client.create_model_version(
        use_case,
        source,
        run_id,
        tags=tags,
        description=description[:_DESCRIPTION_LENGTH],
        model_id=model_id,
    )
    name_run(client, run_id, card, int(created.version), origin)
    return int(created.version)


@lru_cache(maxsize=8)
def _open(
    _uri: str, use_case: str, version: int, expected: FileDigests, *, is_recorded: bool
) -> Model:
    name = f"{use_case} version {version}"
    with downloaded_version(use_case, version) as folder:
        files = read_version_files(folder, name, EXTRA_FILES)
        source = "the ledger" if is_recorded else "MLflow's tag"
        require_digests(files, expected, source, name)
        if not is_recorded and files.digests not in _exported_here:
            try_version(folder, name, EXTRA_FILES)
    artifact, session = open_version_files(files, name)
    return Model(artifact.card, session, version, artifact.golden, files.onnx, files.digests)
