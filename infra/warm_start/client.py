"""Command of every flow run: a fork of the warm-start server, or else Prefect's own engine.

The process passes signals on to the fork and ends as the fork ends; if it is killed, the server
ends the fork. It imports little, so it starts in some hundredths of a second.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from contextlib import chdir, suppress
from pathlib import Path
from typing import NoReturn

from infra.warm_start.protocol import (
    ENGINE_MODULE,
    HEARTBEATS,
    NUMBER,
    REQUEST_LENGTH,
    SOCKET_NAME,
    STANDARD_STREAMS,
)


def main() -> NoReturn:
    """Request a fork and wait for its end; become the engine if no server listens."""
    os.environ.update(HEARTBEATS)
    server = socket.socket(socket.AF_UNIX)
    try:
        with chdir(os.environ["MAINSPRING_STATE"]):
            server.connect(SOCKET_NAME)
    except (OSError, KeyError):
        os.execv(sys.executable, [sys.executable, "-m", ENGINE_MODULE])
    request = json.dumps({"environment": dict(os.environ), "folder": str(Path.cwd())}).encode()
    socket.send_fds(server, [REQUEST_LENGTH.pack(len(request))], STANDARD_STREAMS)
    server.sendall(request)
    pid = _receive_number(server)
    if pid is None:
        sys.exit("the warm-start server ended before it started the run")
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda number, _: _send_signal(pid, number))
    code = _receive_number(server)
    if code is None:
        _send_signal(pid, signal.SIGKILL)
        sys.exit("the warm-start process that watched the run ended: the run was killed")
    if code < 0:  # a signal ended the run: end this process by the same one
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code)


def _receive_number(server: socket.socket) -> int | None:
    """Return the next number of the server, a pid or an exit code; None if it has ended."""
    content = server.recv(NUMBER.size, socket.MSG_WAITALL)
    return NUMBER.unpack(content)[0] if content else None


def _send_signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


if __name__ == "__main__":
    main()
