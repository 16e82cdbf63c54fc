"""Processes that were started and are to be stopped again: those, and never another's.

They are kept in a JSON file. A pid alone says little, because systems use it again: a process is
ours only while it also has the birth time and the command line that were written down.
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

_CLOCK = 2.0  # seconds by which a birth time may move when the system's clock is put right


@dataclass(frozen=True)
class Process:
    """A started process: what it is, its pid, birth time (epoch seconds), command and log, and the
    database that it was told of (without the password).
    """

    name: str
    pid: int
    born: float
    command: tuple[str, ...]
    log: str
    database: str = ""

    def found(self) -> psutil.Process | None:
        """The living process, None if it is gone or the pid belongs to another one by now."""
        try:
            there = psutil.Process(self.pid)
            same = abs(there.create_time() - self.born) < _CLOCK
            same = same and tuple(there.cmdline()[1:]) == self.command[1:]
            return there if same and _lives(there) else None
        except psutil.Error:
            return None

    def last_lines(self, number: int = 15) -> str:
        """The end of its log."""
        return last_lines(Path(self.log), number)


def start(name: str, command: Sequence[str], env: Mapping[str, str], log: Path) -> Process:
    """Start a command of its own session, from the project's root, that writes to a fresh log."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        child = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **env}, stdin=subprocess.DEVNULL,
            stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    there = psutil.Process(child.pid)
    with suppress(psutil.Error):  # it may be gone already: who asks for it will find out
        while child.poll() is None and not there.cmdline():
            time.sleep(0.005)  # the system names a process a moment after it started it
    return Process(name, child.pid, there.create_time(), tuple(command), str(log))


def stop(process: Process, patience: float = 15.0) -> bool:
    """Ask a process to end, and end it and all that it started if it does not; whether it lived."""
    there = process.found()
    if there is None:
        return False
    family = [there, *there.children(recursive=True)]
    there.terminate()
    for one in _left(family, patience):
        with suppress(psutil.NoSuchProcess):
            one.kill()
    _left(family, patience)
    return True


def _left(family: Sequence[psutil.Process], patience: float) -> list[psutil.Process]:
    """Those that still live when the patience is over; returns at once when none does."""
    deadline = time.monotonic() + patience
    while (living := [one for one in family if _lives(one)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    return living


def _lives(one: psutil.Process) -> bool:
    """A zombie is dead, though nobody has asked for its exit code yet."""
    try:
        return bool(one.is_running() and one.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def recall(file: Path) -> list[Process]:
    """The processes that a file names and that still live."""
    if not file.exists():
        return []
    named = [
        Process(**{**one, "command": tuple(one["command"])}) for one in json.loads(file.read_text())
    ]
    return [process for process in named if process.found() is not None]


def remember(file: Path, processes: Sequence[Process]) -> None:
    """Write the file anew, in one step."""
    write_atomically(file, json.dumps([asdict(process) for process in processes], indent=1))


def last_lines(log: Path, number: int = 15) -> str:
    """The end of a log file."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-number:])


def log_folder() -> Path:
    """Where the logs of servers, workers and deployments are."""
    return settings().state / "logs"
