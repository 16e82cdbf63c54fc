"""What orchestration takes: four weeks of flights, a real Prefect server and a worker.

An alert is written into the ledger and its event sent, and the automations do the rest on the
worker, whose runs start warm. Then a daily run (ingest, score, monitor) is done inside Prefect, so
without heartbeats, and as the same functions bare, by turns, a day each, in this process: nothing
is imported in between. At the end of a flow Prefect waits for its heartbeat's thread, which looks
up once a second.
"""

from __future__ import annotations

import os
import shutil
import time
from datetime import date, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any
from uuid import UUID

from configs.clock import utc_or_now
from configs.schema.loading import load_use_case
from configs.settings import settings
from infra.warm_start.protocol import SOCKET_NAME
from tasks.ledger.log import Entry, open_ledger
from tasks.ledger.projections import find_champion
from tasks.orchestration.flow_runs import list_flow_runs
from tests.benchmarks.measure import cpu_seconds
from tests.support.prefect_server import (
    EARLIER,
    LATER,
    NAME,
    entry_of,
    run_servers,
    until,
    write_small_yaml,
)

_DAY = timedelta(days=1)
_PATIENCE = 600.0  # seconds: also on a machine that others use
_LENIENT = {
    "rule": "non_inferiority", "margin": 1, "cost_margin": 100, "slice_margin": 1,
    "calibration_margin": 1,
}  # fmt: skip


def measure(folder: Path, days: int = 3) -> dict[str, Any]:
    """Seconds of daily runs, with Prefect and bare, and of each part from alert to champion."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.environ["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] = "30"  # as the deployments have it
    with run_servers(folder):
        write_small_yaml(gate=_LENIENT, schedules={"score_window": "1d"})
        until(_is_warm, "warm process", _PATIENCE)
        _first_champion()
        return {"alert to champion": _from_alert_to_champion(), "daily": _daily_runs(days)}


def _is_warm() -> bool | None:
    return (settings().state / SOCKET_NAME).exists() or None


def _first_champion() -> None:
    from flows.train import train

    train(NAME, as_of=EARLIER)
    until(lambda: find_champion(open_ledger().entries(NAME)), "a first champion", _PATIENCE)


def _daily_runs(days: int) -> dict[str, Any]:
    """Medians over days; the first of each kind, which imports what is needed, does not count."""
    ways = {"prefect": _inside_prefect, "no heartbeats": _without_heartbeats, "bare": _bare}
    runs: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    day = LATER.date()
    for way in [*ways] * (days + 1):
        _land(day)
        day += _DAY
        at = datetime(day.year, day.month, day.day, tzinfo=LATER.tzinfo)
        cpu, began = cpu_seconds(), time.perf_counter()
        ways[way](at)
        runs[way].append({"seconds": time.perf_counter() - began, "cpu": cpu_seconds() - cpu})
    found = {
        way: {what: median(run[what] for run in took[1:]) for what in ("seconds", "cpu")}
        for way, took in runs.items()
    }
    shares = {what: 1 - found["bare"][what] / found["prefect"][what] for what in ("seconds", "cpu")}
    return found | {"share": shares}


def _land(day: date) -> None:
    from feature_repo.flights.source import write_landing

    write_landing(Path(settings().landing) / NAME, day, day + _DAY)


def _inside_prefect(at: datetime) -> None:
    from flows.ingest import ingest
    from flows.monitor import monitor
    from flows.score import score

    ingest(NAME, as_of=at)
    score(NAME, as_of=at)
    monitor(NAME, as_of=at, report=False)


def _without_heartbeats(at: datetime) -> None:
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        _inside_prefect(at)


def _bare(at: datetime) -> None:
    from tasks.ingestion import feature_refresh, ingest, landing
    from tasks.replay import simulate

    use_case = load_use_case(NAME)
    taken = ingest.validate_files(use_case, landing.discover_files(use_case), at)
    ingest.commit_rows(use_case, taken)
    landing.record_files(use_case, taken.verdicts, at)
    feature_refresh.refresh_features(use_case, at)
    simulate.simulate_score(use_case, at)
    simulate.simulate_monitor(use_case, at)


def _from_alert_to_champion() -> dict[str, Any]:
    """Seconds from the event to the promotion in the ledger, and where they go."""
    from tasks.orchestration.events import request_next_step

    said = {"message": "asked by the benchmark"}
    asked = Entry(NAME, "alert_raised", "alert:bench", LATER, "benchmark", None, said)
    alert = open_ledger().record(asked)[0]
    began = utc_or_now()
    request_next_step(alert)
    answer = until(lambda: entry_of(f"candidate:{alert.key}"), "a candidate", _PATIENCE)
    decision = until(lambda: entry_of(f"decision:{answer.version}"), "a decision", _PATIENCE)
    assert answer.recorded is not None
    assert decision.recorded is not None
    parts = {"retrain": _parts("retrain", began), "promote": _parts("promote", answer.recorded)}
    fitting = sum(took for name, took in parts["retrain"].items() if name.startswith("fit "))
    seconds = (decision.recorded - began).total_seconds()
    return {
        "decision": decision.what, "seconds": seconds, "fitting": fitting,
        "beside fitting": seconds - fitting, "parts": parts,
    }  # fmt: skip


def _parts(flow: str, asked: datetime) -> dict[str, float]:
    """Where the newest run of a flow spent its seconds, from when it was asked for to its end."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

    newest = UUID(list_flow_runs(flow, NAME)[0].id)
    with get_client(sync_client=True) as client:
        run = until(lambda: _ended(client.read_flow_run(newest)), "an end", _PATIENCE)
        tasks = client.read_task_runs(
            flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[newest]))
        )
    started = [task for task in tasks if task.start_time]
    started.sort(key=lambda task: task.start_time or run.start_time)
    found = {
        "event to run": (run.created - asked).total_seconds(),
        "run to first line": (run.start_time - run.created).total_seconds(),
    }
    found |= {task.name: task.total_run_time.total_seconds() for task in started}
    inside = sum(task.total_run_time.total_seconds() for task in started)
    return found | {"between tasks": (run.end_time - run.start_time).total_seconds() - inside}


def _ended(run: Any) -> Any:
    return run if run.state is not None and run.state.is_final() else None
