"""Local stack of one machine: Prefect, MLflow, reports, prediction servers, worker, deployments.

`up` starts the processes that do not run yet and records them; `down` stops only those. One of
them runs at a time: another one waits, so no process meets a database that is only being made.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import httpx

from configs.errors import BadConfig, CannotStart
from configs.settings import settings
from configs.urls import shown
from infra import deployments, work_pools
from infra.deploy import check_deployments, deploy_to_stack
from infra.environment import (
    build_environment,
    check_port,
    check_state,
    enter_environment,
    take_free_ports,
)
from infra.prediction_servers import (
    SERVING,
    is_prediction_server,
    list_prediction_servers,
    serving_arguments,
)
from infra.preflight import check_s3_addresses
from infra.processes import (
    Process,
    log_folder,
    read_processes,
    start_process,
    stop_process,
    write_processes,
)
from infra.relocation import relocate_mlflow
from infra.servers.abandoned_runs import end_local_runs
from infra.servers.credentials import auth_string, build_credentials
from infra.storage.locks import hold_file_lock
from infra.storage.s3 import is_s3

PREFECT, MLFLOW, REPORTS, WARM, WORKER = "Prefect", "MLflow", "Reports", "warm", "worker"
_STOP_ORDER = (SERVING, WORKER, WARM, REPORTS, MLFLOW, PREFECT)
_PORTS = {PREFECT: "prefect_port", MLFLOW: "mlflow_port", REPORTS: "reports_port"}
_DATABASES = {
    PREFECT: "PREFECT_SERVER_DATABASE_CONNECTION_URL",
    MLFLOW: "MLFLOW_BACKEND_STORE_URI",
}

DRAIN_TIMEOUT, STOP_TIMEOUT = 30.0, 15.0  # seconds for the runs of the worker, and for a server
_START_TIMEOUT = 120.0  # seconds: a new database on a busy machine
_LOCK_TIMEOUT = timedelta(seconds=2 * _START_TIMEOUT)


@dataclass(frozen=True)
class Stopped:
    """The processes that ran and were stopped, and the number of runs that had to be ended."""

    processes: tuple[str, ...]
    ended_runs: int


@dataclass(frozen=True)
class Running:
    """The addresses of the servers, the processes that this call started or that ran already, and
    the notification blocks that are configured but missing.
    """

    addresses: dict[str, str]
    started: tuple[str, ...]
    already: tuple[str, ...]
    missing_blocks: tuple[str, ...] = ()


def up(
    *,
    schedules: bool = True,
    mlflow: bool = True,
    reports: bool = True,
    free_ports: bool = False,
    deployed: bool = True,
) -> Running:
    """Start the missing processes, apply the deployments, and connect this process to the server.

    If it fails, every process that it started is stopped again. Transient if another `up` or `down`
    of the same state folder takes too long.

    Args:
        schedules: whether a new server starts the scheduled runs.
        mlflow: whether to start the MLflow UI.
        reports: whether to start the server of the reports.
        free_ports: whether to use any free ports instead of those of the settings.
        deployed: whether to apply the deployments; if not, the caller applies them.

    Raises:
        BadConfig: a port, folder, file or address of the settings cannot be used.
        CannotStart: a process did not start; the message has the end of its log.
    """
    check_state()
    check_s3_addresses()
    check_deployments()
    with _hold_stack():
        needed = list_processes(mlflow=mlflow, reports=reports)
        return _up(needed, schedules=schedules, free_ports=free_ports, deployed=deployed)


def _up(needed: list[str], *, schedules: bool, free_ports: bool, deployed: bool) -> Running:
    """Start the missing processes, while no other `up` or `down` does anything."""
    running = {process.name: process for process in _read_own()}
    _check_same(running.values())
    missing = [name for name in needed if name not in running]
    if free_ports:
        take_free_ports([_PORTS[name] for name in missing if name in _PORTS])
    for name in missing:
        if name in _PORTS:
            check_port(_PORTS[name])
    enter_environment()
    relocate_mlflow()
    try:
        _start(missing, running, schedules)
        blocks = deploy_to_stack(schedules=schedules) if deployed else []
    except BaseException:
        _stop(process for name, process in running.items() if name in missing)
        raise
    urls = {
        PREFECT: settings().prefect_url,
        MLFLOW: settings().mlflow_url,
        REPORTS: settings().reports_server_url,
    }
    urls |= list_prediction_servers()
    return Running(
        addresses={name: url for name, url in urls.items() if name in running},
        started=tuple(missing),
        already=tuple(name for name in running if name not in missing),
        missing_blocks=tuple(blocks),
    )


def down() -> Stopped:
    """Stop the processes that `up` started, worker first.

    The worker takes no further runs, and its runs have `DRAIN_TIMEOUT` seconds to end. Those that
    do not are stopped, and marked as crashed.
    """
    with _hold_stack():
        return _stop(_read_own())


def list_processes(*, mlflow: bool, reports: bool) -> list[str]:
    """List the processes of the stack by the settings, in the order of their start.

    Args:
        mlflow: whether the MLflow UI is asked for.
        reports: whether the server of the reports is asked for.
    """
    mlflow = mlflow and not settings().mlflow_uri.startswith("http")  # a tracking server runs
    reports = reports and not is_s3(settings().reports)  # whose own server answers
    needed = {
        PREFECT: True, MLFLOW: mlflow, REPORTS: reports, WARM: settings().warm_start, WORKER: True,
    }  # fmt: skip
    return [*(name for name, is_needed in needed.items() if is_needed), *list_prediction_servers()]


def _check_same(processes: Iterable[Process]) -> None:
    """Raise BadConfig if a process runs that the settings would start differently."""
    for process in processes:
        database = shown(_database(process.name))
        if (list(process.command), process.database) != (_command(process.name), database):
            command = " ".join([*process.command, process.database]).strip()
            raise BadConfig(
                f"{process.name} runs already with other settings ({command}): "
                "run `mainspring down` first"
            )


def _start(missing: list[str], running: dict[str, Process], schedules: bool) -> None:
    """Start the missing processes, each as early as possible, and add them to `running`."""
    for name in missing:
        if name in _PORTS:
            _launch(name, running, {"PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED": str(schedules)})
    _wait(running, PREFECT, f"{settings().prefect_url}/api/health")
    work_pools.apply_work_pool("process")
    if WORKER in missing:
        _end_runs("its process ended while no worker ran")
    for name in missing:
        if name not in _PORTS:
            _launch(name, running, {})
    pages = {name: f"{url}/live" for name, url in list_prediction_servers().items()}
    pages[MLFLOW] = f"{settings().mlflow_url}/health"
    pages[REPORTS] = f"{settings().reports_server_url}/health"
    for name in set(missing) & set(pages):
        _wait(running, name, pages[name])
    _check_alive(running)


def _launch(name: str, running: dict[str, Process], variables: Mapping[str, str]) -> None:
    """Start one process, and record it at once."""
    database = _database(name)  # in the environment: every user can read a command line
    database_variable = {_DATABASES[name]: database} if database else {}
    process = start_process(
        name,
        _command(name),
        {**build_environment(), **build_credentials(), **database_variable, **variables},
        log_folder() / f"{name.lower()}.log",
    )
    running[name] = replace(process, database=shown(database))
    write_processes(_registry_file(), list(running.values()))


def _command(name: str) -> list[str]:
    s = settings()
    arguments = {
        PREFECT: f"infra.servers.prefect server start --host {s.host} --port {s.prefect_port}",
        WARM: "infra.warm_start.server",
        WORKER: f"prefect worker start --pool {deployments.WORK_POOL} --name {WORKER}",
        MLFLOW: f"infra.servers.mlflow server --host {s.host} --port {s.mlflow_port} --workers 1",
        REPORTS: f"tasks.overview.server --host {s.host} --port {s.reports_port}",
    }
    words = (serving_arguments(name) if is_prediction_server(name) else arguments[name]).split()
    if name == MLFLOW:
        words += ["--default-artifact-root", s.mlflow_artifacts]
    return [sys.executable, "-m", *words]


def _database(name: str) -> str:
    """Return the address of a server's database; empty if it uses its own, or none."""
    return {PREFECT: settings().prefect_database, MLFLOW: settings().mlflow_uri}.get(name, "")


