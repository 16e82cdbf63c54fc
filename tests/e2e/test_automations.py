"""The loop on a real server and worker: events, automations, runs, and what the ledger says."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from configs.schema.use_case import UseCase
from configs.settings import ROOT, settings
from infra.processes import read_processes
from tasks.ledger.log import Entry, open_ledger
from tasks.ledger.projections import find_champion
from tasks.orchestration.flow_runs import FlowRun, find_suspended_run, list_flow_runs
from tests.support.planted_version import register_planted_version
from tests.support.prefect_server import (
    EARLIER,
    LATER,
    NAME,
    another_version,
    candidate,
    entry_of,
    ingest,
    on_servers,
    run_servers,
    until,
    write_small_yaml,
)

pytestmark = pytest.mark.server
WEEK = timedelta(days=7)


@pytest.fixture(
    scope="module", params=["embedded", pytest.param("servers", marks=pytest.mark.slow)]
)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[UseCase]:
    """The same loop by the defaults and, by settings alone, on servers."""
    places = {}
    if request.param == "servers":
        places = on_servers(*map(request.getfixturevalue, ("postgres", "redis", "s3_server")))
    with run_servers(tmp_path_factory.mktemp("server"), places) as use_case:
        yield use_case


def test_two_promotions_at_once_leave_one_champion(server: UseCase) -> None:
    from tasks.models.registry import read_alias

    twins = _register_twins(server)
    both = [_promote(version) for version in twins]
    assert [one.wait(150) for one in both] == [0, 0]
    entries = open_ledger().entries(NAME)
    decisions = [e for e in entries if e.key in {f"decision:{version}" for version in twins}]
    reigning = find_champion(entries)
    assert reigning is not None
    assert sorted(e.what for e in decisions) == ["promoted", "refused"], "a twin beat its equal"
    assert decisions[1].evidence["champion_version"] == reigning.version
    assert read_alias(NAME) == reigning.version


def test_an_alert_is_answered_and_decided_on_by_itself_and_once(server: UseCase) -> None:
    from tasks.orchestration.events import request_next_step

    alert = _record_alert("alert:ten-times")
    for _ in range(10):
        request_next_step(alert)
    decision = until(lambda: _decision_on_answer_to(alert), "a decision")
    asked = [run for run in list_flow_runs("retrain", NAME) if run.parameters["alert"] == alert.key]
    decided = [
        run
        for run in list_flow_runs("promote", NAME)
        if run.parameters["version"] == decision.version
    ]
    assert (len(asked), len(decided)) == (1, 1)
    assert decision.what in ("promoted", "refused")
    assert "roc_auc" in decision.evidence["reason"]
    assert datetime.fromisoformat(asked[0].parameters["as_of"]) == LATER


def test_reconcile_handles_an_alert_whose_event_was_lost(server: UseCase) -> None:
    from prefect.deployments import run_deployment

    alert = _record_alert("alert:lost")
    run_deployment(f"reconcile/{NAME}-reconcile", timeout=90)
    assert until(lambda: _decision_on_answer_to(alert), "a decision").version


def test_features_are_published_by_hand_as_on_a_schedule(server: UseCase) -> None:
    from prefect.deployments import run_deployment

    asked = {"as_of": LATER.isoformat()}
    run = run_deployment(f"materialize/{NAME}-materialize", parameters=asked, timeout=120)
    assert run.state is not None
    assert run.state.is_completed()
    assert run.state.message == "6 views, stale: none"


def test_an_automation_that_cannot_act_is_told_of(server: UseCase) -> None:
    from prefect.client.orchestration import get_client
    from prefect.events import emit_event

    from tasks.orchestration.events import ALERT_EVENT, event_resource

    emit_event(
        ALERT_EVENT,
        resource={"prefect.resource.id": event_resource(NAME), ALERT_EVENT: "no payload"},
    )
    run = until(
        lambda: next(
            (r for r in list_flow_runs("report_failed_automation", "mainspring") if r.ended), None
        ),
        "a run of report_failed_automation",
    )
    assert run.parameters["automation"] == f"{NAME}: alert starts retrain"
    with get_client(sync_client=True) as client:
        state = client.read_flow_run(UUID(run.id)).state
    assert state is not None
    assert state.is_failed()
    assert "InvalidJinja" in run.parameters["reason"]


def test_approval_comes_by_the_form_or_by_the_command(server: UseCase) -> None:
    """Two candidates as good as the champion: one is approved in the UI, one by the command."""
    from tasks.orchestration.events import request_next_step

    write_small_yaml(
        approval="manual", gate={"rule": "non_inferiority", "margin": 0.5, "cost_margin": 9}
    )
    reigning = find_champion(open_ledger().entries(NAME))
    assert reigning is not None
    form, command = (candidate(another_version(reigning.version or 0)) for _ in range(2))
    waiting = []
    for one in (form, command):  # the first, suspended, leaves its place to the second
        request_next_step(one)
        waiting.append(until(lambda e=one: _suspended(e), "a suspended run"))
    _fill_in_the_form(waiting[0], {"approve": True, "by": "ada", "why": "as good, and newer"})
    let_in = until(lambda: entry_of(f"decision:{form.version}"), "a promotion")
    until(lambda: _ended(waiting[0]), "an end of the same run")
    said = _mainspring("approve", NAME, str(command.version), "--reason", "go", "--by", "bob")
    assert "was approved by bob" in said
    assert "no run waits" not in said
    until(lambda: entry_of(f"decision:{command.version}"), "a promotion")
    story = [e for e in open_ledger().entries(NAME) if e.version in (form.version, command.version)]
    assert [(e.what, e.actor) for e in story if e.what in ("approved", "rejected")] == [
        ("approved", "ada"), ("approved", "bob"),
    ]  # fmt: skip
    assert [e.evidence["reason"] for e in story if e.what == "approved"] == [
        "as good, and newer", "go",
    ]  # fmt: skip
    assert let_in.what == "promoted"
    assert let_in.at >= LATER
    until(lambda: _ended(waiting[1]), "an end of the same run")


def test_bad_champion_is_rolled_back_within_one_window(server: UseCase) -> None:
    """Its labels of one airport were permuted before it was trained; a person passes it."""
    from flows.monitor import monitor
    from flows.score import score
    from tasks.models.registry import read_alias

    case = write_small_yaml()
    before = find_champion(open_ledger().entries(NAME))
    assert before is not None
    bad = register_planted_version(case, EARLIER, LATER)
    assert "is champion" in _mainspring(
        "promote", NAME, str(bad), "--reason", "trust me", "--by", "eve", "--as-of", f"{LATER:%F}"
    )
    assert read_alias(NAME) == bad
    ingest(date(2013, 1, 29), date(2013, 2, 5))
    score(NAME, as_of=LATER + WEEK, window="7d")
    monitor(NAME, as_of=LATER + WEEK, report=False)
    undone = until(lambda: entry_of(f"rollback:{_seq(f'hand:{bad}')}"), "a rollback")
    until(lambda: read_alias(NAME) == before.version or None, "the alias back")
    assert (undone.version, undone.evidence["loser"]) == (before.version, bad)
    assert undone.at == LATER + WEEK
    failed = {line["gate"] for line in undone.evidence["gates"] if line["verdict"] == "fail"}
    assert failed & {"roc_auc", "slice origin=EWR"}
    story = [e.what for e in open_ledger().entries(NAME) if e.seq >= _seq(f"hand:{bad}")]
    assert story[0] == "promoted"
    assert "episode_opened" in story[1:-2]
    assert story[-2:] == ["rollback_asked", "rolled_back"]
    assert "alert_raised" not in story, "nothing is trained while a champion is brought back"
    told = _mainspring("history", NAME)
    assert "bake:roc_auc" in told or "bake:origin=EWR" in told
    assert f"rolled back to v{before.version}" in told


def test_loop_meets_no_locked_database(server: UseCase) -> None:
    said = (settings().state / "logs" / "prefect.log").read_text()
    assert "Check out the dashboard" in said
    assert "database is locked" not in said


@pytest.mark.slow
def test_reconcile_handles_an_alert_whose_worker_died(
    server: UseCase,
) -> None:
    from flows.reconcile import reconcile
    from infra import stack
    from tasks.lifecycle.resend_requests import FIRST_PAUSE
    from tasks.orchestration.events import request_next_step

    alert = _record_alert("alert:killed", EARLIER)
    request_next_step(alert)
    until(lambda: entry_of(f"retrain:{alert.key}"), "a claim")
    _kill_worker_and_its_runs()
    killed = until(lambda: _run_that_ended(alert), "a run marked as crashed", seconds=200)
    assert entry_of(f"candidate:{alert.key}") is None
    stack.up(mlflow=False, schedules=False)
    reconcile(NAME, as_of=datetime.now(UTC) + FIRST_PAUSE)
    assert until(lambda: _decision_on_answer_to(alert), "a decision").version
    mine = [run for run in list_flow_runs("retrain", NAME) if run.parameters["alert"] == alert.key]
    assert [run.id for run in mine][1:] == [killed.id]


def _record_alert(key: str, at: datetime = LATER) -> Entry:
    return open_ledger().record(Entry(NAME, "alert_raised", key, at, "test"))[0]


def _run_that_ended(alert: Entry) -> FlowRun | None:
    found = [run for run in list_flow_runs("retrain", NAME) if run.parameters["alert"] == alert.key]
    return next((run for run in found if run.ended), None)


def _kill_worker_and_its_runs() -> None:
    (worker,) = [
        p for p in read_processes(settings().state / "processes.json") if p.name == "worker"
    ]
    there = worker.find()
    assert there is not None
    for one in [there, *there.children(recursive=True)]:
        one.kill()


def _decision_on_answer_to(alert: Entry) -> Entry | None:
    answer = entry_of(f"candidate:{alert.key}")
    return entry_of(f"decision:{answer.version}") if answer is not None else None


def _register_twins(case: UseCase) -> list[int]:
    """Two versions of the same file, recorded as candidates that nobody was told of."""
    from tasks.model_cards.registration import register_candidate
    from tasks.training.pipeline import train_model

    first = register_candidate(train_model(case, EARLIER), "train:first-twin")
    return [one.version or 0 for one in map(candidate, (first, another_version(first)))]


def _suspended(entry: Entry) -> FlowRun | None:
    return find_suspended_run("promote", NAME, entry.version)


def _fill_in_the_form(run: FlowRun, answer: dict[str, object]) -> None:
    """As the UI does it: resume the run with input."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        client.resume_flow_run(UUID(run.id), answer)


def _ended(run: FlowRun) -> FlowRun | None:
    found = (one for one in list_flow_runs("promote", NAME) if one.id == run.id and one.ended)
    return next(found, None)


def _seq(key: str) -> int:
    found = entry_of(key)
    assert found is not None
    return found.seq


def _mainspring(*words: str) -> str:
    """Run the command as a person does; what it printed."""
    command = [sys.executable, "-m", "flows.cli.app", *words]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "COLUMNS": "200"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _promote(version: int) -> subprocess.Popen[bytes]:
    program = f"from flows.promote import promote; promote({NAME!r}, {version})"
    return subprocess.Popen([sys.executable, "-c", program], cwd=ROOT)
