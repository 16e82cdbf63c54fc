"""Fork server for warm starts: `python -m infra.warm_start.server` has imported what runs need.

Only libraries are imported before the fork and no module of this project, so each run reads the
code as it is at that time. Libraries are imported but not used: a fork has none of their threads.
Each run has two forks: one that waits for the run, and the run itself below it.
"""

from __future__ import annotations

import gc
import json
import os
import runpy
import signal
import socket
import sys
import warnings
from collections.abc import Mapping
from contextlib import chdir, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import NoReturn

from infra.warm_start.protocol import (
    ENGINE_MODULE,
    NUMBER,
    REQUEST_LENGTH,
    SOCKET_NAME,
    STANDARD_STREAMS,
)

_LIBRARIES = (
    "prefect.flow_engine", "prefect.events", "polars", "deltalake", "pyarrow.parquet",
    "sklearn.ensemble", "sklearn.pipeline", "onnx", "skl2onnx", "onnxruntime", "mlflow.onnx",
    "mlflow.store.tracking.sqlalchemy_store", "mlflow.store.model_registry.sqlalchemy_store",
    "alembic.migration", "git", "feast", "matplotlib.pyplot", "great_expectations",
)  # fmt: skip


@dataclass(frozen=True)
class RunRequest:
    """The environment, working folder and standard streams (file descriptors) of a run."""

    environment: Mapping[str, str]
    folder: str
    streams: list[int]


def main() -> None:
    """Import the libraries, then fork a run for each request, until this process is ended."""
    for library in _LIBRARIES:
        import_module(library)
    gc.collect()
    gc.freeze()  # memory that the collector does not mark is not copied in the forks
    run_engine(fork_runs(listen()))


def listen() -> socket.socket:
    """Return a listening socket in the state folder, for this user alone."""
    listener, mask = socket.socket(socket.AF_UNIX), os.umask(0o177)
    with chdir(os.environ["MAINSPRING_STATE"]):
        Path(SOCKET_NAME).unlink(missing_ok=True)  # of a server that was killed
        listener.bind(SOCKET_NAME)
    os.umask(mask)
    listener.listen(64)
    return listener


def fork_runs(listener: socket.socket) -> RunRequest:
    """Fork a run for each request; return only in the runs, with the request."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no exit code of the waiting forks is read
    while True:
        client, _ = listener.accept()
        if os.fork() == 0:
            break
        client.close()
    listener.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    request = receive_request(client)
    if pid := os.fork():
        watch_run(pid, client)
    client.close()
    return request


def receive_request(client: socket.socket) -> RunRequest:
    """Read the request of a client, as the protocol has it."""
    length, streams, _, _ = socket.recv_fds(client, REQUEST_LENGTH.size, len(STANDARD_STREAMS))
    with client.makefile("rb") as body:
        request = json.loads(body.read(*REQUEST_LENGTH.unpack(length)))
    return RunRequest(request["environment"], request["folder"], streams)


def watch_run(pid: int, client: socket.socket) -> NoReturn:
    """Send the run's pid and exit code to the client; kill the run if the client ends first."""
    client.sendall(NUMBER.pack(pid))
    Thread(target=_kill_with, args=(client, pid), daemon=True).start()
    _, status = os.waitpid(pid, 0)
    client.sendall(NUMBER.pack(os.waitstatus_to_exitcode(status)))
    os._exit(0)


def _kill_with(client: socket.socket, pid: int) -> None:
    client.recv(1)  # the client sends nothing more: this returns when it has ended
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def run_engine(request: RunRequest) -> None:
    """Run `python -m prefect.engine` in the environment, folder and streams of a request."""
    for number, stream in enumerate(request.streams):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(request.environment)
    os.chdir(request.folder)
    sys.path[0] = request.folder
    import numpy as np
    from prefect.context import refresh_global_settings_context

    np.random.seed()  # otherwise every fork draws the same numbers
    refresh_global_settings_context()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=f".*'{ENGINE_MODULE}' found in sys.modules")
        runpy.run_module(ENGINE_MODULE, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
