"""Follower of pushed rows: starts an ingest run on the Prefect server when a batch has landed.

The ingest flow then refreshes the features, and publishes the views that the YAML names. Without a
Prefect server the rows wait in the landing folder for the next scheduled run.
"""

from __future__ import annotations

import logging
import os
import time
from multiprocessing import get_context
from multiprocessing.process import BaseProcess

from configs.schema.loading import load_use_case
from configs.schema.use_case import UseCase

_logger = logging.getLogger(__name__)
_LOOK_SECONDS = 0.5
_RETRY_SECONDS = 10.0


def start_row_keeper(use_case: UseCase) -> BaseProcess | None:
    """Start the follower in a process of its own; None if the YAML takes no rows."""
    if use_case.serving is None or use_case.serving.tables is None:
        return None
    process = get_context("spawn").Process(
        target=follow_pushed_rows, args=(use_case.name,), name="row keeper", daemon=True
    )
    process.start()
    return process


def follow_pushed_rows(name: str) -> None:
    """Start an ingest run for every batch that lands, one at a time, until the server ends."""
    from tasks.orchestration.started_runs import follow_run, start_run
    from tasks.serving.received.pushed_rows import list_landed_batches

    use_case, parent = load_use_case(name), os.getppid()
    seen = list_landed_batches(use_case)
    while os.getppid() == parent:  # a server that is killed leaves its children
        time.sleep(_LOOK_SECONDS)
        landed = list_landed_batches(use_case)
        if landed <= seen:
            continue
        try:
            for _ in follow_run(start_run("ingest", name, {})):
                pass  # until it has ended
        except Exception as error:  # noqa: BLE001 - of the server: rows wait for a scheduled run
            _logger.warning("no ingest run for pushed rows of %s: %s", name, error)
            time.sleep(_RETRY_SECONDS)
        else:
            seen = landed
