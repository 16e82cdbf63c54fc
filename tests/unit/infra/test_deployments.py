from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from configs.errors import BadConfig
from configs.settings import ROOT, settings
from infra import automations, deployments
from tasks.orchestration import events

WAITS_ITS_TURN = {"limit": 1, "collision_strategy": "ENQUEUE"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of use cases with the flights, and the prefect.yaml that they ask for."""
    made = tmp_path / "configs"
    made.mkdir()
    (made / "flights.yaml").write_text((ROOT / "configs" / "flights.yaml").read_text())
    monkeypatch.setenv("MAINSPRING_USE_CASES", str(made))
    settings.cache_clear()
    deployments.write_deployments()
    yield made
    settings.cache_clear()


def add_trains(folder: Path) -> Path:
    """A second use case that begins to run."""
    path = folder / "trains.yaml"
    shipped = (folder / "flights.yaml").read_text()
    path.write_text(shipped.replace("name: flights", "name: trains", 1))
    deployments.write_deployments()
    return path


@pytest.fixture
def on_disk() -> dict[str, dict[str, Any]]:
    """The deployments of the prefect.yaml that ships, by flow/use case."""
    content = yaml.safe_load((ROOT / "prefect.yaml").read_text())
    return {
        f"{flow_of(d)}/{d.get('parameters', {}).get('use_case', d['name'])}": d
        for d in content["deployments"]
    }


def flow_of(deployment: dict[str, Any]) -> str:
    return str(deployment["entrypoint"]).rpartition(":")[2]


def test_the_file_is_what_the_use_cases_ask_for() -> None:
    assert (ROOT / "prefect.yaml").read_text() == deployments.render_deployments()


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
        "verify/flights": ["45 1 * * *"],
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
        "verify/visits": ["45 1 * * *"],
        "report_failed_automation/mainspring-report_failed_automation": [
            "Mainspring: report failed automations"
        ],
    }
    crons = [s for d in on_disk.values() for s in d.get("schedules", [])]
    assert {(s["timezone"], s["active"]) for s in crons} == {("UTC", True)}


@pytest.mark.parametrize(
    ("flow", "event", "asked"),
    [
        ("retrain", events.ALERT_EVENT, "alert"),
        ("promote", events.CANDIDATE_EVENT, "version"),
        ("rollback", events.ROLLBACK_EVENT, "promotion"),
    ],
)
def test_what_is_asked_starts_one_run_of_what_answers_it(
    on_disk: dict[str, dict[str, Any]], flow: str, event: str, asked: str
) -> None:
    (trigger,) = on_disk[f"{flow}/flights"]["triggers"]
    assert trigger.pop("description").startswith("When ")
    assert [trigger] == [
        {
            "name": f"flights: {event.removeprefix('mainspring.')} starts {flow}",
            "expect": [event],
            "match": {"prefect.resource.id": events.event_resource("flights")},
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
    (trigger,) = on_disk["report_failed_automation/mainspring-report_failed_automation"]["triggers"]
    assert trigger["expect"] == ["prefect.automation.action.failed"]
    assert trigger["match"] == {
        "prefect.resource.id": "prefect.automation.*",
        "prefect.resource.name": "!Mainspring: *",
    }
    assert trigger["name"].startswith("Mainspring: ")
    assert automations.CRASHED_RUNS.startswith("Mainspring: ")


def test_how_and_where_the_runs_of_a_use_case_go(on_disk: dict[str, dict[str, Any]]) -> None:
    for name, deployment in on_disk.items():
        if name != "report_failed_automation/mainspring-report_failed_automation":
            use_case = name.partition("/")[2]
            assert deployment["parameters"] == {"use_case": use_case}
            assert deployment["name"] == f"{use_case}-{flow_of(deployment)}"
            assert deployment["tags"] == ["mainspring", use_case, flow_of(deployment)]
            assert deployment["concurrency_limit"] == WAITS_ITS_TURN
            assert deployment["work_pool"]["work_queue_name"] == use_case
        assert deployment["work_pool"]["name"] == "mainspring"  # infra/pools has the command
        assert len(deployment["description"]) > 40


def test_every_entrypoint_is_a_flow_of_that_name(on_disk: dict[str, dict[str, Any]]) -> None:
    for deployment in on_disk.values():
        file = ROOT / str(deployment["entrypoint"]).partition(":")[0]
        assert f'@flow(name="{flow_of(deployment)}"' in file.read_text()


def test_no_path_of_a_machine_is_in_the_file() -> None:
    text = deployments.render_deployments()
    assert str(ROOT) not in text
    assert str(Path.home()) not in text


def test_a_new_use_case_makes_the_file_out_of_date(folder: Path) -> None:
    assert deployments.deployments_are_current()
    shipped = (folder / "flights.yaml").read_text()
    (folder / "trains.yaml").write_text(shipped.replace("name: flights", "name: trains", 1))
    assert not deployments.deployments_are_current()
    queues = [
        d["work_pool"].get("work_queue_name")
        for d in deployments.build_deployments()["deployments"]
    ]
    assert [queues.count(n) for n in ("flights", "trains", None)] == [11, 11, 1]


def test_deployments_of_an_invalid_use_case_stay_unchanged(folder: Path) -> None:
    trains = add_trains(folder)
    before = deployments.deployments_path().read_text()
    trains.write_text("name: trains\n")
    assert deployments.deployments_are_current()
    deployments.write_deployments()
    assert deployments.deployments_path().read_text() == before


def test_the_others_change_beside_one_that_broke(folder: Path) -> None:
    trains = add_trains(folder)
    before = deployments.deployments_path().read_text()
    trains.write_text("name: [")
    (folder / "buses.yaml").write_text("title: never whole\n")
    flights = folder / "flights.yaml"
    flights.write_text(flights.read_text().replace('score: "20 * * * *"', 'score: "25 * * * *"'))
    assert not deployments.deployments_are_current()
    deployments.write_deployments()
    assert deployments.deployments_path().read_text() == before.replace(
        "20 * * * *", "25 * * * *", 1
    )


def test_a_use_case_whose_file_was_removed_goes(folder: Path) -> None:
    only_flights = deployments.deployments_path().read_text()
    add_trains(folder).unlink()
    deployments.write_deployments()
    assert deployments.deployments_path().read_text() == only_flights


@pytest.mark.parametrize(
    ("content", "said"), [("<<<<<<< HEAD\n", "`deployments` not found"), ("a: [", "not readable")]
)
def test_what_cannot_be_kept_is_not_dropped(folder: Path, content: str, said: str) -> None:
    add_trains(folder).write_text("name: trains\n")
    deployments.deployments_path().write_text(content)
    with pytest.raises(BadConfig, match=rf"prefect\.yaml: {said}"):
        deployments.write_deployments()
    assert deployments.deployments_path().read_text() == content
