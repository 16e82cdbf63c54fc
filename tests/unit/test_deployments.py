from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from configs.settings import ROOT, settings
from infra import automations, deployments
from tasks import events

WAITS_ITS_TURN = {"limit": 1, "collision_strategy": "ENQUEUE"}


@pytest.fixture
def on_disk() -> dict[str, dict[str, Any]]:
    """The deployments of the prefect.yaml that ships, by flow/name."""
    content = yaml.safe_load((ROOT / "prefect.yaml").read_text())
    return {f"{flow_of(d)}/{d['name']}": d for d in content["deployments"]}


def flow_of(deployment: dict[str, Any]) -> str:
    return str(deployment["entrypoint"]).rpartition(":")[2]


def test_the_file_is_what_the_use_cases_ask_for() -> None:
    assert (ROOT / "prefect.yaml").read_text() == deployments.text()


def test_these_deployments_and_no_others_ship_with_these_starts(
    on_disk: dict[str, dict[str, Any]],
) -> None:
    starts = {
        name: [s["cron"] for s in d.get("schedules", [])]
        + [t["name"] for t in d.get("triggers", [])]
        for name, d in on_disk.items()
    }
    assert starts == {
        "ingest/flights": ["10 * * * *"],
        "materialize/flights": ["15 * * * *"],
        "score/flights": ["20 * * * *"],
        "monitor/flights": ["30 4 * * 1"],
        "train/flights": ["0 5 1 * *"],
        "retrain/flights": ["flights: alert starts retrain"],
        "promote/flights": ["flights: candidate starts promote"],
        "rollback/flights": ["flights: rollback starts rollback"],
        "watch/flights": ["*/15 * * * *"],
        "reconcile/flights": ["*/5 * * * *"],
        "ingest/visits": ["0 3 * * 1"],
        "materialize/visits": ["20 3 * * 1"],
        "score/visits": ["40 3 * * 1"],
        "monitor/visits": ["30 4 * * 1"],
        "train/visits": ["0 5 1 * *"],
        "retrain/visits": ["visits: alert starts retrain"],
        "promote/visits": ["visits: candidate starts promote"],
        "rollback/visits": ["visits: rollback starts rollback"],
        "watch/visits": ["*/15 * * * *"],
        "reconcile/visits": ["*/5 * * * *"],
        "attention/mainspring": ["Mainspring: a failed automation is told of"],
    }
    crons = [s for d in on_disk.values() for s in d.get("schedules", [])]
    assert {(s["timezone"], s["active"]) for s in crons} == {("UTC", True)}


@pytest.mark.parametrize(
    ("flow", "event", "asked"),
    [
        ("retrain", events.ALERT, "alert"),
        ("promote", events.CANDIDATE, "version"),
        ("rollback", events.ROLLBACK, "promotion"),
    ],
)
def test_what_is_asked_starts_one_run_of_what_answers_it(
    on_disk: dict[str, dict[str, Any]], flow: str, event: str, asked: str
) -> None:
    assert on_disk[f"{flow}/flights"]["triggers"] == [
        {
            "name": f"flights: {event.removeprefix('mainspring.')} starts {flow}",
            "expect": [event],
            "match": {"prefect.resource.id": events.resource_of("flights")},
            "for_each": ["prefect.resource.id", event],
            "posture": "Reactive", "threshold": 1, "within": 60,
            "parameters": {
                asked: f"{{{{ event.payload.{asked} }}}}", "as_of": "{{ event.payload.as_of }}",
            },
        }
    ]  # fmt: skip


def test_a_use_cases_failed_automation_is_told_of_and_no_other(
    on_disk: dict[str, dict[str, Any]],
) -> None:
    (trigger,) = on_disk["attention/mainspring"]["triggers"]
    assert trigger["expect"] == ["prefect.automation.action.failed"]
    assert trigger["match"] == {
        "prefect.resource.id": "prefect.automation.*",
        "prefect.resource.name": "!Mainspring: *",
    }
    assert trigger["name"].startswith("Mainspring: ")
    assert automations.ZOMBIES.startswith("Mainspring: ")


def test_how_and_where_the_runs_of_a_use_case_go(on_disk: dict[str, dict[str, Any]]) -> None:
    for name, deployment in on_disk.items():
        if name != "attention/mainspring":
            use_case = name.partition("/")[2]
            assert deployment["parameters"] == {"use_case": use_case}
            assert deployment["tags"] == ["mainspring", use_case]
            assert deployment["concurrency_limit"] == WAITS_ITS_TURN
        assert deployment["work_pool"]["name"] == "mainspring"
        assert deployment["work_pool"]["job_variables"]["command"] == "python -m prefect.engine"
        env = deployment["work_pool"]["job_variables"]["env"]
        assert env["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == "30"


def test_every_entrypoint_is_a_flow_of_that_name(on_disk: dict[str, dict[str, Any]]) -> None:
    for deployment in on_disk.values():
        file = ROOT / str(deployment["entrypoint"]).partition(":")[0]
        assert f'@flow(name="{flow_of(deployment)}"' in file.read_text()


def test_no_path_of_a_machine_is_in_the_file() -> None:
    text = deployments.text()
    assert str(ROOT) not in text
    assert str(Path.home()) not in text


def test_a_new_use_case_makes_the_file_out_of_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "configs"
    folder.mkdir()
    shipped = (ROOT / "configs" / "flights.yaml").read_text()
    (folder / "flights.yaml").write_text(shipped)
    monkeypatch.setenv("MAINSPRING_USE_CASES", str(folder))
    settings.cache_clear()
    try:
        assert not deployments.is_current()
        deployments.write()
        assert deployments.is_current()
        (folder / "trains.yaml").write_text(shipped.replace("name: flights", "name: trains", 1))
        assert not deployments.is_current()
        names = [d["name"] for d in deployments.document()["deployments"]]
        assert [names.count(n) for n in ("flights", "trains", "mainspring")] == [10, 10, 1]
    finally:
        settings.cache_clear()
