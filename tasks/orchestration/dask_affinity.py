"""CPU affinity of local Dask workers: one core for each, if there are as many workers as cores.

Dask preloads this module. A worker's libraries pass work from thread to thread. Linux may start the
next thread on the core of another worker: then both wait for each other, a tenth of the time, while
a core is idle.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from distributed import Worker


def dask_setup(worker: Worker) -> None:
    """Pin a starting worker to a core; Dask calls this, and the name is the worker's number."""
    if not hasattr(os, "sched_setaffinity"):  # only Linux has it
        return
    cores = sorted(os.sched_getaffinity(0))
    for thread in Path("/proc/self/task").iterdir():  # new threads inherit it
        os.sched_setaffinity(int(thread.name), {cores[int(worker.name) % len(cores)]})
