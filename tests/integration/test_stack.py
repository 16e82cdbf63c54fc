"""The local servers: what stands in the way is named, and only what up started is stopped."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import psutil
import pytest

from configs.errors import BadConfig, CannotStart
from configs.settings import ROOT, settings
from configs.urls import shown
from infra import deployments, processes, stack
from infra.environment import build_environment, check_port
from infra.servers.credentials import read_token
from tests.support.prefect_server import until
from tests.support.programs import free_port

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


@pytest.fixture
def state(home: Path) -> Iterator[Path]:
    """A state folder, and this process's environment put back afterwards."""
    before = dict(os.environ)
    yield home
    stack.down()
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def neighbour() -> Iterator[subprocess.Popen[bytes]]:
    """A process of somebody else."""
    child = subprocess.Popen(SLEEP)
    yield child
    child.kill()
    child.wait()


@pytest.fixture
def one_broken(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The use cases that ship, of which one broke after its deployments were written."""
    folder = state / "configs"
    folder.mkdir()
    for name in ("flights.yaml", "visits.yaml"):
        shutil.copy(ROOT / "configs" / name, folder / name)
    monkeypatch.setenv("MAINSPRING_USE_CASES", str(folder))
    settings.cache_clear()
    deployments.write_deployments()
    (folder / "visits.yaml").write_text("name: visits\n")


@pytest.mark.server
def test_up_starts_once_and_down_stops_only_that(
    state: Path, one_broken: None, neighbour: subprocess.Popen[bytes]
) -> None:
    first = stack.up(mlflow=False, free_ports=True)
    assert first.started == ("Prefect", "Reports", "warm", "worker")
    address = first.addresses["Prefect"]
    assert httpx.get(f"{address}/api/health").is_success
    client = httpx.Client(base_url=address, auth=("mainspring", read_token()), timeout=60)
    deployed = client.post("/api/deployments/filter").json()
    use_cases = [d["parameters"].get("use_case") for d in deployed]
    assert [use_cases.count(name) for name in ("flights", "visits", None)] == [11, 11, 1]
    forms = [d["parameter_openapi_schema"]["properties"].get("use_case") for d in deployed]
    assert [form["enum"] for form in forms if form] == [[n] for n in use_cases if n]
    assert all(each["active"] for d in deployed for each in d["schedules"])
    planned = {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}}
    until(
        lambda: client.post("/api/flow_runs/filter", json=planned).json() or None,
        "run by the clock, of any deployment",
        seconds=40,
    )
    again = stack.up(mlflow=False, free_ports=True)
    assert (again.started, again.already) == ((), ("Prefect", "Reports", "warm", "worker"))
    assert again.addresses == first.addresses
    assert stack.down().processes == (
        "worker",
        "warm",
        "Reports",
        "Prefect",
    )  # the clock may have begun runs
    assert stack.down() == stack.Stopped((), 0)
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{address}/api/health")
    assert neighbour.poll() is None


@pytest.mark.server
@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("Prefect", "prefect/prefect.db"),
        pytest.param("MLflow", "mlflow.db", marks=pytest.mark.slow),
    ],
)
def test_stack_refuses_a_newer_database_and_stops_its_servers(
    state: Path, name: str, file: str
) -> None:
    database = state / file
    database.parent.mkdir(exist_ok=True)
    with sqlite3.connect(database) as connection:
        connection.execute("create table alembic_version (version_num varchar(32) not null)")
        connection.execute("insert into alembic_version values ('fffffffffff1')")
    with pytest.raises(
        CannotStart, match=f"(?s){name} ended unexpectedly.*fffffffffff1.*MAINSPRING_STATE"
    ):
        stack.up(free_ports=True)
    assert stack.down().processes == ()


def test_a_port_in_use_is_named_with_its_owner_and_its_setting(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("MAINSPRING_PREFECT_PORT", str(port))
        settings.cache_clear()
        with pytest.raises(BadConfig) as refused:
            stack.up()
    said = str(refused.value)
    assert f"port {port}" in said
    assert f"pid {os.getpid()}" in said
    assert "MAINSPRING_PREFECT_PORT" in said


def test_a_free_port_is_no_mistake(state: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as freed:
        port = freed.getsockname()[1]
    os.environ["MAINSPRING_MLFLOW_PORT"] = str(port)
    settings.cache_clear()
    check_port("mlflow_port")


def test_a_state_folder_that_cannot_be_is_named(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (state / "file").touch()
    monkeypatch.setenv("MAINSPRING_STATE", str(state / "file" / "below"))
    settings.cache_clear()
    with pytest.raises(BadConfig, match=r"file/below cannot be written.*MAINSPRING_STATE"):
        stack.up()
    monkeypatch.setenv("MAINSPRING_STATE", str(state))
    settings.cache_clear()


def test_warm_start_false_leaves_the_fork_server_out(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert stack.list_processes(mlflow=False, reports=False) == ["Prefect", "warm", "worker"]
    monkeypatch.setenv("MAINSPRING_WARM_START", "false")
    settings.cache_clear()
    assert stack.list_processes(mlflow=False, reports=True) == ["Prefect", "Reports", "worker"]


def test_a_pid_that_belongs_to_another_by_now_is_left_alone(
    state: Path, neighbour: subprocess.Popen[bytes]
) -> None:
    ours = processes.start_process("sleeper", SLEEP, {}, state / "sleeper.log")
    reused = replace(ours, pid=neighbour.pid)
    older = replace(reused, born=ours.born - 3600)
    other = replace(reused, command=("prefect", "server", "start"))
    processes.write_processes(state / "processes.json", [ours, older, other])
    assert processes.read_processes(state / "processes.json") == [ours]
    assert not processes.stop_process(older)
    assert not processes.stop_process(other)
    assert neighbour.poll() is None
    assert processes.stop_process(ours)
    assert ours.find() is None


def test_what_a_process_started_is_stopped_with_it(state: Path) -> None:
    stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {stubborn!r}])"
    ours = processes.start_process(
        "parent", [sys.executable, "-c", parent], {}, state / "parent.log"
    )
    family = ours.find()
    assert family is not None
    while not family.children():
        pass
    (child,) = family.children()
    processes.stop_process(ours, patience=0.5)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_stack_reports_another_database_without_passwords(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAINSPRING_MLFLOW_URI", "postgresql://me:secret@old/mlflow")
    settings.cache_clear()
    address, command = shown(settings().mlflow_uri), tuple(stack._command(stack.MLFLOW))
    runs = processes.Process(stack.MLFLOW, 1, 0.0, command, "", address)
    stack._check_same([runs])
    monkeypatch.setenv("MAINSPRING_MLFLOW_URI", "postgresql://me:secret@new/mlflow")
    settings.cache_clear()
    with pytest.raises(BadConfig, match=r"\*\*\*@old/mlflow.*mainspring down"):
        stack._check_same([runs])


def test_children_get_the_settings_that_were_given(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAINSPRING_LAKE", "s3://bucket/lake")
    settings.cache_clear()
    env = build_environment()
    assert env["MAINSPRING_LAKE"] == "s3://bucket/lake"
    assert env["MAINSPRING_STATE"] == str(state)
    assert "MAINSPRING_LEDGER_URL" not in env
    assert env["PATH"].split(os.pathsep)[0] == str(Path(sys.executable).parent)


@pytest.mark.server
def test_up_starts_the_prediction_server_of_a_serving_section(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = state / "configs"
    folder.mkdir()
    text = (ROOT / "configs" / "flights.yaml").read_text()
    (folder / "flights.yaml").write_text(f"{text}\nserving: {{}}\n")
    monkeypatch.setenv("MAINSPRING_USE_CASES", str(folder))
    monkeypatch.setenv("MAINSPRING_SERVING_PORT", str(free_port()))
    monkeypatch.setenv("MAINSPRING_WARM_START", "false")
    settings.cache_clear()
    deployments.write_deployments()
    running = stack.up(mlflow=False, free_ports=True, deployed=False)
    assert running.started[-1] == "serving-flights"
    url = running.addresses["serving-flights"]
    health = httpx.get(f"{url}/health").json()
    assert (health["status"], health["model"]) == ("starting", "flights")
    assert httpx.get(f"{url}/ready").status_code == 503
    assert stack.down().processes[0] == "serving-flights"
