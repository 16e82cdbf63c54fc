"""MLflow client: connection, database tables, experiments and registered models."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

from configs.errors import Transient
from configs.paths import folder_uri, sqlite_path, sqlite_url
from configs.settings import settings
from configs.urls import is_postgres, shown, split_login
from infra.relocation import relocate_mlflow
from infra.storage.errors import storage_errors
from infra.storage.s3 import boto_variables
from tasks.models.mlflow.links import build_model_url
from tasks.storage.database import database_errors, hold_database_lock

if TYPE_CHECKING:
    from mlflow import MlflowClient


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

    logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)  # not between our lines
    store = SqlAlchemyStore(uri, folder_uri(settings().mlflow_artifacts))
    if sqlite_path(uri) is not None:  # a database of our own, in which nothing uses it
        store.delete_experiment("0")
    store.engine.dispose()


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
        with storage_errors(written_places()):
            yield
    except MlflowException as failed:
        if failed.error_code != "TEMPORARILY_UNAVAILABLE":
            raise
        message = str(failed.__cause__ or failed).partition("\n")[0]
        raise Transient(f"{shown(uri)} cannot be used now: {message}") from failed


def written_places() -> str:
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


def find_experiment(client: MlflowClient, use_case: str, title: str = "") -> str:
    """Return the id of the experiment of a use case; create it if it does not exist.

    Args:
        client: a client of the tracking server.
        use_case: name of the experiment.
        title: the question that its models answer, for a new experiment.
    """
    from mlflow.exceptions import MlflowException

    experiment = client.get_experiment_by_name(use_case)
    if experiment is None:
        try:
            location = folder_uri(f"{settings().mlflow_artifacts}/{use_case}")
            note = {"mlflow.note.content": f"{title}\n\nVersions: {build_model_url(use_case)}"}
            return str(client.create_experiment(use_case, artifact_location=location, tags=note))
        except MlflowException as raced:
            experiment = client.get_experiment_by_name(use_case)
            if experiment is None:
                raise raced
    return str(experiment.experiment_id)
