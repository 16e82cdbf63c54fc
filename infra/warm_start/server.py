"""Fork server for warm starts: `python -m infra.warm_start.server` has imported what runs need.

A run's command is `python -m infra.warm_start.client`, which asks here for a fork and ends as that
ends. Where nobody listens it becomes an ordinary process: a fork saves seconds, and nothing depends
on it.

Only libraries are imported before the fork and no module of this project, so that each run reads
the code as it is then. They are imported and not used: a library's threads stay behind in a fork.
For each run there are two forks, one that waits and below it the run itself.
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

from infra.warm_start.client import ENGINE, HEADER, NUMBER, SOCKET, STREAMS

_LIBRARIES = (
    "prefect.flow_engine", "prefect.events", "polars", "deltalake", "pyarrow.parquet",
    "sklearn.ensemble", "sklearn.pipeline", "onnx", "skl2onnx", "onnxruntime", "mlflow.onnx",
    "mlflow.store.tracking.sqlalchemy_store", "mlflow.store.model_registry.sqlalchemy_store",
    "alembic.migration", "git", "feast", "matplotlib.pyplot", "great_expectations",
)  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """What a run shall find: its environment, working folder and standard streams (descriptors)."""

    environment: Mapping[str, str]
    folder: str
    streams: list[int]


def main() -> None:
    """Import, then fork a run for each that asks, until this process is ended."""
    for library in _LIBRARIES:
        import_module(library)
    gc.collect()
    gc.freeze()  # what the collector does not mark is not copied in the forks
    become(forked(listening()))


def listening() -> socket.socket:
    """The socket of the state folder, for this user alone."""
    listener, mask = socket.socket(socket.AF_UNIX), os.umask(0o177)
    with chdir(os.environ["MAINSPRING_STATE"]):
        Path(SOCKET).unlink(missing_ok=True)  # of one that was killed
        listener.bind(SOCKET)
    os.umask(mask)
    listener.listen(64)
    return listener


def forked(listener: socket.socket) -> Asked:
    """Returns in the forks alone: in each of them once, with what was asked for."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how those that wait have ended
    while True:
        caller, _ = listener.accept()
        if os.fork() == 0:
            break
        caller.close()
    listener.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    asked = receive(caller)
    if run := os.fork():
        wait(run, caller)
    caller.close()
    return asked


def receive(caller: socket.socket) -> Asked:
    """What a caller asks for: a header with the streams, then JSON of the length that it names."""
    head, streams, _, _ = socket.recv_fds(caller, HEADER.size, len(STREAMS))
    with caller.makefile("rb") as body:
        said = json.loads(body.read(*HEADER.unpack(head)))
    return Asked(said["environment"], said["folder"], streams)


def wait(run: int, caller: socket.socket) -> NoReturn:
    """Tell the caller the run's pid and how it ended; end the run if the caller is gone first."""
    caller.sendall(NUMBER.pack(run))
    Thread(target=_end_with, args=(caller, run), daemon=True).start()
    _, status = os.waitpid(run, 0)
    caller.sendall(NUMBER.pack(os.waitstatus_to_exitcode(status)))
    os._exit(0)


def _end_with(caller: socket.socket, run: int) -> None:
    caller.recv(1)  # it says nothing more: this returns when it is gone
    with suppress(ProcessLookupError):
        os.kill(run, signal.SIGKILL)


def become(asked: Asked) -> None:
    """Be what `python -m prefect.engine` is in the environment, folder and streams of a run."""
    for number, stream in enumerate(asked.streams):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(asked.environment)
    os.chdir(asked.folder)
    sys.path[0] = asked.folder
    import numpy as np
    from prefect.context import refresh_global_settings_context

    np.random.seed()  # every fork would draw the same numbers
    refresh_global_settings_context()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=f".*'{ENGINE}' found in sys.modules")
        runpy.run_module(ENGINE, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
