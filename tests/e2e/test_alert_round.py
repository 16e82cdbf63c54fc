"""Drift beyond its limit, through the real Prometheus and Alertmanager, to an episode and back."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import polars as pl
import pytest

from configs.schema.loading import load_use_case
from infra.servers.credentials import read_token, token_file
from tasks.ledger.evidence import EpisodeOpened, read_evidence
from tasks.ledger.keys import closing_key
from tasks.ledger.log import Entry, open_ledger
from tasks.monitoring.measurements import MONITORING_TABLE
from tasks.orchestration.events import MONITORING_EVENT
from tasks.overview.write import write_overview
from tasks.storage.lake import open_lake
from tests.support import overview_state
from tests.support.prefect_server import until
from tests.support.prometheus import run_prometheus
from tests.support.stack import run_stack
from tests.support.state import state

pytestmark = [pytest.mark.server, pytest.mark.timeout(400)]
NAME, RULE = "calm", "MainspringDriftBeyondLimit"


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Prefect, reports, Prometheus and Alertmanager, and a model without drift."""
    folder = tmp_path_factory.mktemp("state")
    with state(folder, {"MAINSPRING_USE_CASES": str(folder / "configs")}):
        overview_state.write_use_case(folder / "configs", NAME)
        overview_state.write_ledger(folder, [NAME])
        drift(0.5)
        with (
            run_stack(reports=True, deployed=False) as addresses,
            run_prometheus(
                tmp_path_factory.mktemp("prometheus"), addresses["Reports"], token_file()
            ) as others,
        ):
            yield addresses | others


def drift(share: float) -> None:
    """Write the measurements of a week in which every input has a share of its limit as PSI."""
    rows = overview_state.measured_weeks(NAME, 1)
    is_drift = pl.col("kind") == "drift"
    value = pl.when(is_drift).then(pl.col("threshold") * share).otherwise("value")
    window = (overview_state.FIRST, overview_state.FIRST + overview_state.WEEK)
    open_lake(NAME).replace_window(
        MONITORING_TABLE, rows.with_columns(value.alias("value")), "as_of", window,
        keys=("as_of", "kind", "subject"),
    )  # fmt: skip
    write_overview(load_use_case(NAME), None)


def episodes() -> list[Entry]:
    """The episodes that the drift rule opened."""
    opened = [e for e in open_ledger().entries(NAME) if e.what == "episode_opened"]
    return [e for e in opened if read_evidence(e, EpisodeOpened).subject.startswith(f"{RULE}/")]


def closings(episode: Entry) -> list[Entry]:
    return [e for e in open_ledger().entries(NAME) if e.key == closing_key(episode)]


def list_events(prefect: str) -> list[str]:
    """The status of each event of the drift rule that Prefect has."""
    query = {"filter": {"event": {"name": [MONITORING_EVENT]}}, "limit": 50}
    login = ("mainspring", read_token())
    answer = httpx.post(f"{prefect}/api/events/filter", json=query, auth=login)
    events = answer.raise_for_status().json()["events"]
    return sorted(e["payload"]["status"] for e in events if RULE in e["payload"]["episode"])


def test_drift_opens_one_episode_and_closes_it_when_it_is_over(servers: dict[str, str]) -> None:
    def query(expression: str) -> list[dict[str, object]]:
        asked = {"query": expression}
        answer = httpx.get(f"{servers['Prometheus']}/api/v1/query", params=asked)
        return list(answer.raise_for_status().json()["data"]["result"])

    until(lambda: query(f'mainspring_model_drift{{use_case="{NAME}"}}') or None, "scrape", 60)
    assert query('up{job="reports"} == 1')
    assert episodes() == []
    drift(1.5)
    (episode,) = until(lambda: episodes() or None, "episode", 90)
    shown = read_evidence(episode, EpisodeOpened)
    assert (shown.kind, shown.severity) == ("prometheus", "inform")
    assert "inputs of calm drift beyond their limits" in shown.message
    until(lambda: list_events(servers["Prefect"]) == ["opened"] or None, "event", 60)
    time.sleep(6)  # Alertmanager repeats what it sent every two seconds
    assert episodes() == [episode]
    assert closings(episode) == []
    drift(0.5)
    until(lambda: closings(episode) or None, "closing", 90)
    time.sleep(4)
    assert len(closings(episode)) == 1
    assert episodes() == [episode]
    assert open_ledger().entries(NAME)[-1].model == NAME
    until(
        lambda: list_events(servers["Prefect"]) == ["closed", "opened"] or None, "second event", 60
    )
    failed = query("increase(alertmanager_notifications_failed_total[5m]) > 0")
    assert failed == []


def test_a_failed_run_is_counted_and_every_target_is_up(servers: dict[str, str]) -> None:
    headers = {"authorization": f"Bearer {read_token()}"}
    api = f"{servers['Prefect']}/api"
    flow = httpx.post(f"{api}/flows/", json={"name": "score"}, headers=headers).json()["id"]
    run = {
        "flow_id": flow,
        "tags": ["mainspring", NAME, "score"],
        "state": {"type": "FAILED", "message": "a test"},
    }
    httpx.post(f"{api}/flow_runs/", json=run, headers=headers).raise_for_status()

    def is_counted() -> bool:
        text = httpx.get(f"{servers['Reports']}/metrics", headers=headers).text
        assert "mainspring_prefect_reachable 1.0" in text
        return f'mainspring_failed_runs{{flow="score",use_case="{NAME}"}} 1.0' in text

    until(lambda: is_counted() or None, "failed run", 30)
