"""Servers that are programs of the system, not Python packages: found, or the test is left out."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import pytest


def find(program: str, *folders: str) -> str:
    """The path of a program, on PATH or in one of the folders (patterns below /).

    Where it is missing the test is skipped, and fails in CI, which installs it: .ci/packages.
    """
    places = [str(place) for one in folders for place in sorted(Path("/").glob(one), reverse=True)]
    path = os.pathsep.join([os.environ["PATH"], *places])
    found = shutil.which(program, path=path)
    if found is None:
        said = f"{program} is not installed; as root, .ci/packages does it (Debian)"
        if os.environ.get("CI"):
            pytest.fail(said)
        pytest.skip(said)
    return found


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])
