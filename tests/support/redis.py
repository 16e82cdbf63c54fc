"""A real Redis for the tests: on loopback and a free port, in memory only, with a password."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from redis import Redis
from redis.exceptions import ConnectionError

from tests.support.programs import find, free_port

PASSWORD = "2013"  # of digits: Feast would read a number


@dataclass
class RedisServer:
    """A server that can be stopped, and started again: empty, unless it has a folder."""

    port: int
    folder: Path | None = None
    numbers: count[int] = field(default_factory=count)

    def database(self) -> str:
        """The address of one of its numbered databases that nobody has had yet."""
        return f"redis://:{PASSWORD}@127.0.0.1:{self.port}/{next(self.numbers)}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = f"redis-server --bind 127.0.0.1 --port {self.port} --databases 1000"
        kept = ["--appendonly", "yes", "--appendfsync", "always"] if self.folder else []
        self._process = subprocess.Popen(
            [*command.split(), "--save", "", "--requirepass", PASSWORD, *kept],
            executable=find("redis-server"), stdout=subprocess.DEVNULL, cwd=self.folder or "/",
        )  # fmt: skip
        for _ in range(100):
            with suppress(ConnectionError), Redis(port=self.port, password=PASSWORD) as client:
                client.ping()
                return
            time.sleep(0.05)
        raise TimeoutError("redis-server does not answer")

    def stop(self) -> None:
        self._process.kill()
        self._process.wait(30)


@contextmanager
def serve_redis(folder: Path | None = None) -> Iterator[RedisServer]:
    """A running server; with a folder, it keeps there what it was sent."""
    server = RedisServer(free_port(), folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()
