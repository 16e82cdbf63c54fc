"""A real Dask cluster for the tests: a scheduler and workers as processes, on loopback."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from distributed import Client

from configs.settings import ROOT
from tests.support.programs import free_port


@dataclass
class Cluster:
    """A scheduler, and as many workers as were asked for."""

    port: int = field(default_factory=free_port)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"tcp://127.0.0.1:{self.port}"

    def worker(self) -> None:
        """Start one that stays away once it has died, as on a machine that was lost."""
        self.run("worker", self.address, "--nthreads", "1", "--no-nanny", "--no-dashboard")

    def run(self, what: str, *arguments: str) -> None:
        outside = {n: v for n, v in os.environ.items() if not n.startswith("MAINSPRING_")}
        command = [sys.executable, "-m", "dask", what, *arguments, "--host", "127.0.0.1"]
        self.processes.append(
            subprocess.Popen(
                command, cwd="/", env=outside | {"PYTHONPATH": str(ROOT)},
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )
        )  # fmt: skip


@contextmanager
def cluster(workers: int) -> Iterator[Cluster]:
    """A cluster that knows no setting, when all its workers are there."""
    made = Cluster()
    made.run("scheduler", "--port", str(made.port), "--no-dashboard", "--no-show")
    for _ in range(workers):
        made.worker()
    try:
        with Client(made.address, timeout=60, set_as_default=False) as client:
            if workers:  # Dask does not wait for none
                client.wait_for_workers(workers, timeout=60)
        yield made
    finally:
        for process in made.processes:
            process.kill()
            process.wait(30)
