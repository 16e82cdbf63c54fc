"""MLflow client: connection, database tables, one run per registered model."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from configs.errors import Transient
from configs.paths import folder_uri, sqlite_path, sqlite_url
from configs.settings import settings
from configs.urls import is_postgres, shown, split_login
from infra.relocation import relocate_mlflow
from infra.storage.errors import storage_errors
from infra.storage.s3 import boto_variables
from tasks.models.artifact import ModelArtifact, VersionFiles
from tasks.models.card import ModelCard
from tasks.models.mlflow.flavor import log_mlflow_model
from tasks.storage.database import database_errors, hold_database_lock
from tasks.storage.lake import open_lake

if TYPE_CHECKING:
    from mlflow import MlflowClient


_INVALID_IN_NAME = re.compile(r"[^\w .:/-]")  # in a metric name, which may hold a class name


def connect_mlflow() -> MlflowClient:
    """Return a client of the tracking server or database in the settings."""
    import mlflow

    uri = _log_in(settings().mlflow_uri)
    migrate_mlflow(uri)
    if mlflow.get_tracking_uri() != uri:
        mlflow.set_tracking_uri(uri)
    os.environ.update(boto_variables(settings().mlflow_artifacts))
    return mlflow.MlflowClient(uri, uri)


def _log_in(uri: str) -> str:
    """Return a tracking server's address without user and password, and set MLflow's variables.

    MLflow's errors contain the address. A database keeps its own: its driver hides the password.
    """
    if not uri.startswith("http"):
        return uri
    address, *login = split_login(uri)
    names = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")
    os.environ.update({name: part for name, part in zip(names, login, strict=True) if part})
    return address


@cache
def migrate_mlflow(uri: str) -> None:
    """Create MLflow's tables in a database without tables; do nothing for a tracking server.

    The paths in the database of a copied state are changed to the copy (infra/relocation.py).
    A database of an older MLflow is not migrated: an administrator makes a backup first.
    """
    # concurrent processes break MLflow's migration, hence the lock; a killed one leaves half of it
    # in SQLite, hence the temporary file; PostgreSQL rolls it back
    file = sqlite_path(uri)
    if file is not None:
        with hold_database_lock(uri), storage_errors(file.parent):
            if not file.exists():
                unfinished = file.with_suffix(".new")
                unfinished.unlink(missing_ok=True)
                _create_tables(sqlite_url(unfinished))
                unfinished.rename(file)
            relocate_mlflow()
    elif is_postgres(uri):
        with hold_database_lock(uri), database_errors(uri):
            _create_tables(uri)


def _create_tables(uri: str) -> None:
    """Create MLflow's tables unless they exist; MlflowException if an older MLflow made them."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    SqlAlchemyStore(uri, folder_uri(settings().mlflow_artifacts)).engine.dispose()


@contextmanager
def mlflow_errors() -> Iterator[None]:
    """Translate MLflow's errors; errors of any other cause pass unchanged.

    Raises:
        CannotWrite: a disk is full or read-only.
        Transient: the database or server cannot be used now.
    """
    from mlflow.exceptions import MlflowException

    uri = settings().mlflow_uri
    try:
        with storage_errors(_written_places()):
            yield
    except MlflowException as failed:
        if failed.error_code != "TEMPORARILY_UNAVAILABLE":
            raise
        message = str(failed.__cause__ or failed).partition("\n")[0]
        raise Transient(f"{shown(uri)} cannot be used now: {message}") from failed


def _written_places() -> str:
    """Return both places that MLflow writes to: an error rarely says which one failed."""
    uri = settings().mlflow_uri
    file = sqlite_path(uri)
    return f"{file.parent if file else shown(uri)} or {settings().mlflow_artifacts}"


