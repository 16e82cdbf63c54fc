"""Processes forked from a server that has imported what they need and runs no thread, so that one
costs a tenth of a second.

The server is started once and keeps the environment of that moment; its children get that of who
asks for them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from multiprocessing import get_context
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from typing import Any

from tests.state import forget


def forks(preloaded: Sequence[str]) -> ForkServerContext:
    """Where processes are forked; a server that runs already imports nothing more."""
    context = get_context("forkserver")
    context.set_forkserver_preload(list(preloaded))
    return context


def fork(preloaded: Sequence[str], work: Callable[..., object], *given: Any) -> BaseProcess:
    """A process that has begun to work in the environment of this one."""
    target = (dict(os.environ), work, *given)
    process = forks(preloaded).Process(target=inside, args=target)
    process.start()
    return process


def inside(environment: Mapping[str, str], work: Callable[..., Any], *given: Any) -> Any:
    """What `work` comes to in an environment, of which nothing was read before."""
    os.environ.clear()
    os.environ.update(environment)
    forget()
    return work(*given)
