"""Relocation of a copied or moved state folder: absolute paths in MLflow's database.

MLflow stores the absolute path of every experiment, run and model. In a copy of the state they
lead to the old place, so a new version would be written there. If database and files lie in the
state folder, the paths are changed to this folder, in one transaction, before anything uses them.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing

from configs.paths import folder_uri, sqlite_path
from configs.settings import settings
from infra.storage.errors import storage_errors

_PATHS = {
    "experiments": ("artifact_location",),
    "runs": ("artifact_uri",),
    "logged_models": ("artifact_location",),
    "model_versions": ("source", "storage_location"),
}
_BUSY_SECONDS = 60


def relocate_mlflow() -> bool:
    """Point MLflow's embedded database at the files beside it; return whether it was changed."""
    state, file = settings().state, settings().state / "mlflow.db"
    is_embedded = settings().mlflow_artifacts == str(state / "mlflow")
    if not (is_embedded and sqlite_path(settings().mlflow_uri) == file and file.exists()):
        return False
    root = folder_uri(settings().mlflow_artifacts)
    with (
        storage_errors(state),
        closing(sqlite3.connect(file, timeout=_BUSY_SECONDS, isolation_level=None)) as database,
    ):
        old = _read_root(database)
        if old is None or old == root:
            return False
        database.execute("BEGIN IMMEDIATE")
        for table, columns in _PATHS.items():
            for column in columns:
                _replace_prefix(database, table, column, f"{old}/", f"{root}/")
        database.execute("COMMIT")
    return True


def _read_root(database: sqlite3.Connection) -> str | None:
    """Return the folder of the files by the database: the one above its first experiment."""
    rows = database.execute(
        "SELECT artifact_location FROM experiments WHERE experiment_id = 0"
    ).fetchone()
    return None if rows is None else str(rows[0]).removesuffix("/0")


def _replace_prefix(
    database: sqlite3.Connection, table: str, column: str, old: str, new: str
) -> None:
    """Replace the start of the values of a column; other values stay as they are.

    Args:
        database: an open connection within a transaction.
        table: name of a table of `_PATHS`.
        column: name of a column of `_PATHS`.
        old: start of the values that change.
        new: start that they get.
    """
    database.execute(
        f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",
        (new, len(old) + 1, len(old), old),
    )
