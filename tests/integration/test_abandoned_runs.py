"""Runs that no process executes, at a real Prefect server: whatever their state, they are ended."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.states import Cancelling, Pending, Running, State

from infra.servers.abandoned_runs import SILENCE, Watcher, end_local_runs
from infra.work_pools import apply_work_pool

pytestmark = pytest.mark.system

STATES = {"Pending": Pending, "Running": Running, "Cancelling": Cancelling}
LONG_AGO = timedelta(hours=1)


@flow
def idle() -> None:
    pass


@pytest.fixture
def client(api: None, home: Path) -> Iterator[SyncPrefectClient]:
    apply_work_pool("process")
    with get_client(sync_client=True) as client:
        yield client


def deployed_run(client: SyncPrefectClient, state: State, pid: str = "") -> UUID:
    """A run of a deployment in the pool, of which Prefect knows no more than its state."""
    flow_id = client.create_flow(idle)
    deployment = client.create_deployment(
        flow_id, "idle", work_pool_name="mainspring", entrypoint="x.py:idle"
    )
    run = client.create_flow_run_from_deployment(deployment)
    client.set_flow_run_state(run.id, Pending())
    client.set_flow_run_state(run.id, state, force=True)
    if pid:
        client.update_flow_run(run.id, infrastructure_pid=pid)
    return run.id


def ids(runs: list[FlowRun]) -> set[UUID]:
    return {run.id for run in runs}


def name_of_state(client: SyncPrefectClient, run: UUID) -> str:
    state = client.read_flow_run(run).state
    assert state is not None
    return str(state.name)


@pytest.mark.parametrize("state", STATES)
def test_a_silent_run_is_crashed_within_two_minutes(client: SyncPrefectClient, state: str) -> None:
    run, now = deployed_run(client, STATES[state]()), datetime.now(UTC)
    early, late = now + SILENCE - timedelta(seconds=10), now + SILENCE + timedelta(seconds=10)
    assert run not in ids(Watcher(client, now - LONG_AGO).look(early))
    assert name_of_state(client, run) == state
    assert run in ids(Watcher(client, now - LONG_AGO).look(late))
    assert name_of_state(client, run) == "Crashed"
    assert run not in ids(Watcher(client, now - LONG_AGO).look(late))


def test_a_server_that_stood_still_waits_again(client: SyncPrefectClient) -> None:
    run = deployed_run(client, Running())
    now = datetime.now(UTC)
    watcher = Watcher(client, now - LONG_AGO)
    watcher.look(now)
    later = now + timedelta(minutes=30)  # the machine slept, and no heartbeat could arrive
    assert run not in ids(watcher.look(later))
    for seconds in range(10, SILENCE.seconds, 10):
        assert run not in ids(watcher.look(later + timedelta(seconds=seconds)))
    assert run in ids(watcher.look(later + SILENCE))


def test_a_run_whose_process_lives_stays(client: SyncPrefectClient, home: Path) -> None:
    command = [sys.executable, "-c", "import time; time.sleep(60)", "infra.warm_start.client"]
    now = datetime.now(UTC) + LONG_AGO
    for state, stays in ((home, True), (home / "another", False)):
        with subprocess.Popen(command, env={**os.environ, "MAINSPRING_STATE": str(state)}) as child:
            run = deployed_run(client, Running(), str(child.pid))
            ended = ids(Watcher(client, now - 2 * LONG_AGO).look(now))
            assert (run not in ended) is stays
            child.kill()
    assert name_of_state(client, run) == "Crashed"


@pytest.mark.parametrize("pid", ["", "1", "999999999", "host:5", "not a number"])
def test_without_a_worker_only_a_living_run_stays(client: SyncPrefectClient, pid: str) -> None:
    runs = [deployed_run(client, make(), pid) for make in STATES.values()]
    ended = ids(end_local_runs(client, "test"))
    assert set(runs) <= ended
    assert {name_of_state(client, run) for run in runs} == {"Crashed"}
    assert end_local_runs(client, "test") == []