def _wait(running: Mapping[str, Process], name: str, url: str) -> None:
    """Wait until a URL responds; CannotStart if a process ends first, or after the timeout."""
    deadline = time.monotonic() + _START_TIMEOUT
    while time.monotonic() < deadline:
        _check_alive(running)
        with suppress(httpx.TransportError):
            if httpx.get(url, timeout=2).is_success:
                return
        time.sleep(0.2)
    late, process = f"{name} did not respond at {url} in {_START_TIMEOUT:.0f} s", running[name]
    raise CannotStart(f"{late}; {process.log} ends with\n{process.last_lines()}")


def _check_alive(running: Mapping[str, Process]) -> None:
    for name, process in running.items():
        if process.find() is None:
            raise CannotStart(
                f"{name} ended unexpectedly; {process.log} ends with\n{process.last_lines()}\n"
                "A damaged database, or one of a newer version, may be the cause: move it away "
                f"from {process.database or settings().state}, or set MAINSPRING_STATE to a new "
                "folder"
            )


def _stop(processes: Iterable[Process]) -> Stopped:
    """Stop processes, worker first, and remove them from the registry."""
    stopped, ended = [], 0
    for process in sorted(processes, key=lambda p: _STOP_ORDER.index(_find_kind(p.name))):
        if process.name == PREFECT:
            with suppress(httpx.HTTPError):  # a server that does not respond: the next `up` does it
                ended = _end_runs("stopped by `mainspring down`")
        if stop_process(process, DRAIN_TIMEOUT if process.name == WORKER else STOP_TIMEOUT):
            stopped.append(process.name)
        others = [other for other in _read_own() if other != process]
        write_processes(_registry_file(), others)
    return Stopped(tuple(stopped), ended)


def _find_kind(name: str) -> str:
    return SERVING if is_prediction_server(name) else name


def _end_runs(reason: str) -> int:
    """Mark the runs as crashed that no process on this machine executes; return how many."""
    from prefect.client.orchestration import SyncPrefectClient

    with SyncPrefectClient(f"{settings().prefect_url}/api", auth_string=auth_string()) as client:
        return len(end_local_runs(client, reason))


def _hold_stack() -> AbstractContextManager[None]:
    return hold_file_lock(settings().state / "stack.lock", _LOCK_TIMEOUT)


def _read_own() -> list[Process]:
    """Return the living processes of this state; the registry of a copied one names others."""
    return [one for one in read_processes(_registry_file()) if Path(one.log).parent == log_folder()]


def _registry_file() -> Path:
    return settings().state / "processes.json"
