"""A user id without passwd entry and home folder (OpenShift)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from configs.settings import ROOT
from infra.storage.atomic import write_atomically

UID = 1_000_660_000
READ_TOKEN = "from infra.servers.credentials import read_token; print(read_token())"
PREFECT_HOME = "from prefect.settings import PREFECT_HOME; print(PREFECT_HOME.value())"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state folder of that user."""
    if os.getuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("only root can become another user")
    for folder in (tmp_path, *tmp_path.parents):
        folder.chmod(folder.stat().st_mode | 0o011)  # the user may pass
    state = tmp_path / "state"
    state.mkdir()
    os.chown(state, UID, 0)
    return state


def run_as_user(state: Path, *words: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "MAINSPRING_STATE": str(state),
           "COLUMNS": "200"}  # fmt: skip
    become = ["setpriv", "--reuid", str(UID), "--regid", "0", "--clear-groups"]
    return subprocess.run(
        [*become, sys.executable, *words], env=env, cwd=ROOT, capture_output=True, text=True
    )


@pytest.mark.system
@pytest.mark.parametrize(
    "words",
    [("status",), ("history", "visits"), ("check", "visits"), ("deployments",)],
    ids=" ".join,
)
def test_commands_that_read_work(state: Path, words: tuple[str, ...]) -> None:
    done = run_as_user(state, "-m", "flows.cli.app", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (ROOT / "~").exists()


def test_the_number_stands_for_the_name_in_the_ledger(state: Path) -> None:
    done = run_as_user(state, "-m", "flows.cli.app", "promote", "visits", "1", "--reason", "test")
    assert "Traceback" not in done.stderr
    assert "Error:" in done.stderr
    name = run_as_user(state, "-c", "from flows.cli.options import read_user_name as n; print(n())")
    assert name.stdout.strip() == f"uid {UID}"


def test_libraries_write_to_the_state_folder(state: Path) -> None:
    done = run_as_user(state, "-c", f"import configs; {PREFECT_HOME}")
    assert done.stdout.strip() == str(state / ".prefect"), done.stderr


def test_a_token_is_made_with_mode_600(state: Path) -> None:
    done = run_as_user(state, "-c", READ_TOKEN)
    assert done.returncode == 0, done.stderr
    token = state / "token"
    assert token.read_text() == done.stdout.strip()
    assert token.stat().st_mode & 0o777 == 0o600
    write_atomically(token, "short")
    os.chown(token, UID, 0)
    refused = run_as_user(state, "-c", READ_TOKEN)
    assert "holds no valid token" in refused.stderr
