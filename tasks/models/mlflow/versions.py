"""Versions of a registered model in MLflow: lookup, numbers, download of the files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from configs.errors import BadModel
from configs.paths import sqlite_path
from configs.settings import settings
from configs.urls import shown
from infra.storage.errors import storage_errors
from tasks.ledger.file_digests import FileDigests
from tasks.models.artifact import MAX_FILE_BYTES
from tasks.models.card import ModelCard
from tasks.models.mlflow.client import connect_mlflow, mlflow_errors

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

EXTRA_FILES = "extra_files"  # folder of card and golden rows beside MLflow's model
_ORIGINS = "origins"  # tag: all that asked for the same training, joined by ;
NOT_FOUND = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")  # MLflow's error codes


@mlflow_errors()
def find_version(use_case: str, origin: str) -> int | None:
    """Return the version registered for an origin; None if there is none.

    If two runs registered one at the same time, return the first.
    """
    registered = connect_mlflow().search_model_versions(f"name = '{use_case}'")
    versions = [int(v.version) for v in registered if origin in _list_origins(v.tags)]
    return min(versions, default=None)


@mlflow_errors()
def find_equal_version(card: ModelCard, origin: str) -> int | None:
    """Return the version of the same file from the same training rows; None if there is none.

    The version is then also the one of `origin`, so `find_version` finds it without a training.
    """
    client, use_case = connect_mlflow(), card.use_case
    training = {"digest": card.digest, "trained_until": card.trained_until.isoformat()}
    registered = client.search_model_versions(f"name = '{use_case}'")
    equal = [v for v in registered if training.items() <= v.tags.items()]
    if not equal:
        return None
    first = min(equal, key=lambda v: int(v.version))
    origins = ";".join([*_list_origins(first.tags), origin])
    client.set_model_version_tag(use_case, first.version, _ORIGINS, origins)
    return int(first.version)


def _list_origins(tags: Mapping[str, str]) -> list[str]:
    """Return all that asked for a version, the first one that registered it."""
    return [tags.get("origin", ""), *filter(None, tags.get(_ORIGINS, "").split(";")[1:])]


def read_tagged_digests(use_case: str, version: int) -> FileDigests:
    """Return the digests in a version's tags, which are only a copy of the ledger's."""
    tags = get_version(use_case, version).tags
    return FileDigests(
        onnx=tags.get("digest", ""),
        card=tags.get("card_digest"),
        golden=tags.get("golden_digest"),
    )


def get_version(use_case: str, version: int) -> ModelVersion:
    """Return a version from MLflow; BadModel if there is none."""
    from mlflow.exceptions import MlflowException

    message = (
        f"{use_case} version {version} not found in MLflow: it was deleted, the registered model "
        "was renamed, or MLflow's database is another one"
    )
    file = sqlite_path(settings().mlflow_uri)
    if file is not None and not file.exists():  # a reader creates none
        raise BadModel(message)
    try:
        return connect_mlflow().get_model_version(use_case, str(version))
    except MlflowException as missing:
        if missing.error_code not in NOT_FOUND:
            raise
        raise BadModel(message) from missing


@contextmanager
def downloaded_version(use_case: str, version: int) -> Iterator[Path]:
    """Yield a temporary folder with the files of a version; BadModel if there are none."""
    import mlflow

    get_version(use_case, version)
    # models:/name/version would write a file of its own beside the model
    source = connect_mlflow().get_model_version_download_uri(use_case, str(version))
    with TemporaryDirectory() as folder:
        with storage_errors(settings().mlflow_artifacts):
            _require_files(source, f"{use_case} version {version}")
            path = mlflow.artifacts.download_artifacts(artifact_uri=source, dst_path=folder)
        yield Path(path)


def _require_files(source: str, name: str) -> None:
    """Raise BadModel if there are no files at an address, or one is too large to be downloaded."""
    import mlflow

    folders = (source, f"{source}/{EXTRA_FILES}")
    files = [each for folder in folders for each in mlflow.artifacts.list_artifacts(folder)]
    if not files:
        raise BadModel(f"{name}: its files are not found at {shown(source)}")
    for file in files:
        if (file.file_size or 0) > MAX_FILE_BYTES:
            raise BadModel(
                f"{name}: {file.path} has {file.file_size:,} bytes, more than {MAX_FILE_BYTES:,}"
            )


def skip_numbers(client: MlflowClient, use_case: str, source: str, last: int) -> None:
    """Make MLflow's next version number larger than `last`.

    A new database or a registered model that was created again starts at 1. The ledger knows other
    files under these numbers, so each gets a version that is deleted at once.

    Args:
        client: a client of the tracking server.
        use_case: name of the registered model.
        source: address of any model files.
        last: the largest version in the ledger.
    """
    registered = client.search_model_versions(f"name = '{use_case}'")
    number = max((int(each.version) for each in registered), default=0)
    while number < last:
        number = int(client.create_model_version(use_case, source).version)
        client.delete_model_version(use_case, str(number))
