"""The reports server: metrics and alerts behind the guard, beside the files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from infra.servers.credentials import read_token
from tasks.ledger.log import Ledger, open_ledger
from tasks.overview import server


@pytest.fixture
def client(site: Path, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    site.mkdir(exist_ok=True)
    (site / "page.html").write_text("a page")
    return TestClient(server.create_reports_app(), base_url="http://127.0.0.1:4300")


def signed() -> dict[str, str]:
    return {"authorization": f"Bearer {read_token()}"}


def message(*names: str, status: str = "firing") -> bytes:
    alerts = [
        {"status": status, "labels": {"alertname": "A", "use_case": name}, "fingerprint": "1",
         "startsAt": "2026-11-28T00:00:00Z"}
        for name in names
    ]  # fmt: skip
    return json.dumps({"alerts": alerts}).encode()


def test_metrics_and_files_need_the_token(client: TestClient) -> None:
    for path in ("/metrics", "/page.html"):
        assert client.get(path, headers={"accept": "*/*"}).status_code == 401
        assert client.get(path, headers=signed()).status_code == 200
    shown = client.get("/metrics", headers=signed())
    assert shown.headers["content-type"].startswith("text/plain; version=")
    assert "mainspring_alerts_received_total" in shown.text
    assert client.get("/health").text == "ok"


def test_alerts_are_recorded_and_published(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    published: list[str] = []
    monkeypatch.setattr(
        server, "publish_alert_episodes", lambda entries: published.extend(e.key for e in entries)
    )
    answer = client.post("/alerts", content=message("calm", "other"), headers=signed())
    assert answer.status_code == 422
    assert (len(answer.json()["recorded"]), answer.json()["known"]) == (1, 0)
    assert "use_case" in answer.json()["refused"][0]
    assert published == answer.json()["recorded"]
    again = client.post("/alerts", content=message("calm"), headers=signed())
    assert (again.status_code, again.json()["known"]) == (200, 1)
    closed = client.post("/alerts", content=message("calm", status="resolved"), headers=signed())
    assert closed.json()["recorded"] == [f"closed:{published[0]}"]
    text = client.get("/metrics", headers=signed()).text
    assert 'mainspring_alerts_received_total{outcome="recorded"} 2.0' in text
    assert 'mainspring_alerts_received_total{outcome="refused"} 1.0' in text


def test_a_cookie_posts_no_alert(client: TestClient) -> None:
    assert client.post("/sign-in", content=read_token()).status_code == 204
    assert client.get("/page.html").status_code == 200
    assert client.post("/alerts", content=message("calm")).status_code == 401


@pytest.mark.parametrize(
    ("content", "status"), [(b"no json", 422), (b"x" * 2_000_001, 413), (b"", 422)]
)
def test_a_bad_message_is_refused_and_counted(
    client: TestClient, content: bytes, status: int
) -> None:
    answer = client.post("/alerts", content=content, headers=signed())
    assert answer.status_code == status
    assert answer.json()["error"]
    text = client.get("/metrics", headers=signed()).text
    assert 'mainspring_alerts_received_total{outcome="refused"} 1.0' in text


def test_a_ledger_that_is_gone_lets_alertmanager_send_again(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = Ledger("postgresql+psycopg://mainspring@127.0.0.1:1/ledger")
    monkeypatch.setattr(server, "open_ledger", lambda: gone)
    answer = client.post("/alerts", content=message("calm"), headers=signed())
    assert answer.status_code == 503
    assert "127.0.0.1" in answer.json()["error"]


def test_a_failed_event_or_page_loses_no_other(
    site: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from tasks.orchestration import events
    from tasks.overview import write

    written: list[str] = []

    def fail(*_: object) -> None:
        raise RuntimeError("no")

    def write_or_fail(use_case: object, _: object) -> None:
        written.append(use_case.name)  # type: ignore[attr-defined]
        fail()

    monkeypatch.setattr(events, "announce_monitoring_alert", fail)
    monkeypatch.setattr(write, "write_overview", write_or_fail)
    entries = [open_ledger().entries(name)[0] for name in ("calm", "sore")]
    server.publish_alert_episodes(entries)
    assert sorted(written) == ["calm", "sore"]
    assert len(caplog.records) == 4
