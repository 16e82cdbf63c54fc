"""Abandoned runs: flow runs that no process executes any more, found and marked as crashed.

A run that ends together with its worker stays Pending, Running or Cancelling, and holds the place
of its deployment for ever. A run shows that it lives by a new state, or by a heartbeat every 30
seconds. One that shows neither for 90 seconds is crashed, whether or not it ever had a heartbeat.

The Prefect server of Mainspring looks every 10 seconds. `mainspring up` and `down` do not wait:
while no worker runs on this machine, a run is abandoned if its process has ended.
On another Prefect server only the automation of infra/automations.py does this.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from configs.settings import settings
from infra.deployments import WORK_POOL

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun

SILENCE = timedelta(seconds=90)
SLOW_START = timedelta(minutes=10)
"""Patience with a run whose container is not there yet: its image may have to be fetched."""
LOOK_EVERY = timedelta(seconds=10)
_HEARTBEAT = "prefect.flow-run.heartbeat"
_RUN_COMMANDS = ("infra.warm_start.client", "prefect.engine")
_PAGE = 200  # the most that Prefect returns at once


@dataclass
class Watcher:
    """Repeated look at the runs of a server.

    Heartbeats are lost while the server or this machine stands still, so the silence of a run
    counts from `since` at the earliest.
    """

    client: SyncPrefectClient
    since: datetime
    _last_look: datetime | None = None

    def look(self, now: datetime) -> list[FlowRun]:
        """Mark the runs that have been silent for too long as crashed, and return them."""
        if self._last_look is not None and now - self._last_look > 3 * LOOK_EVERY:
            self.since = now
        self._last_look = now
        silent = [run for run in _find_active(self.client) if self._is_silent(run, now)]
        for run in silent:
            _crash(self.client, run, f"no heartbeat for {SILENCE.seconds} s: its process has ended")
        return silent

    def _is_silent(self, run: FlowRun, now: datetime) -> bool:
        state = run.state
        if state is None or _has_process(run):
            return False
        patience = self._patience_with_start(run) if state.is_pending() else SILENCE
        if now - max(state.timestamp, self.since) < patience:
            return False
        if run.work_pool_name is None and not _has_heartbeat(self.client, run, run.created or now):
            return False  # a flow that a person's own process calls need not have heartbeats
        return not _has_heartbeat(self.client, run, now - SILENCE)

    def _patience_with_start(self, run: FlowRun) -> timedelta:
        pool = run.work_pool_name
        is_container = pool is not None and self.client.read_work_pool(pool).type != "process"
        return SLOW_START if is_container else SILENCE


def watch_for_ever(client: SyncPrefectClient) -> None:
    """Look again and again; an error, like a server that is busy, ends one look only."""
    from prefect.logging import get_logger

    logger = get_logger("mainspring.abandoned_runs")
    watcher = Watcher(client, datetime.now(UTC))
    time.sleep(SILENCE.seconds)  # nothing is silent for long enough before
    while True:
        try:
            for run in watcher.look(datetime.now(UTC)):
                logger.warning("marked run %s as crashed: no process executes it", run.name)
        except Exception as error:  # noqa: BLE001
            logger.warning("could not look for abandoned runs: %s", error)
        time.sleep(LOOK_EVERY.seconds)


def end_local_runs(client: SyncPrefectClient, reason: str) -> list[FlowRun]:
    """Mark the runs of this machine's pool without a living process as crashed, and return them.

    Only for a process pool of which no worker runs.
    """
    left = [
        run
        for run in _find_active(client)
        if run.work_pool_name == WORK_POOL and not _has_process(run)
    ]
    for run in left:
        _crash(client, run, reason)
    return left


def _find_active(client: SyncPrefectClient) -> list[FlowRun]:
    """Find the runs that a process should be executing."""
    from prefect.client.schemas.filters import (
        FlowRunFilter,
        FlowRunFilterState,
        FlowRunFilterStateType,
    )
    from prefect.client.schemas.objects import StateType

    active = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
    states = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=active)))
    runs: list[FlowRun] = []
    while True:
        page = client.read_flow_runs(flow_run_filter=states, limit=_PAGE, offset=len(runs))
        runs += page
        if len(page) < _PAGE:
            return runs


def _has_heartbeat(client: SyncPrefectClient, run: FlowRun, since: datetime) -> bool:
    """Return whether the server has a heartbeat of a run after a moment."""
    query = {
        "filter": {
            "occurred": {"since": since.isoformat()},
            "event": {"name": [_HEARTBEAT]},
            "resource": {"id": [f"prefect.flow-run.{run.id}"]},
        },
        "limit": 1,
    }
    response = client.request("POST", "/events/filter", json=query)
    return bool(response.raise_for_status().json()["events"])


def _has_process(run: FlowRun) -> bool:
    """Return whether the process that a worker recorded for a run lives on this machine."""
    with suppress(psutil.Error, ValueError):
        process = psutil.Process(int(run.infrastructure_pid or ""))
        state = process.environ().get("MAINSPRING_STATE", "")
        is_ours = Path(state).resolve() == settings().state  # a copied state names other processes
        return is_ours and any(name in process.cmdline() for name in _RUN_COMMANDS)
    return False


def _crash(client: SyncPrefectClient, run: FlowRun, reason: str) -> None:
    """Mark a run as crashed; a run that is being cancelled takes no other state unless forced."""
    from prefect.states import Crashed

    forced = run.state is not None and run.state.is_cancelling()
    client.set_flow_run_state(run.id, Crashed(message=reason), force=forced)
