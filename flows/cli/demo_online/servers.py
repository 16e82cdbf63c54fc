"""Servers of the online demo: prediction server, Redis and stream, on free ports of loopback."""

from __future__ import annotations

import shutil
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import yaml

from configs.errors import Terminal
from configs.settings import settings
from flows.cli.command_line import hold_variable
from infra.processes import Process, start_process, stop_process

LOOK_SECONDS = 2  # of the technical gate: the demo does not wait for minutes
_READY_SECONDS = 120
_HOST = "127.0.0.1"


@dataclass(frozen=True)
class OnlineServers:
    """Port of the prediction server, and address of Redis; "" where Redis is not installed."""

    port: int
    redis: str


def write_online_use_case(name: str, folder: Path) -> None:
    """Write a copy of a use case's YAML that serves, logs and judges every two seconds."""
    content = yaml.safe_load((settings().use_cases / f"{name}.yaml").read_text())
    gate = {"every_seconds": LOOK_SECONDS, "min_requests": 30}
    content["serving"] = {"log": {"land_seconds": 5}, **(content.get("serving") or {})}
    content["serving"]["technical"] = gate
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(content, sort_keys=False))


@contextmanager
def run_servers(use_case: str, logs: Path) -> Iterator[OnlineServers]:
    """Start the servers, and stop them at the end of the block."""
    with ExitStack() as running:

        def start(name: str, *command: str, **env: str) -> Process:
            process = start_process(name, command, env, logs / f"{name}.log")
            running.callback(stop_process, process)
            return process

        port, redis = _find_free_port(), ""
        server = start(
            "online-server", sys.executable, "-m", "flows.cli.app", "serve", use_case,
            "--port", str(port), "--host", _HOST,
        )  # fmt: skip
        if (program := shutil.which("redis-server")) is not None:
            broker = _find_free_port()
            redis = f"redis://{_HOST}:{broker}/0"
            start(
                "online-redis", program, "--bind", _HOST, "--port", str(broker), "--save", "",
                "--dir", str(logs),
            )  # fmt: skip
            start(
                "online-stream", sys.executable, "-m", "flows.cli.app", "stream", use_case,
                MAINSPRING_STREAM_URL=redis,
            )  # fmt: skip
        _wait_until_ready(server, port)
        yield OnlineServers(port, redis)


def _wait_until_ready(server: Process, port: int) -> None:
    """Wait for the prediction server; Terminal with the end of its log if it does not start."""
    started = time.monotonic()
    while time.monotonic() - started < _READY_SECONDS and server.find() is not None:
        try:
            connection = HTTPConnection(_HOST, port, timeout=5)
            connection.request("GET", "/ready")
            if connection.getresponse().status == 200:
                return
        except (OSError, HTTPException):
            pass
        time.sleep(0.2)
    raise Terminal(f"the prediction server did not start; its log ends:\n{server.last_lines()}")


def _find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def use_online_use_cases(folder: Path) -> Iterator[None]:
    """Let this process and those that it starts read the use cases of a folder."""
    with hold_variable("MAINSPRING_USE_CASES", str(folder)):
        yield
