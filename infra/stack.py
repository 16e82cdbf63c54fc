"""Everything that a laptop needs: Prefect server, worker and MLflow UI, and the deployments.

`up` starts what is not running yet and writes down what it started; `down` stops just that.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import httpx

from configs.errors import BadConfig, CannotStart
from configs.settings import settings
from configs.urls import shown
from infra import deployments, work_pools
from infra.deploy import check_deployments, deploy_to_stack
from infra.environment import check_port, check_state, enter, environment, take_free_ports
from infra.preflight import check_places
from infra.processes import Process, log_folder, recall, remember, start, stop

PREFECT, MLFLOW, WARM, WORKER = "Prefect", "MLflow", "warm", "worker"
_LAST_FIRST = (WORKER, WARM, MLFLOW, PREFECT)
_PORTS = {PREFECT: "prefect_port", MLFLOW: "mlflow_port"}
_DATABASES = {
    PREFECT: "PREFECT_SERVER_DATABASE_CONNECTION_URL",
    MLFLOW: "MLFLOW_BACKEND_STORE_URI",
}

_PATIENCE = 120.0  # seconds: a fresh database, on a busy machine


@dataclass(frozen=True)
class Running:
    """The addresses of the servers, what runs (started by this call, or there already), and the
    notification blocks that are configured but not there.
    """

    addresses: dict[str, str]
    started: tuple[str, ...]
    already: tuple[str, ...]
    missing_blocks: tuple[str, ...] = ()


def up(
    *, schedules: bool = True, mlflow: bool = True, free_ports: bool = False, deployed: bool = True
) -> Running:
    """Start what is missing, `deploy`, and point this process at the server.

    Without `schedules` a new server starts no run by the clock; without `deployed` the deployments
    are left for the caller to apply. `free_ports` takes any free ports instead of those of the
    settings. BadConfig says which port, folder, file or address is in the way, CannotStart what did
    not come up, with the end of its log; nothing new is left running then.
    """
    check_state()
    check_places()
    check_deployments()
    there = {process.name: process for process in recall(_record())}
    _check_same(there.values())
    mlflow = mlflow and not settings().mlflow_uri.startswith("http")  # a server there is already
    asked = {PREFECT: True, MLFLOW: mlflow, WARM: settings().warm, WORKER: True}
    missing = [name for name, wanted in asked.items() if wanted and name not in there]
    if free_ports:
        take_free_ports([_PORTS[name] for name in missing if name in _PORTS])
    for name in missing:
        if name in _PORTS:
            check_port(_PORTS[name])
    enter()
    try:
        _start(missing, there, schedules)
        blocks = deploy_to_stack(schedules=schedules) if deployed else []
    except BaseException:
        _stop(process for name, process in there.items() if name in missing)
        raise
    urls = {PREFECT: settings().prefect_url, MLFLOW: settings().mlflow_url}
    return Running(
        addresses={name: url for name, url in urls.items() if name in there},
        started=tuple(missing),
        already=tuple(name for name in there if name not in missing),
        missing_blocks=tuple(blocks),
    )


def down() -> list[str]:
    """Stop what `up` started, workers before servers; the names of what was still running."""
    return _stop(recall(_record()))


def _check_same(processes: Iterable[Process]) -> None:
    """BadConfig if a process runs that the settings would start in another way."""
    for process in processes:
        database = shown(_database(process.name))
        if (list(process.command), process.database) != (_command(process.name), database):
            said = " ".join([*process.command, process.database]).strip()
            raise BadConfig(
                f"{process.name} runs already, by other settings ({said}): "
                "run `mainspring down` first"
            )


def _start(missing: list[str], there: dict[str, Process], schedules: bool) -> None:
    """Start all that is missing, each as soon as it can, and add it to what is `there`."""
    for name in missing:
        if name in _PORTS:
            _launch(name, there, {"PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED": str(schedules)})
    _wait(there, PREFECT, f"{settings().prefect_url}/api/health")
    work_pools.put("process")
    for name in missing:
        if name not in _PORTS:
            _launch(name, there, {})
    if MLFLOW in missing:
        _wait(there, MLFLOW, f"{settings().mlflow_url}/health")
    _check_alive(there)


def _launch(name: str, there: dict[str, Process], more: Mapping[str, str]) -> None:
    """Start one process, and write it down before anything else can happen."""
    database = _database(name)  # in the environment: a command line is for everybody to read
    told = {_DATABASES[name]: database} if database else {}
    process = start(
        name,
        _command(name),
        {**environment(), **told, **more},
        log_folder() / f"{name.lower()}.log",
    )
    there[name] = replace(process, database=shown(database))
    remember(_record(), list(there.values()))


def _command(name: str) -> list[str]:
    s = settings()
    arguments = {
        PREFECT: f"infra.prefect_server server start --host {s.host} --port {s.prefect_port}",
        WARM: "infra.warm_start.server",
        WORKER: f"prefect worker start --pool {deployments.WORK_POOL} --name {WORKER}",
        MLFLOW: f"mlflow server --host {s.host} --port {s.mlflow_port} --workers 1",
    }[name].split()
    if name == MLFLOW:
        arguments += ["--default-artifact-root", s.mlflow_artifacts]
    return [sys.executable, "-m", *arguments]


def _database(name: str) -> str:
    """The address of a server's database by the settings; empty: it has its own, or none."""
    return {PREFECT: settings().prefect_database, MLFLOW: settings().mlflow_uri}.get(name, "")


def _wait(there: Mapping[str, Process], name: str, url: str) -> None:
    """Until an address answers; CannotStart if a process dies first, or this one takes too long."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        _check_alive(there)
        with suppress(httpx.TransportError):
            if httpx.get(url, timeout=2).is_success:
                return
        time.sleep(0.2)
    late, process = f"{name} did not answer at {url} in {_PATIENCE:.0f} s", there[name]
    raise CannotStart(f"{late}; {process.log} ends with\n{process.last_lines()}")


def _check_alive(there: Mapping[str, Process]) -> None:
    for name, process in there.items():
        if process.found() is None:
            raise CannotStart(
                f"{name} ended by itself; {process.log} ends with\n{process.last_lines()}\n"
                f"A broken database, or one of a newer version, may be why: move it away from "
                f"{process.database or settings().state}, or set MAINSPRING_STATE to a new folder"
            )


def _stop(processes: Iterable[Process]) -> list[str]:
    """Stop processes, workers before servers, and strike them off the record."""
    stopped = []
    for process in sorted(processes, key=lambda p: _LAST_FIRST.index(p.name)):
        if stop(process):
            stopped.append(process.name)
        remember(_record(), [other for other in recall(_record()) if other != process])
    return stopped


def _record() -> Path:
    return settings().state / "processes.json"
