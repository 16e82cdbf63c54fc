"""Processes forked from a server that has imported what they need and runs no thread, so that one
costs a tenth of a second.

The server is started once and keeps the environment of that moment; its children get that of who
asks for them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from multiprocessing import get_context
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from typing import Any

from tests.support.state import forget

_PRELOADED = [  # for all tests, since a server that runs already imports nothing more
    "feast.infra.online_stores.sqlite",
    "feast.infra.passthrough_provider",
    "feast.infra.registry.sql",
    "feast.repo_operations",
    "feature_repo.asof",
    "feature_repo.flights.views",
    "great_expectations",
    "mlflow.onnx",
    "mlflow.store.artifact.s3_artifact_repo",
    "mlflow.store.model_registry.sqlalchemy_store",
    "mlflow.store.tracking.sqlalchemy_store",
    "onnxruntime",
    "sqlalchemy.dialects.sqlite",
    "tests.support.state",
]


def forks() -> ForkServerContext:
    """Where processes are forked."""
    context = get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    return context


def fork(
    work: Callable[..., object], *given: Any, variables: Mapping[str, str] | None = None
) -> BaseProcess:
    """A process that has begun to work in the environment of this one, and with more variables."""
    environment = {**os.environ, **(variables or {})}
    process = forks().Process(target=inside, args=(environment, work, *given))
    process.start()
    return process


def inside(environment: Mapping[str, str], work: Callable[..., Any], *given: Any) -> Any:
    """What `work` comes to in an environment, of which nothing was read before."""
    os.environ.clear()
    os.environ.update(environment)
    forget()
    return work(*given)
