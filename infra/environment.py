"""The variables by which every process finds the servers, the code and the same settings."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import httpx
import psutil

from configs.errors import BadConfig
from configs.settings import ROOT, settings
from infra.storage.s3 import boto_variables


def environment() -> dict[str, str]:
    """What a child of this process needs in its environment, beside what it inherits."""
    state, given = settings().state, settings().model_dump(mode="json", exclude_unset=True)
    python = str(Path(sys.executable).parent)
    return {
        **{f"MAINSPRING_{name.upper()}": _written(value) for name, value in given.items()},
        "MAINSPRING_STATE": str(state),
        "MAINSPRING_USE_CASES": str(settings().use_cases.resolve()),
        "MAINSPRING_HOME": str(ROOT),
        "PATH": _first(python, os.environ.get("PATH", os.defpath)),
        "PYTHONPATH": _first(str(ROOT), os.environ.get("PYTHONPATH", "")),
        "PREFECT_HOME": str(state / "prefect"),
        "PREFECT_API_URL": f"{settings().prefect_url}/api",
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS": "5",  # of who waits its turn
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # or it starts eight processes more
        **boto_variables(settings().mlflow_artifacts),
    }


def _written(value: object) -> str:
    """A setting's value as the environment holds it."""
    return value if isinstance(value, str) else json.dumps(value)


def enter() -> None:
    """Make this process one that has the environment, Prefect's settings included."""
    os.environ.update(environment())
    from prefect.context import refresh_global_settings_context

    refresh_global_settings_context()  # Prefect read its settings when it was imported


def leave() -> None:
    """Let Prefect send its last logs and events while the server can still take them.

    What sends them is kept for the life of the process, with its connection: after this, another
    server gets senders of its own.
    """
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    for service in (APILogWorker, EventsWorker):
        service.drain_all(timeout=10)


def join() -> bool:
    """Point this process at the server that it would use, if that one answers; whether it does."""
    url = os.environ.get("PREFECT_API_URL") or f"{settings().prefect_url}/api"
    try:
        httpx.get(f"{url}/health", timeout=2)
    except httpx.TransportError:
        return False
    os.environ["PREFECT_API_URL"] = url
    from prefect.context import refresh_global_settings_context

    refresh_global_settings_context()
    return True


def take_free_ports(names: Sequence[str]) -> None:
    """Set the port settings of these names to ports that nobody uses."""
    sockets = [socket.socket() for _ in names]
    for name, each in zip(names, sockets, strict=True):
        each.bind((settings().host, 0))
        os.environ[_variable(name)] = str(each.getsockname()[1])
    for each in sockets:
        each.close()
    settings.cache_clear()


def check_port(name: str) -> None:
    """BadConfig if the port of a setting is taken; it names the port, its owner and the setting."""
    port = getattr(settings(), name)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings().host, port))
        except OSError as taken:
            raise BadConfig(
                f"port {port} on {settings().host} cannot be used ({taken.strerror}"
                f"{_owner(port)}); stop what uses it, or set {_variable(name)} to another port"
            ) from taken


def check_state() -> None:
    """Make the state folder; BadConfig if that cannot be, or nothing can be written to it."""
    state = settings().state
    try:
        state.mkdir(parents=True, exist_ok=True)
        probe = state / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as refused:
        raise BadConfig(
            f"the state folder {state} cannot be written ({refused.strerror}); "
            "mend it, or set MAINSPRING_STATE to another folder"
        ) from refused


def _variable(name: str) -> str:
    return f"MAINSPRING_{name.upper()}"


def _first(path: str, others: str) -> str:
    """A search path with `path` in front, once."""
    rest = [each for each in others.split(os.pathsep) if each and each != path]
    return os.pathsep.join([path, *rest])


def _owner(port: int) -> str:
    """Who listens on a port, as far as the system tells us."""
    with suppress(psutil.Error):
        for one in psutil.net_connections("tcp"):
            if one.pid and one.status == psutil.CONN_LISTEN and one.laddr.port == port:
                return f": pid {one.pid}, {' '.join(psutil.Process(one.pid).cmdline())[:80]}"
    return ""
