"""A copied state folder works on its own: nothing is read from the old place or written there."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from infra import processes, stack
from infra.relocation import relocate_mlflow
from tasks.models.mlflow.client import connect_mlflow, find_experiment, migrate_mlflow
from tests.support.state import state as lies_in

pytestmark = pytest.mark.system  # seconds each; CI runs them with the system tests

OLD_NAMES = ("old", "old state ü {x}", "o'ld", "old/mlflow")


def log_run(name: str) -> str:
    """A run with a file, in the experiment of a use case; where the file is, by MLflow."""
    import mlflow

    client = connect_mlflow()
    with mlflow.start_run(experiment_id=find_experiment(client, "flights"), run_name=name) as run:
        mlflow.log_text(name, "name.txt")
    return str(run.info.artifact_uri)


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


@pytest.mark.parametrize("name", OLD_NAMES)
def test_a_copy_is_used_in_its_own_place(tmp_path: Path, name: str) -> None:
    from mlflow.artifacts import load_text

    old, new = tmp_path / name, tmp_path / "new"
    with lies_in(old):
        migrate_mlflow.cache_clear()
        first = log_run("first")
        assert relocate_mlflow() is False
    shutil.copytree(old, new)
    before = snapshot(old)
    with lies_in(new):
        migrate_mlflow.cache_clear()
        second = log_run("second")
        assert second.startswith(str(new / "mlflow"))
        moved = first.replace(str(old), str(new))
        assert load_text(f"{moved}/name.txt") == "first"
        with sqlite3.connect(new / "mlflow.db") as database:
            for line in database.iterdump():
                assert str(old) not in line, line
        assert relocate_mlflow() is False
    assert snapshot(old) == before
    migrate_mlflow.cache_clear()


def test_files_in_another_place_stay_there(tmp_path: Path) -> None:
    elsewhere = {"MAINSPRING_MLFLOW_ARTIFACTS": str(tmp_path / "elsewhere")}
    with lies_in(tmp_path / "old", elsewhere):
        migrate_mlflow.cache_clear()
        log_run("first")
    shutil.copytree(tmp_path / "old", tmp_path / "new")
    with lies_in(tmp_path / "new", elsewhere):
        migrate_mlflow.cache_clear()
        assert log_run("second").startswith(str(tmp_path / "elsewhere"))
    migrate_mlflow.cache_clear()


def test_a_copy_leaves_the_processes_of_the_old_place_alone(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    with lies_in(old):
        ours = processes.start_process(
            stack.WORKER, ["sleep", "60"], {}, processes.log_folder() / "worker.log"
        )
        processes.write_processes(old / "processes.json", [ours])
    shutil.copytree(old, new)
    with lies_in(new):
        assert stack.down().processes == ()
        assert ours.find() is not None
    with lies_in(old):
        assert stack.down().processes == (stack.WORKER,)
