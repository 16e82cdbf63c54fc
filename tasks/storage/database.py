"""SQLite or PostgreSQL by an address: tables are made by one at a time, errors are told apart.

Passwords are in no message: SQLAlchemy and the drivers keep them out, and addresses are `shown`.
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
_LOCK = 0x6D61696E  # "main": whoever makes tables in one of our databases holds it


def sqlite_path(url: str) -> Path | None:
    """The file of a SQLite address; None of another one."""
    return Path(url.removeprefix(_SQLITE)) if url.startswith(_SQLITE) else None


@contextmanager
def hold_database_lock(url: str) -> Iterator[None]:
    """Only one process of all is inside, for one database: who makes tables cannot be two.

    CREATE TABLE IF NOT EXISTS of two at once fails in both databases, and MLflow's migrations
    break. A lock file stands beside a SQLite file; PostgreSQL has advisory locks, which end with
    their connection, however it ends. Other addresses are a server's own affair.
    """
    file = sqlite_path(url)
    if file is not None:
        with hold_file_lock(file.with_suffix(".lock")):
            yield
    elif is_postgres(url):
        engine = create_engine(url, poolclass=NullPool)
        with database_errors(url), engine.connect() as connection:
            connection.execute(select(func.pg_advisory_lock(_LOCK)))
            yield
    else:
        yield


@contextmanager
def database_errors(url: str) -> Iterator[None]:
    """Tell a database's errors apart: Transient where it did not answer or the connection broke,
    CannotWrite where the disk of a SQLite file takes no more; all others pass.
    """
    file = sqlite_path(url)
    try:
        with storage_errors(file.parent if file else shown(url)):
            yield
    except DBAPIError as failed:
        said = str(failed.orig).strip().partition("\n")[0]
        if _may_pass(failed, said, file):
            raise Transient(f"{shown(url)} cannot be used now: {said}") from failed
        raise


def _may_pass(failed: DBAPIError, said: str, file: Path | None) -> bool:
    """What is no mistake in the statement: a server that went away; a file that others hold."""
    if file is not None:
        return "locked" in said
    return failed.connection_invalidated or isinstance(failed, OperationalError | InterfaceError)
