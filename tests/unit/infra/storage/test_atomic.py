"""Atomic writes and file locks: complete or absent, and free after a kill."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from configs.errors import CannotWrite
from infra.storage.atomic import remove_unfinished_writes, replace_atomically, write_atomically
from infra.storage.locks import hold_file_lock


def test_write_atomically_replaces_a_file_in_a_new_folder(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.json"
    write_atomically(path, "one")
    write_atomically(path, b"two")
    assert path.read_text() == "two"
    assert list(path.parent.iterdir()) == [path]


def test_replace_atomically_keeps_the_old_file_on_failure(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    write_atomically(path, "old")
    with pytest.raises(IsADirectoryError), replace_atomically(path) as unfinished:
        unfinished.write_bytes(tmp_path.read_bytes())
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_replace_atomically_moves_a_folder_onto_none(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    with replace_atomically(path) as unfinished:
        unfinished.mkdir()
        (unfinished / "a").write_text("1")
    assert (path / "a").read_text() == "1"
    with pytest.raises(OSError, match="not empty"), replace_atomically(path) as unfinished:
        unfinished.mkdir()
    assert list(tmp_path.iterdir()) == [path]


def test_remove_unfinished_writes_keeps_finished_files(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    write_atomically(path, "whole")
    (tmp_path / ".file.json.1234.new").write_text("ha")
    (tmp_path / ".other.json.1234.new").write_text("ha")
    remove_unfinished_writes(path)
    assert sorted(each.name for each in tmp_path.iterdir()) == [".other.json.1234.new", "file.json"]


def hold_for_ever(path: Path) -> None:
    with hold_file_lock(path):
        path.with_suffix(".held").touch()
        time.sleep(600)


def test_hold_file_lock_waits_and_is_free_after_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "one.lock"
    other = multiprocessing.get_context("spawn").Process(target=hold_for_ever, args=(path,))
    other.start()
    while not path.with_suffix(".held").exists():
        time.sleep(0.02)
    assert other.pid is not None
    os.kill(other.pid, signal.SIGKILL)
    with hold_file_lock(path):
        assert not other.is_alive()
    other.join()


def test_hold_file_lock_names_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(0o500)
    if os.access(closed, os.W_OK):
        pytest.skip("this user may write everywhere")
    with pytest.raises(CannotWrite, match=f"^{closed} is read-only"), hold_file_lock(closed / "l"):
        pass
