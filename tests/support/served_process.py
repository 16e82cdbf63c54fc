"""The command `mainspring serve` in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from configs.settings import ROOT
from tests.support.prefect_server import until
from tests.support.programs import free_port, is_ready


@contextmanager
def running_server(
    use_case: str, folder: Path, *options: str
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """The command on a free port, until the end of the block; its code may be in `folder`."""
    port = free_port()
    command = [sys.executable, "-m", "flows.cli.app", "serve", use_case, "--port", str(port)]
    path = os.pathsep.join([str(folder), str(ROOT)])
    log = (folder / "server.log").open("wb")
    with subprocess.Popen(
        [*command, *options], env={**os.environ, "PYTHONPATH": path}, stdout=log, stderr=log
    ) as process:
        url = f"http://127.0.0.1:{port}"
        try:
            until(
                lambda: is_ready(f"{url}/ready") or None,
                f"server that is ready at {url}",
                seconds=120,
            )
            yield process, url
        finally:
            process.terminate()
            process.wait(60)
