"""Revisions of the ledger's table: new databases, tables of old code, kills and concurrency."""

import subprocess
import sys
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, inspect, text

from configs.errors import Terminal
from configs.settings import ROOT
from configs.urls import with_driver
from tasks.ledger import migrate
from tasks.ledger.log import Ledger
from tasks.ledger.log import _metadata as metadata
from tests.support.old_ledger import copy_to_postgres, write_old_ledger

PREPARE = "import sys; from tasks.ledger.log import Ledger; Ledger(sys.argv[1]).prepare()"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.db'}"
    return with_driver(request.getfixturevalue("postgres").database("migrate"), "psycopg")


@pytest.fixture
def old_url(url: str, tmp_path: Path) -> str:
    """A database with the table and the entries of the old code."""
    if url.startswith("sqlite"):
        return write_old_ledger(tmp_path / "ledger.db")
    write_old_ledger(tmp_path / "old.db")
    copy_to_postgres(tmp_path / "old.db", url)
    return url


def revision(url: str) -> str | None:
    with create_engine(url).connect() as connection:
        return migrate.read_revision(connection)


def describe_table(engine: Engine) -> object:
    inspector = inspect(engine)
    columns = [
        (column["name"], str(column["type"]), column["nullable"])
        for column in inspector.get_columns("ledger")
    ]
    unique = sorted(
        tuple(each["column_names"]) for each in inspector.get_unique_constraints("ledger")
    )
    return columns, unique, inspector.get_pk_constraint("ledger")["constrained_columns"]


def test_the_head_is_the_newest_revision() -> None:
    config = Config()
    config.set_main_option("script_location", str(ROOT / "tasks" / "ledger" / "migrations"))
    script = ScriptDirectory.from_config(config)
    assert script.get_current_head() == migrate.HEAD_REVISION
    assert script.get_base() == migrate.BASELINE_REVISION


def test_a_new_database_is_brought_to_the_head(url: str) -> None:
    for _ in range(2):
        Ledger(url).prepare()
    assert revision(url) == migrate.HEAD_REVISION


def test_the_migrated_table_is_the_one_that_the_code_uses(url: str, request, tmp_path) -> None:
    Ledger(url).prepare()
    migrated = create_engine(url)
    if url.startswith("sqlite"):
        direct = create_engine(f"sqlite:///{tmp_path / 'direct.db'}")
    else:
        other = request.getfixturevalue("postgres").database("direct")
        direct = create_engine(with_driver(other, "psycopg"))
    metadata.create_all(direct)
    assert describe_table(migrated) == describe_table(direct)


def test_a_table_of_the_old_code_is_stamped_and_read(old_url: str) -> None:
    book = Ledger(old_url)
    entries = book.entries("flights")
    assert [e.seq for e in entries] == list(range(1, 44))
    assert revision(old_url) == migrate.HEAD_REVISION
    assert book.record(entries[0]) == (entries[0], False)


def test_a_database_at_the_head_needs_no_alembic(url: str) -> None:
    Ledger(url).prepare()
    check = f"{PREPARE}; assert 'alembic' not in sys.modules, 'alembic was imported'"
    subprocess.run([sys.executable, "-c", check, url], cwd=ROOT, check=True)


@pytest.mark.parametrize("statement", ["delete from ledger_version", "drop table ledger_version"])
def test_a_process_killed_before_the_revision_is_repaired(old_url: str, statement: str) -> None:
    Ledger(old_url).prepare()
    with create_engine(old_url).begin() as connection:
        connection.execute(text(statement))
    assert len(Ledger(old_url).entries("flights")) == 43
    assert revision(old_url) == migrate.HEAD_REVISION


def test_processes_at_once_migrate_one_database(url: str) -> None:
    jobs = [subprocess.Popen([sys.executable, "-c", PREPARE, url], cwd=ROOT) for _ in range(3)]
    assert [job.wait(120) for job in jobs] == [0, 0, 0]
    assert revision(url) == migrate.HEAD_REVISION


def test_a_newer_revision_is_refused_with_what_to_do(url: str) -> None:
    Ledger(url).prepare()
    with create_engine(url).begin() as connection:
        connection.execute(text("update ledger_version set version_num = 'later'"))
    with pytest.raises(Terminal, match=r"schema revision 'later'.*upgrade mainspring"):
        Ledger(url).prepare()
    with create_engine(url).connect() as connection:
        assert inspect(connection).has_table("ledger")


def test_the_version_table_is_not_that_of_mlflow(url: str) -> None:
    Ledger(url).prepare()
    with create_engine(url).connect() as connection:
        assert not inspect(connection).has_table("alembic_version")