def create_registered_model(client: MlflowClient, use_case: str, title: str) -> None:
    """Create the registered model of a use case unless it exists.

    Args:
        client: a client of the tracking server.
        use_case: name of the registered model.
        title: its description.
    """
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(use_case, description=title)
    except MlflowException as existing:
        if existing.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def log_run(
    client: MlflowClient,
    artifact: ModelArtifact,
    files: VersionFiles,
    pages: Mapping[str, str],
    tags: dict[str, str],
) -> tuple[str, str, str]:
    """Write one finished run with model files, metrics, parameters and data set versions.

    Args:
        client: a client of the tracking server.
        artifact: the model to log.
        files: its files.
        pages: more text files to keep beside the model, by file name.
        tags: tags of the run; `origin` names it.

    Returns:
        Run id, model id and the address of the model files.
    """
    import mlflow
    from mlflow.entities import Metric, Param, RunTag

    card = artifact.card
    experiment = find_experiment(client, card.use_case)
    artifact_errors = storage_errors(settings().mlflow_artifacts, disk=_written_places())
    with (
        artifact_errors,
        mlflow.start_run(experiment_id=experiment, run_name=tags["origin"]) as run,
    ):
        started, run_id = run.info.start_time, run.info.run_id
        logged = log_mlflow_model(artifact, files, pages)
        metrics = [
            Metric(name, value, started, 0, model_id=logged.model_id)
            for name, value in _metrics(card).items()
        ]
        params = [Param(name, str(value)) for name, value in _params(card).items()]
        client.log_batch(run_id, metrics, params, [RunTag(*tag) for tag in tags.items()])
        client.log_inputs(run_id, _inputs(card))
    return run_id, logged.model_id, f"models:/{logged.model_id}"


def _metrics(card: ModelCard) -> dict[str, float]:
    validation = {
        f"validation_{candidate}_{name}": value
        for candidate, metrics in card.validation.items()
        for name, value in metrics.items()
    }
    holdout = {f"holdout_{name}": value for name, value in card.holdout.items()}
    footprint = {name: float(value) for name, value in card.footprint.model_dump().items()}
    threshold = {"threshold": card.threshold} if isinstance(card.threshold, float) else {}
    metrics = {**holdout, **validation, **footprint, **threshold, "parity": card.parity}
    return {_INVALID_IN_NAME.sub("_", name): value for name, value in metrics.items()}


def _params(card: ModelCard) -> dict[str, object]:
    return {
        "algorithm": card.algorithm,
        "estimator": card.candidate.estimator,
        "encoding": card.candidate.encoding,
        **card.candidate.params,
        "seed": card.seed,
        "start": card.start.isoformat(),
        "end": card.end.isoformat(),
        **{f"{part}_rows": rows for part, rows in card.rows.items()},
    }


def _inputs(card: ModelCard) -> list[Any]:
    """Return the lake's tables as MLflow datasets, the table version as the digest."""
    from mlflow.data.delta_dataset_source import DeltaDatasetSource
    from mlflow.data.meta_dataset import MetaDataset
    from mlflow.entities import DatasetInput, InputTag

    lake = open_lake(card.use_case)
    sources = {
        table: DeltaDatasetSource(path=lake.uri(table), delta_table_version=number)
        for table, number in card.table_versions.items()
    }
    return [
        DatasetInput(
            MetaDataset(source, table, f"v{card.table_versions[table]}")._to_mlflow_entity(),
            [InputTag("mlflow.data.context", "training")],
        )
        for table, source in sources.items()
    ]


def find_experiment(client: MlflowClient, use_case: str) -> str:
    """Return the id of the experiment of a use case; create it if it does not exist."""
    from mlflow.exceptions import MlflowException

    experiment = client.get_experiment_by_name(use_case)
    if experiment is None:
        try:
            location = folder_uri(f"{settings().mlflow_artifacts}/{use_case}")
            return str(client.create_experiment(use_case, artifact_location=location))
        except MlflowException as raced:
            experiment = client.get_experiment_by_name(use_case)
            if experiment is None:
                raise raced
    return str(experiment.experiment_id)
