"""A real PostgreSQL for the tests: on loopback and a free port, with a password, one per session.

PostgreSQL refuses to run as root, so that there it runs as Debian's user `postgres`.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

import psycopg

from tests.support.programs import find, free_port

USER, PASSWORD = "mainspring", "pass:w@rd/50%"
WRITTEN = quote(PASSWORD, safe="")  # as an address holds it
_QUICK = ("fsync=off", "full_page_writes=off", "shared_buffers=32MB")  # a crash of its own is safe
_BIN = "usr/lib/postgresql/*/bin"


@dataclass
class Postgres:
    """A server that can be stopped and started again on the same folder and port."""

    folder: Path
    port: int
    numbers: count[int] = field(default_factory=count)

    def database(self, purpose: str) -> str:
        """A new empty database; its address, as a person writes it."""
        name = f"{purpose}_{next(self.numbers)}"
        with psycopg.connect(self.address("postgres"), autocommit=True) as connection:
            connection.execute(f'create database "{name}"')
        return self.address(name)

    def address(self, database: str) -> str:
        return f"postgresql://{USER}:{WRITTEN}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = ["-c", f"port={self.port}", "-c", "listen_addresses=127.0.0.1"]
        options += ["-k", str(self.folder)]
        options += [word for each in _QUICK for word in ("-c", each)]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [find("postgres", _BIN), "-D", str(self.folder / "data"), *options],
                stdout=log, stderr=log, **_unprivileged(),
            )  # fmt: skip
        for _ in range(150):
            with suppress(psycopg.OperationalError):
                psycopg.connect(self.address("postgres")).close()
                return
            time.sleep(0.1)
        raise TimeoutError((self.folder / "log").read_text())

    def stop(self) -> None:
        """Stop it at once, whoever is connected (a crash: it recovers when it is started)."""
        self._process.send_signal(3)  # SIGQUIT: immediate shutdown
        self._process.wait(30)


@contextmanager
def serve_postgres() -> Iterator[Postgres]:
    """A server in a folder of its own, which is gone afterwards."""
    initdb = find("initdb", _BIN)
    with TemporaryDirectory(prefix="postgres") as place:
        folder = Path(place)
        secret = folder / "password"
        secret.write_text(PASSWORD)
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
            shutil.chown(secret, "postgres")
        subprocess.run(
            [initdb, "-D", str(folder / "data"), "-U", USER, "--pwfile", str(secret),
             "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"],
            check=True, stdout=subprocess.DEVNULL, **_unprivileged(),
        )  # fmt: skip
        server = Postgres(folder, free_port())
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _unprivileged() -> dict[str, Any]:
    """How a process is started that must not be root's."""
    if os.geteuid() != 0:
        return {"cwd": "/"}
    user = pwd.getpwnam("postgres")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": [], "cwd": "/"}
