"""Logs and messages of flow runs on the Prefect server."""

from __future__ import annotations

import time
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId
from prefect.logging.handlers import APILogWorker


def read_run_texts(run: UUID, patience: float = 20) -> str:
    """Return name, state message and all log lines of a run, as soon as it has a log."""
    APILogWorker.drain_all(timeout=10)
    until, asked = (
        time.monotonic() + patience,
        LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run])),
    )
    with get_client(sync_client=True) as client:
        while not (logs := client.read_logs(asked)) and time.monotonic() < until:
            time.sleep(0.5)
        flow_run = client.read_flow_run(run)
    message = (flow_run.state and flow_run.state.message) or ""
    return "\n".join([flow_run.name, message, *(log.message for log in logs)])
