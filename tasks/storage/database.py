"""SQLite and PostgreSQL by address: a lock for creating tables, and translated errors.

Messages have no passwords: SQLAlchemy and the drivers leave them out, and addresses are `shown`.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from sqlalchemy import Engine, create_engine, event, func, select, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.pool import NullPool

from configs.errors import Transient
from configs.paths import sqlite_path
from configs.settings import settings
from configs.urls import is_postgres, shown
from infra.storage.errors import storage_errors
from infra.storage.locks import describe_lock_holder, hold_file_lock

_LOCK_KEY = 0x6D61696E  # "main": the advisory lock for creating tables


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
            limit = f"set lock_timeout = {round(1000 * settings().lock_seconds)}"
            connection.execute(text(limit))
            connection.execute(select(func.pg_advisory_lock(_LOCK_KEY)))
            yield
    else:
        yield


@contextmanager
def database_errors(url: str) -> Iterator[None]:
    """Translate a database's errors; other errors are passed on.

    A missing response, a broken connection or a lock that lasts becomes Transient, a full or
    read-only disk of a SQLite file CannotWrite, a damaged file Damaged.
    """
    file = sqlite_path(url)
    try:
        with storage_errors(file or shown(url), disk=str(file.parent) if file else ""):
            yield
    except DBAPIError as error:
        message = str(error.orig).strip().partition("\n")[0]
        if _may_pass(error, message, file):
            if file is not None:
                message = f"{message}: {describe_lock_holder(_lockable_files(file))}"
            raise Transient(f"{shown(url)} cannot be used now: {message}") from error
        raise


def open_database(url: str) -> Engine:
    """Return an engine that waits for a lock of another process, but not for ever.

    A SQLite file keeps a log of its writes (WAL): readers need no lock, also while a writer stands.
    Each commit is copied to the file at once. Otherwise a damaged log would undo commits without an
    error, because SQLite ignores the log from the first broken page on.
    """
    file = sqlite_path(url)
    if file is None:
        return create_engine(url, pool_pre_ping=True)
    engine = create_engine(
        url, pool_pre_ping=True, connect_args={"timeout": settings().lock_seconds}
    )
    event.listen(engine, "connect", _copy_commits_at_once)
    if file.exists():
        use_write_ahead_log(file)
    return engine


def _copy_commits_at_once(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("pragma wal_autocheckpoint = 1")


def use_write_ahead_log(file: Path) -> None:
    """Switch a SQLite file to write-ahead logging, unless it is locked or read-only now."""
    with suppress(sqlite3.Error), closing(sqlite3.connect(file, timeout=0)) as connection:
        connection.execute("pragma journal_mode = wal")


def check_database(file: Path) -> str:
    """Return what SQLite finds wrong in a file; an empty text if it is sound."""
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
            (result,) = connection.execute("pragma integrity_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        cannot_tell = re.search("locked|unable to open|readonly", str(error))
        return "" if cannot_tell else str(error)
    return "" if result == "ok" else str(result)


def _lockable_files(file: Path) -> list[Path]:
    return [file.with_name(f"{file.name}-shm"), file]


def _may_pass(error: DBAPIError, message: str, file: Path | None) -> bool:
    """Return whether a retry may help: a lost server, or a file that is locked."""
    if file is not None:
        return "locked" in message
    return error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)
