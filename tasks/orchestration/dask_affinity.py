"""Preloaded by the Dask workers of this machine if there are as many as cores: each keeps to one.

A worker's libraries hand work from thread to thread. Linux puts the thread that goes on where the
last one ran, or where a neighbour's runs: they wait for each other, a tenth of the time, while
cores are idle.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from distributed import Worker


def dask_setup(worker: Worker) -> None:
    """Called by Dask in a worker that starts; its name is its number in the cluster."""
    if not hasattr(os, "sched_setaffinity"):  # of Linux alone
        return
    cores = sorted(os.sched_getaffinity(0))
    for thread in Path("/proc/self/task").iterdir():  # what they start inherits it
        os.sched_setaffinity(int(thread.name), {cores[int(worker.name) % len(cores)]})
