"""Registry of the processes that `mainspring up` started, so that `down` stops only those.

The registry is a JSON file. A pid alone is not enough, because systems reuse it: a process is ours
only if its start time and command line are the recorded ones too.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from configs.settings import ROOT, settings
from infra.storage.atomic import write_atomically

_CLOCK_DRIFT = 2.0  # seconds by which a start time may move when the system's clock is set


@dataclass(frozen=True)
class Process:
    """A started process.

    `born` is its start time in seconds since 1970; `log` the path of its log; `database` the
    address of the database that it uses, without the password.
    """

    name: str
    pid: int
    born: float
    command: tuple[str, ...]
    log: str
    database: str = ""

    def find(self) -> psutil.Process | None:
        """Return the living process; None if it ended, also if another one has its pid."""
        try:
            candidate = psutil.Process(self.pid)
            is_same = abs(candidate.create_time() - self.born) < _CLOCK_DRIFT
            is_same = is_same and tuple(candidate.cmdline()[1:]) == self.command[1:]
            return candidate if is_same and _is_alive(candidate) else None
        except psutil.Error:
            return None

    def last_lines(self, number: int = 15) -> str:
        """Return the end of its log."""
        return read_last_lines(Path(self.log), number)


def start_process(name: str, command: Sequence[str], env: Mapping[str, str], log: Path) -> Process:
    """Start a command from the project's root, in its own session.

    Args:
        name: what the process is called in messages.
        command: program and arguments.
        env: variables beside those of this process.
        log: the file that gets its output; an older one is overwritten.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        child = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **env}, stdin=subprocess.DEVNULL,
            stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    system_process = psutil.Process(child.pid)
    with suppress(psutil.Error):  # the process may have ended already: `find` will tell
        while child.poll() is None and not system_process.cmdline():
            time.sleep(0.005)  # the system knows the command line a moment after the start
    return Process(name, child.pid, system_process.create_time(), tuple(command), str(log))


def stop_process(process: Process, patience: float = 15.0) -> bool:
    """Terminate a process; after `patience` seconds kill it and all of its children.

    Return whether it was alive.
    """
    parent = process.find()
    if parent is None:
        return False
    family = [parent, *parent.children(recursive=True)]
    parent.terminate()
    for survivor in _wait_for_end(family, patience):
        with suppress(psutil.NoSuchProcess):
            survivor.kill()
    _wait_for_end(family, patience)
    return True


def _wait_for_end(family: Sequence[psutil.Process], patience: float) -> list[psutil.Process]:
    """Wait until all have ended, at most `patience` seconds; return those that are still alive."""
    deadline = time.monotonic() + patience
    while (alive := [one for one in family if _is_alive(one)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    return alive


def _is_alive(process: psutil.Process) -> bool:
    """Return whether a process runs; a zombie, whose exit code is unread, does not."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def read_processes(file: Path) -> list[Process]:
    """Return the processes of a registry file that are still alive."""
    if not file.exists():
        return []
    entries = json.loads(file.read_text())
    processes = [Process(**{**entry, "command": tuple(entry["command"])}) for entry in entries]
    return [process for process in processes if process.find() is not None]


def write_processes(file: Path, processes: Sequence[Process]) -> None:
    """Write the registry file atomically."""
    write_atomically(file, json.dumps([asdict(process) for process in processes], indent=1))


def read_last_lines(log: Path, number: int = 15) -> str:
    """Return the end of a log file."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-number:])


def log_folder() -> Path:
    """Return the folder of the logs of servers, worker and deployments."""
    return settings().state / "logs"
