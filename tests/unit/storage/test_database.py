"""Databases by address: files, locks and translated errors of SQLite."""

import sqlite3

import pytest
from sqlalchemy import create_engine, text

from configs.errors import Damaged, Transient
from tasks.storage.database import database_errors, hold_database_lock


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


@pytest.mark.parametrize("damage", ["text", "zeros", "cut"])
@pytest.mark.parametrize(
    ("name", "way_out"),
    [("ledger", "restore it from a backup"), ("feast_registry", "remove it; the next run")],
)
def test_a_damaged_file_is_named_with_its_way_out(home, name, way_out, damage):
    path = home / f"{name}.db"
    with sqlite3.connect(path) as connection:
        connection.execute("create table t (x text)")
        connection.executemany("insert into t values (?)", [("x" * 500,)] * 100)
    content = path.read_bytes()
    damaged = {
        "text": b"this is no database at all, but text" * 200,
        "zeros": content[:100] + bytes(4096) + content[4196:],
        "cut": content[: len(content) // 2],
    }
    path.write_bytes(damaged[damage])
    url, engine = f"sqlite:///{path}", create_engine(f"sqlite:///{path}")
    with (
        pytest.raises(Damaged, match=f"{path} is damaged .*; {way_out}"),
        database_errors(url),
        engine.connect() as connection,
    ):
        connection.execute(text("select * from t")).all()
