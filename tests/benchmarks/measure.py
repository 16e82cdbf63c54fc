"""One piece of work in a process of its own: forked, or python -m tests.benchmarks.measure WHAT …,
see below, which prints one line of JSON. What the work needs is imported and read before the clock
starts.
"""

from __future__ import annotations

import json
import logging
import resource
import sys
import time
import warnings
from collections.abc import Callable
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path


def work(stage: str, contender: str, rows: str) -> dict[str, float]:
    """Seconds, CPU seconds and peak memory (MiB) of a contender's work, and what it answered.

    `before_mib` is the peak before it began: imports, and what is given.
    """
    from tests.benchmarks.catalogue import STAGES

    prepared = STAGES[stage].contenders[contender](int(rows))
    before, cpu, began = peak_memory(), cpu_seconds(), time.perf_counter()
    answer = prepared()
    return {
        "seconds": time.perf_counter() - began,
        "cpu": cpu_seconds() - cpu,
        "peak_mib": peak_memory(),
        "before_mib": before,
        "rows": answer.rows,
        "value": answer.value,
    }


def tell(told: Connection, what: str, *words: str) -> None:
    """Send what some work measured, from a forked process."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)  # the bar is there for people
    told.send(WHAT[what](*words))


def load(module: str) -> dict[str, float]:
    """What importing a module takes."""
    cpu, began = cpu_seconds(), time.perf_counter()
    import_module(module)
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "cpu": cpu_seconds() - cpu, "peak_mib": peak_memory()}


def make(what: str, rows: str) -> dict[str, float]:
    """Make what a stage needs, a function of years.py, unless it is there."""
    began = time.perf_counter()
    from tests.benchmarks import years

    getattr(years, f"make_{what}")(int(rows))
    return {"seconds": time.perf_counter() - began}


def loop(folder: str) -> dict[str, object]:
    """The loop under a Prefect server: what orchestration takes."""
    from tests.benchmarks import orchestration

    return orchestration.measure(Path(folder))


def open_overview(folder: str) -> dict[str, float]:
    """The overview of many models."""
    from tests.benchmarks import overview

    return overview.measure(Path(folder))


def cpu_seconds() -> float:
    """CPU seconds of this process and of those that it started and that have ended."""
    mine, ended = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return mine.ru_utime + mine.ru_stime + ended.ru_utime + ended.ru_stime


def peak_memory() -> float:
    """MiB that this process held at most; ru_maxrss would count its parent's, from the fork."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # bytes on macOS
    peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(peak.split()[1]) / 1024


WHAT: dict[str, Callable[..., dict[str, object] | dict[str, float]]] = {
    "work": work, "load": load, "make": make, "loop": loop, "overview": open_overview,
}  # fmt: skip

if __name__ == "__main__":
    print(json.dumps(WHAT[sys.argv[1]](*sys.argv[2:])))
