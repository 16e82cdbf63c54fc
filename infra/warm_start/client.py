"""The command of a flow run: a fork of the warm process (warm.py), or else Prefect's own engine.

It passes signals on to the fork and ends as that ends; killed, it takes the fork with it. It starts
in some hundredths of a second, because it imports little.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import sys
from contextlib import chdir, suppress
from pathlib import Path
from typing import NoReturn

ENGINE = "prefect.engine"
SOCKET = "warm.sock"  # in the state folder
HEADER, NUMBER = struct.Struct("!I"), struct.Struct("!i")
STREAMS = (0, 1, 2)


def main() -> NoReturn:
    """Ask for a fork and wait for its end, or become the engine where nobody answers."""
    caller = socket.socket(socket.AF_UNIX)
    try:
        with chdir(os.environ["MAINSPRING_STATE"]):  # an address has room for 100 characters or so
            caller.connect(SOCKET)
    except (OSError, KeyError):
        os.execv(sys.executable, [sys.executable, "-m", ENGINE])
    said = json.dumps({"environment": dict(os.environ), "folder": str(Path.cwd())}).encode()
    socket.send_fds(caller, [HEADER.pack(len(said))], STREAMS)
    caller.sendall(said)
    run = _number(caller)
    if run is None:
        sys.exit("the warm process ended before it started the run")
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda number, _: _send(run, number))
    code = _number(caller)
    if code is None:
        _send(run, signal.SIGKILL)
        sys.exit("the process that waited for the run is gone: the run is ended")
    if code < 0:  # by a signal: this ends by the same
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code)


def _number(caller: socket.socket) -> int | None:
    """What the warm process says next, a pid or an exit code; None if it is gone."""
    said = caller.recv(NUMBER.size, socket.MSG_WAITALL)
    return NUMBER.unpack(said)[0] if said else None


def _send(run: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(run, number)


if __name__ == "__main__":
    main()
