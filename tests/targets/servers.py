"""Servers of targets: programs that run until a test has asked them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.support.prefect_server import until
from tests.support.programs import is_ready


@contextmanager
def running(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], ready: str = ""
) -> Iterator[subprocess.Popen[bytes]]:
    """A server in a folder until the end of the block; `ready` is an address that says so."""
    log = folder / "server.log"
    with (
        log.open("wb") as out,
        subprocess.Popen(command, cwd=folder, env=environment, stdout=out, stderr=out) as process,
    ):
        try:
            if ready:
                until(lambda: is_ready(ready, process) or None, f"{command[0]} at {ready}")
            yield process
        except BaseException:
            print(log.read_text()[-4000:])
            raise
        finally:
            process.terminate()
            process.wait(30)


def post_rows(address: str, rows: list[dict[str, Any]], **options: Any) -> httpx.Response:
    return httpx.post(address, content=json.dumps({"instances": rows}), timeout=60, **options)
