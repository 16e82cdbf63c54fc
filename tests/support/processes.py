"""Processes that kill themselves at a named fault point, and a state that they do it to."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from prefect import task

from configs.schema.use_case import UseCase
from configs.settings import settings
from infra import fault_injection
from tasks.ledger.log import Entry, open_ledger
from tasks.ledger.projections import find_champion
from tasks.rollout.routing import Route
from tasks.scoring import partitions
from tests.support.candidates import NAME
from tests.support.fork_server import fork


def run_job(job: Callable[[], object], state: Path, point: str = "", times: int = 1) -> int:
    """Run a job on a state folder in a process of its own, killed at a point; its exit code."""
    process = fork(_in, job, str(state), point, times)
    process.join(60)
    assert process.exitcode is not None, f"still running: {point}"
    return process.exitcode


def _in(job: Callable[[], object], state: str, point: str, times: int) -> None:
    os.environ["MAINSPRING_STATE"] = state
    os.environ[fault_injection.VARIABLE] = point
    settings.cache_clear()
    open_ledger.cache_clear()
    for _ in range(times):
        job()


def at_once(job: Callable[[int], object], times: int) -> list[int]:
    """Run a job in several processes at once, each told its number; their exit codes."""
    processes = [fork(job, number) for number in range(times)]
    for process in processes:
        process.join(60)
    return [-1 if process.exitcode is None else process.exitcode for process in processes]


def register_empty_versions(*versions: int) -> None:
    """Versions in MLflow's registry, of no file: enough for an alias."""
    from tasks.models.mlflow.client import connect_mlflow, create_registered_model

    create_registered_model(connect_mlflow(), NAME, "test")
    for _ in versions:
        connect_mlflow().create_model_version(NAME, "nowhere")


def copy_state(state: Path, target: Path) -> Path:
    """A copy of a state folder."""
    return Path(shutil.copytree(state, target))


def read_state(state: Path) -> tuple[list[Entry], int | None, int | None]:
    """What a state's ledger says, who is champion in it, and whom MLflow calls champion."""
    from tasks.models.registry import read_alias

    os.environ["MAINSPRING_STATE"] = str(state)
    settings.cache_clear()
    open_ledger.cache_clear()
    entries = open_ledger().entries(NAME)
    reigning = find_champion(entries)
    return entries, None if reigning is None else reigning.version, read_alias(NAME)


def fault_points(*effects: str) -> list[str]:
    """Before and after each effect."""
    return [f"{side} {name}" for name in effects for side in ("before", "after")]


def answer_or_die(cast: Route, diary: Path, **same: Any) -> partitions.ScoredPartition:
    """Score a partition and record it; the process that writes the fourth line is killed."""
    with diary.open("a+") as book:
        book.write(f"{cast.start:%dT%H} {os.getpid()}\n")
        book.flush()
        book.seek(0)
        if len(book.readlines()) == 4:
            os.kill(os.getpid(), signal.SIGKILL)
    return partitions.score_partition_rows(cast, **same)


@task
def die(cast: Route, use_case: UseCase, as_of: datetime, folder: str | None, due_in: Any) -> None:
    """As partitions.score_partition, but it takes its worker along, whoever tries it."""
    os.kill(os.getpid(), signal.SIGKILL)
