"""The loop on a real server and worker: events, automations, runs, and what the ledger says."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import pytest
import yaml

from configs.settings import ROOT, settings
from configs.use_case import UseCase, load_use_case
from infra.processes import recall
from tasks.ledger import Entry, champion, ledger
from tasks.runs import Run, latest_runs

pytestmark = pytest.mark.server
NAME = "flights"
EARLIER, LATER = datetime(2013, 1, 22, tzinfo=UTC), datetime(2013, 1, 29, tzinfo=UTC)
Found = TypeVar("Found")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UseCase]:
    """Four weeks of flights in a lake, and server and worker with the deployments that ship."""
    from infra import deployments, local

    home, before = tmp_path_factory.mktemp("server"), dict(os.environ)
    os.environ["MAINSPRING_STATE"] = str(home / "state")
    os.environ["MAINSPRING_USE_CASES"] = str(_small_use_case(home / "configs"))
    _forget()
    deployments.write()
    local.up(mlflow=False, free_ports=True, schedules=False)
    try:
        _ingest()
        yield load_use_case(NAME)
    finally:
        local.down()
        os.environ.clear()
        os.environ.update(before)
        _forget()


def test_two_promotions_at_once_leave_one_champion(server: UseCase) -> None:
    from tasks.registry import champion_alias

    twins = _register_twins(server)
    running = [_promote(version) for version in twins]
    assert [one.wait(150) for one in running] == [0, 0]
    entries = ledger().entries(NAME)
    decisions = [e for e in entries if e.key in {f"decision:{version}" for version in twins}]
    reigning = champion(entries)
    assert reigning is not None
    assert sorted(e.what for e in decisions) == ["promoted", "refused"], "a twin beat its equal"
    assert decisions[1].evidence["champion_version"] == reigning.version
    assert champion_alias(NAME) == reigning.version


def test_an_alert_is_answered_and_decided_on_by_itself_and_once(server: UseCase) -> None:
    from tasks.events import emit_alert

    alert = _record_alert("alert:ten-times")
    for _ in range(10):
        emit_alert(alert)
    decision = _until(lambda: _decision_on_answer_to(alert), "a decision")
    asked = [run for run in latest_runs("retrain", NAME) if run.parameters["alert"] == alert.key]
    decided = [
        run for run in latest_runs("promote", NAME) if run.parameters["version"] == decision.version
    ]
    assert (len(asked), len(decided)) == (1, 1)
    assert decision.what in ("promoted", "refused")
    assert "roc_auc" in decision.evidence["reason"]
    assert datetime.fromisoformat(asked[0].parameters["as_of"]) == LATER


def test_an_alert_whose_event_was_lost_is_answered_after_reconcile(server: UseCase) -> None:
    from prefect.deployments import run_deployment

    alert = _record_alert("alert:lost")
    run_deployment(f"reconcile/{NAME}", timeout=90)
    assert _until(lambda: _decision_on_answer_to(alert), "a decision").version


def test_features_are_published_by_hand_as_on_a_schedule(server: UseCase) -> None:
    from prefect.deployments import run_deployment

    asked = {"as_of": LATER.isoformat()}
    run = run_deployment(f"materialize/{NAME}", parameters=asked, timeout=120)
    assert run.state is not None
    assert run.state.is_completed()
    assert run.state.message == "6 views, stale: none"


def test_an_automation_that_cannot_act_is_told_of(server: UseCase) -> None:
    from prefect.client.orchestration import get_client
    from prefect.events import emit_event

    from tasks.events import ALERT, resource_of

    emit_event(ALERT, resource={"prefect.resource.id": resource_of(NAME), ALERT: "no payload"})
    run = _until(
        lambda: next((r for r in latest_runs("attention", "mainspring") if r.ended), None),
        "a run of attention",
    )
    assert run.parameters["automation"] == f"{NAME}: alert starts retrain"
    with get_client(sync_client=True) as client:
        state = client.read_flow_run(UUID(run.id)).state
    assert state is not None
    assert state.is_failed()
    assert "InvalidJinja" in run.parameters["reason"]


@pytest.mark.slow
def test_an_alert_whose_run_died_with_its_worker_is_answered_all_the_same(
    server: UseCase,
) -> None:
    from flows.reconcile import reconcile
    from infra import local
    from tasks.answers import FIRST_PAUSE
    from tasks.events import emit_alert

    alert = _record_alert("alert:killed", EARLIER)
    emit_alert(alert)
    _until(lambda: _entry(f"retrain:{alert.key}"), "a claim")
    _kill_worker_and_its_runs()
    killed = _until(lambda: _run_that_ended(alert), "a run marked as crashed", seconds=200)
    assert _entry(f"candidate:{alert.key}") is None
    local.up(mlflow=False, schedules=False)
    reconcile(NAME, as_of=datetime.now(UTC) + FIRST_PAUSE)
    assert _until(lambda: _decision_on_answer_to(alert), "a decision").version
    mine = [run for run in latest_runs("retrain", NAME) if run.parameters["alert"] == alert.key]
    assert [run.id for run in mine][1:] == [killed.id]


def _small_use_case(folder: Path) -> Path:
    """The flights use case with spans and models small enough for four weeks."""
    content: dict[str, Any] = yaml.safe_load((ROOT / "configs" / f"{NAME}.yaml").read_text())
    content["split"] = {"validation": "3d", "holdout": "5d", "min_rows": 500}
    content["gate"]["min_rows"] = 500
    content["candidates"]["boosting"]["params"] = {"max_iter": 20, "min_samples_leaf": 100}
    folder.mkdir()
    (folder / f"{NAME}.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    return folder


def _forget() -> None:
    settings.cache_clear()
    ledger.cache_clear()


def _ingest() -> None:
    from feature_repo.flights.source import write_landing
    from flows.ingest import ingest

    write_landing(Path(settings().landing) / NAME, date(2012, 12, 31), date(2013, 1, 29))
    ingest(NAME, as_of=LATER)


def _record_alert(key: str, at: datetime = LATER) -> Entry:
    return ledger().record(Entry(NAME, "alert_raised", key, at, "test"))[0]


def _entry(key: str) -> Entry | None:
    return next((e for e in ledger().entries(NAME) if e.key == key), None)


def _run_that_ended(alert: Entry) -> Run | None:
    found = [run for run in latest_runs("retrain", NAME) if run.parameters["alert"] == alert.key]
    return next((run for run in found if run.ended), None)


def _kill_worker_and_its_runs() -> None:
    (worker,) = [p for p in recall(settings().state / "processes.json") if p.name == "worker"]
    there = worker.found()
    assert there is not None
    for one in [there, *there.children(recursive=True)]:
        one.kill()


def _decision_on_answer_to(alert: Entry) -> Entry | None:
    answer = _entry(f"candidate:{alert.key}")
    return _entry(f"decision:{answer.version}") if answer is not None else None


def _register_twins(case: UseCase) -> list[int]:
    """Two versions of the same file, recorded as candidates that nobody was told of."""
    from flows.train import train_version
    from tasks.candidate import candidate_entry
    from tasks.registry import open_model
    from tasks.tracking import connect

    first = train_version(case, EARLIER, "train:first-twin")
    client = connect()
    made = client.get_model_version(NAME, str(first))
    again = client.create_model_version(NAME, made.source, made.run_id, tags=made.tags)
    card = open_model(NAME, first).card
    for version in (twins := [first, int(again.version)]):
        origin = f"train:twin-{version}"
        ledger().record(candidate_entry(card, version, origin, LATER, "test"))
    return twins


def _promote(version: int) -> subprocess.Popen[bytes]:
    program = f"from flows.promote import promote; promote({NAME!r}, {version})"
    return subprocess.Popen([sys.executable, "-c", program], cwd=ROOT)


def _until(look: Callable[[], Found | None], what: str, seconds: float = 120) -> Found:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if (found := look()) is not None:
            return found
        time.sleep(0.5)
    pytest.fail(f"no {what} within {seconds:.0f} s")
