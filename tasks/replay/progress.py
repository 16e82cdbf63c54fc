"""What a policy's process spent on what, and how far it is: one small file, replaced as a whole."""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.storage.atomic import write_atomically

_NAME = "progress.json"


def cpu_seconds() -> float:
    """CPU seconds of this process, and of those that it started and that have ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime


class ProgressMeter:
    """The steps done, and the CPU seconds spent by kind of work, of one policy.

    It goes on from what an earlier process left in `folder`. What a killed process spent since its
    last step is not known.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / _NAME
        known = json.loads(self._path.read_text()) if self._path.exists() else {}
        self.done: int = known.get("done", 0)
        self.seconds: dict[str, float] = known.get("seconds", {})
        self._kind, self._since = "start", 0.0  # since the process began

    @contextmanager
    def of(self, kind: str) -> Iterator[None]:
        """Count what is spent inside as this kind, and not as that of an outer one."""
        outer = self._turn(kind)
        try:
            yield
        finally:
            self._turn(outer)

    def add(self, kind: str, seconds: float) -> None:
        """Count what another process spent on behalf of this policy."""
        self.seconds[kind] = self.seconds.get(kind, 0.0) + seconds

    def step_done(self) -> None:
        """Keep that one step more is done."""
        self._turn(self._kind)
        self.done += 1
        content = json.dumps({"done": self.done, "seconds": self.seconds})
        write_atomically(self._path, content)

    def _turn(self, kind: str) -> str:
        now, outer = cpu_seconds(), self._kind
        self.add(outer, now - self._since)
        self._kind, self._since = kind, now
        return outer
