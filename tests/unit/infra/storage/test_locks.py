"""Locks have an end: a process that stands still stops no reader, and a writer learns its name."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from configs.errors import Transient
from configs.settings import settings
from infra.storage.locks import hold_file_lock
from tasks.ledger.log import Entry, Ledger, open_ledger
from tasks.storage.database import hold_database_lock
from tests.support.old_ledger import write_old_ledger

HOLD_FILE = "from filelock import FileLock; lock = FileLock({path!r}); lock.acquire()"
HOLD_DATABASE = (
    "import sqlite3; connection = sqlite3.connect({path!r}, isolation_level=None); "
    "connection.execute({begin!r}); connection.execute('update ledger set actor = actor')"
)


@contextmanager
def stopped_process(code: str, **values: str) -> Iterator[subprocess.Popen[str]]:
    """A process that runs code and is stopped then, as by Ctrl-Z."""
    program = f"{code.format(**values)}; print('held', flush=True); import time; time.sleep(60)"
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        process.send_signal(signal.SIGSTOP)
        try:
            yield process
        finally:
            process.kill()


def refusal(key: str) -> Entry:
    return Entry("flights", "refused", key, datetime(2013, 1, 1, tzinfo=UTC), "test", 1)


@pytest.fixture
def ledger(home: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    monkeypatch.setenv("MAINSPRING_LOCK_SECONDS", "0.5")
    settings.cache_clear()
    open_ledger().record(refusal("one"))
    return Ledger(settings().ledger_url)  # as another process would open it


def test_a_file_lock_names_the_process_that_stands(tmp_path: Path) -> None:
    path = tmp_path / "it.lock"
    with (
        stopped_process(HOLD_FILE, path=str(path)) as holder,
        pytest.raises(
            Transient,
            match=rf"it.lock was not free within 0.3 s: process {holder.pid} "
            r"holds the lock \(.*FileLock.*it runs since .* UTC and is stopped\)",
        ),
        hold_file_lock(path, timedelta(seconds=0.3)),
    ):
        pass
    with hold_file_lock(path, timedelta(seconds=5)):
        pass


@pytest.mark.parametrize("begin", ["begin immediate", "begin exclusive"])
def test_a_stopped_writer_of_the_ledger_stops_no_reader(
    home: Path, ledger: Ledger, begin: str
) -> None:
    database = str(home / "ledger.db")
    with stopped_process(HOLD_DATABASE, path=database, begin=begin) as holder:
        started = time.monotonic()
        assert [each.key for each in ledger.entries()] == ["one"]
        assert time.monotonic() - started < 0.5
        with pytest.raises(Transient, match=rf"database is locked: process {holder.pid} holds"):
            ledger.record(refusal("two"))
        assert time.monotonic() - started < 10
    assert ledger.record(refusal("two"))[1]


def test_a_stopped_migration_stops_no_reader(home: Path, ledger: Ledger) -> None:
    url = settings().ledger_url
    with stopped_process(HOLD_FILE, path=str(home / "ledger.lock")) as holder:
        assert [each.key for each in ledger.entries()] == ["one"]
        assert ledger.record(refusal("two"))[1]
        with pytest.raises(Transient, match=f"process {holder.pid}"), hold_database_lock(url):
            pass


def test_a_ledger_of_an_older_version_gets_its_write_ahead_log(tmp_path: Path) -> None:
    url = write_old_ledger(tmp_path / "old.db")
    with closing(sqlite3.connect(tmp_path / "old.db")) as connection:
        assert connection.execute("pragma journal_mode").fetchone() == ("delete",)
    assert Ledger(url).entries()
    with closing(sqlite3.connect(tmp_path / "old.db")) as connection:
        assert connection.execute("pragma journal_mode").fetchone() == ("wal",)
