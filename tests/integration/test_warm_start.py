"""Runs forked from the warm process are what they would be without it, also when they are ended."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psutil
import pytest

from configs.settings import ROOT
from infra.warm_start.protocol import SOCKET_NAME
from tests.support.prefect_server import until


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder whose path is longer than the address of a socket may be."""
    folder = tmp_path_factory.mktemp("state") / ("long" * 30)
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def warm(state: Path) -> Iterator[psutil.Process]:
    few = (
        "import infra.warm_start.server as w;"
        "w._LIBRARIES = ('prefect.flow_engine', 'polars'); w.main()"
    )
    process = subprocess.Popen([sys.executable, "-c", few], env=environment(state), cwd=ROOT)
    until(lambda: (state / SOCKET_NAME).exists() or None, "warm process")
    yield psutil.Process(process.pid)
    process.kill()
    process.wait()


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that takes what is said to it and never answers: a run waits for it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/api"


def environment(state: Path, **more: str) -> dict[str, str]:
    own = {"MAINSPRING_STATE": str(state), "PYTHONPATH": str(ROOT), "PREFECT_HOME": str(state)}
    return {**os.environ, **own, **more}


def begun(state: Path, folder: Path, **more: str) -> subprocess.Popen[str]:
    """A run, as a worker begins it."""
    command, pipe = [sys.executable, "-m", "infra.warm_start.client"], subprocess.PIPE
    return subprocess.Popen(
        command, env=environment(state, **more), cwd=folder, text=True, stdout=pipe, stderr=pipe
    )


def forked(warm: psutil.Process) -> psutil.Process | None:
    """The run below the one that waits for it, as soon as it is there."""
    found = [run for waiting in warm.children() for run in waiting.children()]
    return found[0] if found else None


def test_a_fork_says_and_ends_what_the_engine_says_and_ends(
    warm: psutil.Process, state: Path, tmp_path: Path
) -> None:
    ends = []
    for where in (state, tmp_path):  # nobody listens in the other folder: the engine itself
        run = begun(where, tmp_path, PREFECT__FLOW_RUN_ID="no id")
        _, said = run.communicate(timeout=60)
        ends.append((run.returncode, said.splitlines()[-1]))
    assert ends[0] == ends[1] == (1, "ValueError: badly formed hexadecimal UUID string")


def test_a_fork_has_the_environment_and_the_folder_of_its_run(
    warm: psutil.Process, state: Path, tmp_path: Path, silent: str
) -> None:
    wanted = {"PREFECT__FLOW_RUN_ID": str(uuid4()), "PREFECT_API_URL": silent, "OF_THIS": "run"}
    run = begun(state, tmp_path, **wanted)
    there = until(lambda: forked(warm), "fork")
    until(lambda: there.cwd() == str(tmp_path) or None, "folder")
    run.send_signal(signal.SIGTERM)
    assert run.wait(timeout=30) == -signal.SIGTERM
    assert not there.is_running()


def test_a_fork_dies_with_who_asked_for_it(
    warm: psutil.Process, state: Path, tmp_path: Path, silent: str
) -> None:
    run = begun(state, tmp_path, PREFECT__FLOW_RUN_ID=str(uuid4()), PREFECT_API_URL=silent)
    there = until(lambda: forked(warm), "fork")
    run.kill()
    run.wait()
    until(lambda: not there.is_running() or None, "end of the fork")


def test_warm_start_ends_the_fork_when_its_client_ends(
    warm: psutil.Process, state: Path, tmp_path: Path, silent: str
) -> None:
    run = begun(state, tmp_path, PREFECT__FLOW_RUN_ID=str(uuid4()), PREFECT_API_URL=silent)
    there = until(lambda: forked(warm), "fork")
    there.parent().kill()
    _, said = run.communicate(timeout=30)
    assert run.returncode == 1
    assert "the run was killed" in said
    until(lambda: not there.is_running() or None, "end of the fork")
