"""Databases by address: files, locks and translated errors of SQLite."""

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from configs.errors import Transient
from tasks.storage.database import database_errors, hold_database_lock, sqlite_path


def test_sqlite_path_is_the_file_of_a_sqlite_address():
    assert sqlite_path("sqlite:////tmp/a.db") == Path("/tmp/a.db")
    assert sqlite_path("postgresql://server/a") is None


def test_hold_database_lock_leaves_a_lock_file_beside_sqlite(tmp_path):
    with hold_database_lock(f"sqlite:///{tmp_path / 'a.db'}"):
        assert (tmp_path / "a.lock").exists()
    with hold_database_lock("mssql://server/a"):
        pass


def test_database_errors_of_a_locked_file_are_transient(tmp_path):
    url = f"sqlite:///{tmp_path / 'a.db'}"
    engine = create_engine(url, connect_args={"timeout": 0})
    other = sqlite3.connect(tmp_path / "a.db")
    other.execute("begin exclusive")
    with (
        pytest.raises(Transient, match="locked"),
        database_errors(url),
        engine.connect() as connection,
    ):
        connection.execute(text("create table t (x int)"))
    other.close()


def test_database_errors_passes_other_errors_on(tmp_path):
    with pytest.raises(ValueError, match="other"), database_errors(f"sqlite:///{tmp_path}/a.db"):
        raise ValueError("other")
