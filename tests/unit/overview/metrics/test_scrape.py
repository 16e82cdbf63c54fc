"""The text of a scrape: all known models, the broken ones too, and Prefect's failed runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tasks.overview import write
from tasks.overview.metrics.gauges import GaugeValue
from tasks.overview.metrics.scrape import ReportsMetrics
from tasks.overview.summary import build_broken_summary, write_summary
from tests.support.hostile_texts import HOSTILE_TEXTS
from tests.support.overview_state import FIRST

NOW = datetime(2026, 11, 28, tzinfo=UTC)


def scrape() -> dict[str, dict[tuple[str, ...], float]]:
    """The values of each metric by its labels."""
    text = ReportsMetrics().render(NOW).decode()
    return {
        family.name: {_label_values(one.labels): one.value for one in family.samples}
        for family in text_string_to_metric_families(text)
    }


def _label_values(labels: dict[str, str]) -> tuple[str, ...]:
    """The values by name of their label, backwards: the use case comes first."""
    return tuple(labels[name] for name in sorted(labels, reverse=True))


@pytest.fixture(autouse=True)
def no_prefect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)


def test_a_scrape_has_every_model_of_the_yaml_files_and_no_other(site: Path) -> None:
    write.write_all_overviews(None)
    write_summary(build_broken_summary("gone", "A use case without YAML", "?", FIRST))
    states = scrape()["mainspring_model_state"]
    assert {key[0] for key in states} == {"calm", "sore"}
    assert set(scrape()["mainspring_model_champion_version"]) == {("calm",), ("sore",)}
    assert "mainspring_failed_runs" not in scrape()
    (site / "_overview" / "gone.json").unlink()


def test_any_text_is_a_label(site: Path) -> None:
    write.write_all_overviews(None)
    from tasks.overview.summary import read_summary

    calm = read_summary("calm")
    assert calm is not None
    drifts = [
        GaugeValue(name="model_drift", value=place, labels={"input": text})
        for place, text in enumerate(HOSTILE_TEXTS)
    ]
    newer = GaugeValue(name="of_a_newer_version", value=1)
    write_summary(calm.model_copy(update={"gauges": (*drifts, newer)}))
    shown = scrape()["mainspring_model_drift"]
    assert {key[1]: value for key, value in shown.items() if key[0] == "calm"} == {
        text: place for place, text in enumerate(HOSTILE_TEXTS)
    }
    write.write_all_overviews(None)


@pytest.fixture
def prefect(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """Runs that a server lists, and what it was asked."""
    runs: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = json.loads(self.rfile.read(int(self.headers["content-length"])))
            page = runs[query["offset"] : query["offset"] + query["limit"]]
            status = 200 if self.headers["authorization"].startswith("Basic ") else 401
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(page).encode())

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{server.server_port}/api/")
        monkeypatch.setenv("PREFECT_API_AUTH_STRING", "mainspring:token:with:colons")
        yield runs
        server.shutdown()


def test_failed_runs_are_counted_by_use_case_and_flow(site: Path, prefect: Any) -> None:
    tags = (["mainspring", "calm", "score"], ["score", "sore", "mainspring", "calm-tag"])
    prefect += [{"tags": tags[place % 2]} for place in range(450)]
    prefect += [{"tags": ["mainspring", "unknown", "score"]}, {"tags": ["mainspring"]}]
    shown = scrape()
    assert shown["mainspring_failed_runs"] == {("calm", "score"): 225, ("sore", "score"): 225}
    assert shown["mainspring_prefect_reachable"] == {(): 1}


def test_a_server_that_refuses_or_is_gone_is_not_reachable(
    site: Path, prefect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("AUTH_STRING", ""), ("URL", "http://127.0.0.1:1/api")):
        monkeypatch.setenv(f"PREFECT_API_{name}", value)
        monkeypatch.setenv("PREFECT_API_KEY", "a key")
        shown = scrape()
        assert shown["mainspring_prefect_reachable"] == {(): 0}
        assert "mainspring_failed_runs" not in shown
        assert shown["mainspring_model_state"]
