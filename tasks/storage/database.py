"""SQLite and PostgreSQL by address: a lock for creating tables, and translated errors.

Messages have no passwords: SQLAlchemy and the drivers leave them out, and addresses are `shown`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine, func, select
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.pool import NullPool

from configs.errors import Transient
from configs.urls import is_postgres, shown
from infra.storage.errors import storage_errors
from infra.storage.locks import hold_file_lock

_SQLITE = "sqlite:///"
_LOCK_KEY = 0x6D61696E  # "main": the advisory lock for creating tables


def sqlite_path(url: str) -> Path | None:
    """Return the file of a SQLite address; None for other addresses."""
    return Path(url.removeprefix(_SQLITE)) if url.startswith(_SQLITE) else None


@contextmanager
def hold_database_lock(url: str) -> Iterator[None]:
    """Hold a lock of one database across all processes, for creating tables.

    Two concurrent CREATE TABLE IF NOT EXISTS fail in both databases and break MLflow's migrations.
    SQLite has a lock file beside it; PostgreSQL an advisory lock, which always ends with its
    connection. Other addresses are locked by their own server.
    """
    file = sqlite_path(url)
    if file is not None:
        with hold_file_lock(file.with_suffix(".lock")):
            yield
    elif is_postgres(url):
        engine = create_engine(url, poolclass=NullPool)
        with database_errors(url), engine.connect() as connection:
            connection.execute(select(func.pg_advisory_lock(_LOCK_KEY)))
            yield
    else:
        yield


@contextmanager
def database_errors(url: str) -> Iterator[None]:
    """Translate a database's errors; other errors are passed on.

    A missing response or a broken connection becomes Transient, a full or read-only disk of a
    SQLite file CannotWrite.
    """
    file = sqlite_path(url)
    try:
        with storage_errors(file.parent if file else shown(url)):
            yield
    except DBAPIError as error:
        message = str(error.orig).strip().partition("\n")[0]
        if _may_pass(error, message, file):
            raise Transient(f"{shown(url)} cannot be used now: {message}") from error
        raise


def _may_pass(error: DBAPIError, message: str, file: Path | None) -> bool:
    """Return whether a retry may help: a lost server, or a file that is locked."""
    if file is not None:
        return "locked" in message
    return error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)
