"""Environment variables by which every process finds servers, code and settings."""

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
from infra.servers.credentials import auth_string, build_credentials, token_exists
from infra.storage.s3 import boto_variables, is_s3


def build_environment() -> dict[str, str]:
    """Return the variables that a child process needs beside those that it inherits."""
    state = settings().state
    changed = settings().model_dump(
        mode="json", exclude_unset=True, exclude={"token", "serving_token", "serving_write_token"}
    )
    python = str(Path(sys.executable).parent)
    return {
        **{f"MAINSPRING_{name.upper()}": _as_text(value) for name, value in changed.items()},
        "MAINSPRING_STATE": str(state),
        "MAINSPRING_USE_CASES": str(settings().use_cases.resolve()),
        "MAINSPRING_HOME": str(ROOT),
        "MAINSPRING_REPORTS_URL": _reports_url(),
        "PATH": _put_first(python, os.environ.get("PATH", os.defpath)),
        "PYTHONPATH": _put_first(str(ROOT), os.environ.get("PYTHONPATH", "")),
        "PREFECT_HOME": str(state / "prefect"),
        "PREFECT_API_URL": _api_url(),
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS": "5",  # between tries
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # otherwise it starts eight more processes
        **boto_variables(settings().mlflow_artifacts),
    }


def _reports_url() -> str:
    """Return where links to reports lead: the settings' address, or the local server."""
    local = "" if is_s3(settings().reports) else settings().reports_server_url
    return settings().reports_url or local


def _as_text(value: object) -> str:
    """Return a setting's value as an environment variable holds it."""
    return value if isinstance(value, str) else json.dumps(value)


def enter_environment() -> None:
    """Set the variables in this process, and let Prefect read its settings again."""
    os.environ.update(build_environment() | build_credentials())
    settings.cache_clear()  # links lead to the server of the reports from now on
    from prefect.context import refresh_global_settings_context

    refresh_global_settings_context()  # Prefect read its settings when it was imported


def leave_environment() -> None:
    """Send Prefect's last logs and events while the server still runs.

    Prefect keeps the senders, with their connections, for the life of the process. Afterwards it
    creates new ones, so that this process can use another server.
    """
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    for service in (APILogWorker, EventsWorker):
        service.drain_all(timeout=10)


def join_server() -> bool:
    """Connect this process to the configured Prefect server; return whether the server responds."""
    url = os.environ.get("PREFECT_API_URL") or _api_url()
    try:
        httpx.get(f"{url}/health", timeout=2)
    except httpx.TransportError:
        return False
    os.environ["PREFECT_API_URL"] = url
    if url == _api_url() and token_exists():  # no other server is given the token
        os.environ.setdefault("PREFECT_API_AUTH_STRING", auth_string())
    from prefect.context import refresh_global_settings_context

    refresh_global_settings_context()
    return True


def take_free_ports(names: Sequence[str]) -> None:
    """Set the port settings of these names to free ports."""
    sockets = [socket.socket() for _ in names]
    for name, probe in zip(names, sockets, strict=True):
        probe.bind((settings().host, 0))
        os.environ[_variable(name)] = str(probe.getsockname()[1])
    for probe in sockets:
        probe.close()
    settings.cache_clear()


def check_port(name: str) -> None:
    """Raise BadConfig if a setting's port is in use; name the port, its owner and the setting."""
    port = getattr(settings(), name)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings().host, port))
        except OSError as error:
            raise BadConfig(
                f"port {port} on {settings().host} cannot be used ({error.strerror}"
                f"{_describe_owner(port)}); stop that process, or set {_variable(name)} to another "
                "port"
            ) from error


def check_state() -> None:
    """Create the state folder; BadConfig if it cannot be created or written."""
    state = settings().state
    try:
        state.mkdir(parents=True, exist_ok=True)
        probe = state / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise BadConfig(
            f"the state folder {state} cannot be written ({error.strerror}); "
            "change its permissions, or set MAINSPRING_STATE to another folder"
        ) from error


def _api_url() -> str:
    return f"{settings().prefect_url}/api"


def _variable(name: str) -> str:
    return f"MAINSPRING_{name.upper()}"


def _put_first(path: str, others: str) -> str:
    """Return a search path with `path` in front, once."""
    rest = [each for each in others.split(os.pathsep) if each and each != path]
    return os.pathsep.join([path, *rest])


def _describe_owner(port: int) -> str:
    """Return the process that listens on a port, if the system shows it."""
    with suppress(psutil.Error):
        for one in psutil.net_connections("tcp"):
            if one.pid and one.status == psutil.CONN_LISTEN and one.laddr.port == port:
                return f": pid {one.pid}, {' '.join(psutil.Process(one.pid).cmdline())[:80]}"
    return ""
