"""Programs that tests start: how they are found, their ports, and whether they answer."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest


def find(program: str, *folders: str, how: str = "as root, .ci/packages does it (Debian)") -> str:
    """The path of a program, on PATH or in one of the folders (patterns below /).

    Where it is missing the test is skipped and says `how` to install it, and fails in CI.
    """
    places = [str(place) for one in folders for place in sorted(Path("/").glob(one), reverse=True)]
    path = os.pathsep.join([os.environ["PATH"], *places])
    found = shutil.which(program, path=path)
    if found is None:
        said = f"{program} is not installed; {how}"
        if os.environ.get("CI"):
            pytest.fail(said)
        pytest.skip(said)
    return found


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody uses, each another one."""
    with ExitStack() as held:
        taken = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [int(one.getsockname()[1]) for one in taken]


def free_port() -> int:
    return free_ports(1)[0]


def is_ready(address: str, process: subprocess.Popen[bytes] | None = None) -> bool:
    """Return whether a GET of an address succeeds; the test fails if the process ended."""
    assert process is None or process.poll() is None, f"the server of {address} ended"
    try:
        return httpx.get(address, timeout=5).is_success
    except httpx.TransportError:
        return False


def accepts_connections(port: int) -> bool:
    """Return whether a program listens on a port of loopback."""
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0
