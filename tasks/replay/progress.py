"""Progress of a policy's process: steps done, and CPU seconds by kind of work, in one file."""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from infra.storage.atomic import write_atomically

STEP_PATIENCE = timedelta(hours=1)
"""How long a process waits for another one, which ends after its step: a training, at most."""
_NAME = "progress.json"


def cpu_seconds() -> float:
    """Return the CPU seconds of this process and of its ended child processes."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime


class ProgressMeter:
    """Counts the steps and CPU seconds of one policy.

    It continues from the file of an earlier process in `folder`. Seconds that a killed process
    spent after its last step are not counted.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / _NAME
        known = json.loads(self._path.read_text()) if self._path.exists() else {}
        self.done: int = known.get("done", 0)
        self.seconds: dict[str, float] = known.get("seconds", {})
        self._kind, self._since = "start", 0.0  # since the process began

    @contextmanager
    def of(self, kind: str) -> Iterator[None]:
        """Count CPU seconds inside the block as this kind, and not as an outer block's kind."""
        outer = self._turn(kind)
        try:
            yield
        finally:
            self._turn(outer)

    def add(self, kind: str, seconds: float) -> None:
        """Add seconds that another process spent for this policy."""
        self.seconds[kind] = self.seconds.get(kind, 0.0) + seconds

    def step_done(self) -> None:
        """Record that one more step is done."""
        self._turn(self._kind)
        self.done += 1
        content = json.dumps({"done": self.done, "seconds": self.seconds})
        write_atomically(self._path, content)

    def _turn(self, kind: str) -> str:
        now, outer = cpu_seconds(), self._kind
        self.add(outer, now - self._since)
        self._kind, self._since = kind, now
        return outer
