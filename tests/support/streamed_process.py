"""The command `mainspring stream` in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from configs.settings import ROOT


@contextmanager
def running_stream(
    use_case: str, folder: Path, url: str, *options: str
) -> Iterator[subprocess.Popen[bytes]]:
    """The command until the end of the block; its code may be in `folder`, and its log is."""
    path = os.pathsep.join([str(folder), str(ROOT)])
    environment = {**os.environ, "PYTHONPATH": path, "MAINSPRING_STREAM_URL": url}
    command = [sys.executable, "-m", "flows.cli.app", "stream", use_case, *options]
    log = (folder / "stream.log").open("ab")
    with subprocess.Popen(command, env=environment, stdout=log, stderr=log) as process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                process.terminate()
            process.wait(60)
