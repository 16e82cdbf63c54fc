import os
import socket
from pathlib import Path

import pytest

from tasks.storage.folder_walk import walk_folder


def problems(folder: Path) -> dict[str, str]:
    return {entry.path: entry.problem for entry in walk_folder(str(folder))}


def test_a_missing_folder_has_no_entries(tmp_path: Path) -> None:
    assert walk_folder(str(tmp_path / "none")) == []


def test_files_at_any_depth_are_listed_with_their_size_and_times(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b/ü 'x'.csv").write_text("12")
    (tmp_path / "a.csv").write_text("1")
    first, second = walk_folder(str(tmp_path))
    assert (first.path, second.path, second.size) == ("a.csv", "b/ü 'x'.csv", 2)
    found = (tmp_path / "a.csv").stat()
    assert (first.modified, first.changed) == (found.st_mtime, found.st_ctime_ns)


def test_links_that_lead_out_and_special_files_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, outside = tmp_path / "landing", tmp_path / "secret.csv"
    (folder / "day.csv").mkdir(parents=True)
    outside.write_text("x")
    (folder / "real.csv").write_text("x")
    (folder / "out.csv").symlink_to(outside)
    (folder / "relative.csv").symlink_to("../secret.csv")
    (folder / "through.csv").symlink_to("day.csv/../../secret.csv")
    (folder / "in.csv").symlink_to("real.csv")
    (folder / "nothing.csv").symlink_to("none.csv")
    (folder / "itself.csv").symlink_to("itself.csv")
    (folder / "up").symlink_to(tmp_path)
    (folder / "here").symlink_to(folder / "day.csv")
    os.mkfifo(folder / "pipe.csv")
    monkeypatch.chdir(folder)
    socket.socket(socket.AF_UNIX).bind("socket.csv")
    found = problems(folder)
    out = "a link that leads out of the folder; not followed"
    assert found.pop("itself.csv").startswith("not readable")
    assert found == {
        "day.csv": "a folder; only the files in it are read",
        "here": "a link to a folder; not followed",
        "in.csv": "",
        "nothing.csv": "not readable: No such file or directory",
        "out.csv": out,
        "pipe.csv": "a named pipe",
        "real.csv": "",
        "relative.csv": out,
        "socket.csv": "a socket",
        "through.csv": out,
        "up": out,
    }


def test_a_name_that_is_not_utf8_is_shown_and_named(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/day-\xff.csv"
    os.close(os.open(path, os.O_CREAT))
    assert problems(tmp_path) == {"day-\\xff.csv": "its name is not UTF-8; rename it"}


def test_a_folder_that_is_itself_a_link_is_listed(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk/a.csv").write_text("1")
    (tmp_path / "landing").symlink_to(tmp_path / "disk")
    assert problems(tmp_path / "landing") == {"a.csv": ""}
