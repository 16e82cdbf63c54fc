"""The command `serve` under load: promotion, rollback, drain, and a killed worker's log."""

from __future__ import annotations

import json
import signal
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import polars as pl
import pytest

from configs.schema.loading import load_use_case
from configs.schema.request_table import derive_request_case
from tasks.ledger.log import open_ledger
from tasks.promotion.manual_promotion import promote_manually
from tasks.promotion.rollback import roll_back_by_hand
from tests.support.landing import ingest_landed, rows_of
from tests.support.served_case import served_case
from tests.support.served_process import running_server
from tests.support.small_case import SmallCase

ROW = {"parcel": "P1", "depot": "north", "weight": 8.5, "items": 3, "fragile": True}
PATH, GRACE = "/v1/models/parcels:predict", 2.0


@pytest.fixture
def case(tmp_path: Path) -> Iterator[SmallCase]:
    with served_case(tmp_path, log={"land_seconds": 1}) as parcels:
        yield parcels


class Load:
    """Clients that send requests until they are stopped, and what they got."""

    def __init__(self, url: str, clients: int) -> None:
        self.url, self.stopped = url, threading.Event()
        self.answers: list[tuple[float, int]] = []
        self.failures: list[str] = []
        self.threads = [threading.Thread(target=self.send) for _ in range(clients)]
        for thread in self.threads:
            thread.start()

    def send(self) -> None:
        with httpx.Client(base_url=self.url, timeout=30) as client:
            while not self.stopped.is_set():
                began = time.time()
                answer = client.post(PATH, json={"instances": [ROW]})
                if answer.is_success:
                    self.answers.append((began, answer.json()["predictions"][0]["model_version"]))
                else:
                    self.failures.append(answer.text)

    def stop(self) -> None:
        self.stopped.set()
        for thread in self.threads:
            thread.join()


def test_promotion_and_rollback_take_effect_in_all_workers_without_a_failure(case):
    ledger = open_ledger()
    with running_server("parcels", case.folder, "--workers", "2") as (process, url):
        load = Load(url, clients=8)
        time.sleep(1)
        promote_manually(ledger, case.use_case, 2, datetime.now(UTC), "test", "for a test")
        promoted = time.time()
        time.sleep(GRACE + 1)
        roll_back_by_hand(ledger, "parcels", datetime.now(UTC), "test", "for a test")
        restored = time.time()
        time.sleep(GRACE + 1)
        load.stop()
        metrics = httpx.get(f"{url}/metrics").text
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    assert load.failures == []
    versions = {
        "before": {v for at, v in load.answers if at < promoted - 0.1},
        "promoted": {v for at, v in load.answers if promoted + GRACE < at < restored - 0.1},
        "restored": {v for at, v in load.answers if at > restored + GRACE},
    }
    assert versions == {"before": {1}, "promoted": {2}, "restored": {1}}
    assert 'mainspring_predictions_total{arm="champion",version="2"}' in metrics
    assert logged_requests().height == len(load.answers)


def logged_requests() -> pl.DataFrame:
    """All rows that have landed, ingested: each once."""
    case = derive_request_case(load_use_case("parcels"))
    assert case is not None
    for _ in range(2):  # the second time there is nothing new
        verdicts = ingest_landed(case, datetime.now(UTC)).verdicts
    assert verdicts == []
    rows = rows_of(case, "raw/requests")
    assert not rows.select("request_id", "row").is_duplicated().any()
    return rows


def test_a_killed_server_loses_no_answered_request(case):
    with (
        running_server("parcels", case.folder) as (process, url),
        httpx.Client(base_url=url) as client,
    ):
        answered = []
        for _ in range(20):
            answer = client.post(PATH, json={"instances": [ROW, ROW]})
            answered.append(answer.json()["request_id"])
        process.kill()
        process.wait(60)
    with running_server("parcels", case.folder) as (_, url):
        assert httpx.post(f"{url}{PATH}", json={"instances": [ROW]}).is_success
    rows = logged_requests()
    assert rows.filter(pl.col("request_id").is_in(answered)).height == 40
    assert rows.height == 41


def test_requests_by_other_names_and_pages_are_refused(case):
    with running_server("parcels", case.folder) as (_, url):
        for headers in ({"Host": "evil.example"}, {"Origin": "https://evil.example"}):
            refused = httpx.post(f"{url}{PATH}", json={"instances": [ROW]}, headers=headers)
            assert refused.status_code == 403
        slow = socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])))
        slow.sendall(b"POST " + PATH.encode() + b" HTTP/1.1\r\nHost: localhost\r\n")
        assert httpx.post(f"{url}{PATH}", json={"instances": [ROW]}).is_success
        slow.close()


def test_the_client_of_sagemaker_and_the_tokens_of_writers(case, monkeypatch):
    import boto3

    tokens = {"SERVING_TOKEN": "a-token-of-readers", "SERVING_WRITE_TOKEN": "a-token-of-writers"}
    with running_server("parcels", case.folder) as (_, url):
        runtime = boto3.client(
            "sagemaker-runtime", endpoint_url=url, region_name="eu-west-1",
            aws_access_key_id="none", aws_secret_access_key="none",
        )  # fmt: skip
        answer = runtime.invoke_endpoint(
            EndpointName="parcels", ContentType="application/json",
            Body=json.dumps({"instances": [ROW]}),
        )  # fmt: skip
        assert json.loads(answer["Body"].read())["predictions"][0]["model_version"] == 1
    for name, token in tokens.items():
        monkeypatch.setenv(f"MAINSPRING_{name}", token)
    with running_server("parcels", case.folder) as (_, url):
        for path, least in ((PATH, "SERVING_TOKEN"), ("/feedback", "SERVING_WRITE_TOKEN")):
            found = {
                name: httpx.post(
                    f"{url}{path}", json={}, headers={"Authorization": f"Bearer {token}"}
                ).status_code
                for name, token in tokens.items()
            }
            assert httpx.post(f"{url}{path}", json={}).status_code == 401
            assert found["SERVING_WRITE_TOKEN"] in (400, 404)
            assert (found["SERVING_TOKEN"] == 401) == (least == "SERVING_WRITE_TOKEN")
