"""The loop on PostgreSQL, Redis and S3 by settings alone; test_automations.py has its long form."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
from mlflow import MlflowClient
from typer.testing import CliRunner

from configs.schema.use_case import UseCase
from configs.settings import settings
from flows.cli.app import app
from infra.processes import read_processes
from infra.servers.credentials import read_token
from tasks.ledger.log import Entry, open_ledger
from tasks.ledger.projections import find_champion
from tasks.storage.lake import open_lake
from tests.support import postgres
from tests.support.postgres import Postgres
from tests.support.prefect_server import LATER, NAME, entry_of, on_servers, run_servers, until
from tests.support.redis import RedisServer
from tests.support.s3 import S3

pytestmark = [pytest.mark.server, pytest.mark.timeout(900)]
WINDOW = timedelta(days=2)


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, postgres: Postgres, redis: RedisServer, s3_server: S3
) -> Iterator[UseCase]:
    home = tmp_path_factory.mktemp("servers")
    with run_servers(home, on_servers(postgres, redis, s3_server), mlflow=True) as use_case:
        yield use_case


@pytest.fixture(scope="module")
def promoted(server: UseCase) -> Entry:
    """Who was promoted, by automations, in answer to an alert."""
    from tasks.orchestration.events import request_next_step

    alert = open_ledger().record(Entry(NAME, "alert_raised", "alert:first", LATER, "test"))[0]
    for _ in range(3):
        request_next_step(alert)
    answer = until(lambda: entry_of(f"candidate:{alert.key}"), "a candidate")
    return until(lambda: entry_of(f"decision:{answer.version}"), "a decision")


def test_an_alert_is_answered_promoted_scored_and_published(promoted: Entry) -> None:
    from prefect.deployments import run_deployment

    assert promoted.what == "promoted"
    asked = {"as_of": (LATER + WINDOW).isoformat(), "window": "2d"}
    scored = run_deployment(f"score/{NAME}-score", parameters=asked, timeout=120)
    assert scored.state is not None
    assert scored.state.is_completed()
    predictions = open_lake(NAME).scan("predictions").collect()
    assert predictions.height > 0
    assert set(predictions["model_version"]) == {promoted.version}
    when = {"as_of": LATER.isoformat()}
    materialized = run_deployment(f"materialize/{NAME}-materialize", parameters=when, timeout=120)
    assert materialized.state is not None
    assert materialized.state.message == "6 views, stale: none"


def test_command_runs_a_flow_waits_and_prints_its_message_and_links(promoted: Entry) -> None:
    words = ["run", "materialize", NAME, "--as-of", f"{LATER:%Y-%m-%dT%H:%M:%S}"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert "6 views, stale: none" in done.output
    assert "/runs/flow-run/" in done.output
    wrong = CliRunner().invoke(app, ["run", "score", NAME, "-p", "window=week"])
    assert wrong.exit_code == 1
    assert wrong.output.startswith("Error: ")


def test_mlflow_on_postgresql_serves_what_the_ledger_says(
    promoted: Entry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", read_token())
    reigning = find_champion(open_ledger().entries(NAME))
    assert reigning is not None
    client = MlflowClient(settings().mlflow_url, settings().mlflow_url)
    seen = until(lambda: _alias(client), "the alias")
    assert seen == reigning.version


def test_nothing_is_left_on_this_machine_and_no_password_is_told(promoted: Entry) -> None:
    state = settings().state
    assert [path.name for path in state.rglob("*.db")] == []
    assert not {"lake", "landing", "reports", "mlflow"} & {path.name for path in state.iterdir()}
    secrets = [postgres.PASSWORD, postgres.WRITTEN, read_token()]
    logs = {path: path.read_text() for path in (state / "logs").iterdir()}
    logs[state] = (state / "processes.json").read_text()
    for process in read_processes(state / "processes.json"):
        family = [
            psutil.Process(process.pid),
            *psutil.Process(process.pid).children(recursive=True),
        ]
        logs[Path(process.name)] = json.dumps([one.cmdline() for one in family])
    assert len(logs) >= 7
    for place, text in logs.items():
        assert not [secret for secret in secrets if secret in text], place


def _alias(client: MlflowClient) -> int | None:
    from mlflow.exceptions import MlflowException

    try:
        return int(client.get_model_version_by_alias(NAME, "champion").version)
    except MlflowException:
        return None
