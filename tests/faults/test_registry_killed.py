"""The registry after a SIGKILL, and with two processes at once on a new database."""

import os
import signal
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from configs.urls import with_driver
from tasks.models.artifact import pack_artifact, write_artifact
from tasks.models.mlflow.client import connect_mlflow, migrate_mlflow
from tasks.models.mlflow.versions import find_version
from tasks.models.registry import open_model, register_version
from tests.support.artifacts import fit_artifact
from tests.support.flights import quick_use_case
from tests.support.processes import at_once

USE_CASE = quick_use_case()

DIES = """if True:
    import os, signal, sys
    from pathlib import Path
    from tasks.models import registry
    from tasks.models.artifact import parse_artifact, read_version_files
    registry.create_registered_model = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    folder = Path(sys.argv[1])
    files = read_version_files(folder, "killed")
    registry.register_version(parse_artifact(files, "killed"), "train:killed")
"""

CONNECTS = """if True:
    from tasks.models.mlflow.client import connect_mlflow
    print(len(connect_mlflow().search_experiments()))
"""


def start(program: str, state: Path, *arguments: str) -> subprocess.Popen[str]:
    path = os.pathsep.join(map(str, (Path.cwd(), *sys.path)))
    environment = {**os.environ, "PYTHONPATH": path, "MAINSPRING_STATE": str(state)}
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def test_killed_between_run_and_version(home, tmp_path_factory):
    """A process dies after its run is written; the next one registers, and only once."""
    files, artifact = tmp_path_factory.mktemp("files"), fit_artifact(USE_CASE, "logistic")
    write_artifact(pack_artifact(artifact), files)

    dead = start(DIES, home, str(files))
    assert dead.wait() == -signal.SIGKILL
    client = connect_mlflow()
    experiment = client.get_experiment_by_name(USE_CASE.name).experiment_id
    assert len(client.search_runs([experiment], "tags.origin = 'train:killed'")) == 1
    assert find_version(USE_CASE.name, "train:killed") is None

    version = register_version(artifact, "train:killed")
    assert register_version(artifact, "train:killed") == version
    assert open_model(USE_CASE.name, version).card == artifact.card


def test_migrate_mlflow_by_two_processes_after_a_kill(tmp_path):
    (tmp_path / "mlflow.new").write_bytes(b"half a migration")
    running = [start(CONNECTS, tmp_path) for _ in range(2)]
    assert [process.communicate()[0].strip() for process in running] == ["0", "0"]
    assert not (tmp_path / "mlflow.new").exists()


def test_migrate_mlflow_by_machines_at_once_on_postgresql(postgres, tmp_path):
    """Each has a temporary folder of its own: MLflow's lock file there is no help."""
    uri = with_driver(postgres.database("mlflow"), "psycopg")
    assert at_once(partial(migrate_elsewhere, uri, tmp_path), 4) == [0] * 4
    migrate_mlflow(uri)


def migrate_elsewhere(uri: str, folder: Path, machine: int) -> None:
    tempfile.tempdir = str(folder / str(machine))
    Path(tempfile.tempdir).mkdir()
    migrate_mlflow(uri)
