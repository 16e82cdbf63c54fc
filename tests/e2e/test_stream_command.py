"""The command `stream` under load: kill -9 of consumers and of the broker, and a clean stop."""

from __future__ import annotations

import json
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import polars as pl
import pytest
from redis.exceptions import RedisError

from configs.schema.loading import load_use_case
from configs.schema.request_table import derive_request_case
from tests.support.events import connect, read_answers, read_rejected, send_events
from tests.support.landing import ingest_landed, rows_of
from tests.support.prefect_server import until
from tests.support.programs import free_port
from tests.support.redis import RedisServer, serve_redis
from tests.support.served_case import served_case
from tests.support.small_case import SmallCase
from tests.support.streamed_process import running_stream

pytestmark = pytest.mark.system
ROW = {"parcel": "P1", "depot": "north", "weight": 8.5, "items": 3, "fragile": True}
STREAM = {"rows": 40, "milliseconds": 5, "claim_seconds": 0.5, "deliveries": 50}


@pytest.fixture
def kept_redis(tmp_path: Path) -> Iterator[RedisServer]:
    folder = tmp_path / "redis"
    folder.mkdir()
    with serve_redis(folder) as server:
        yield server


@pytest.fixture
def case(tmp_path: Path) -> Iterator[SmallCase]:
    with served_case(tmp_path / "case", log={"land_seconds": 1}) as parcels:
        parcels.rewrite({"stream": STREAM})
        yield parcels


def send_steadily(client, stop: threading.Event, sent: list[str]) -> None:
    """Send events until it is stopped; one that may have failed is sent again under its name."""
    number = 0
    while not stop.is_set():
        rows = [{**ROW, "parcel": f"P{number + each}"} for each in range(10)]
        try:
            send_events(client, rows)
        except RedisError:
            time.sleep(0.1)
            continue
        sent += [row["parcel"] for row in rows]
        number += len(rows)
        time.sleep(0.02)


def assert_answered_once(client) -> list[dict]:
    """Every event of the stream has one answer; return the answers."""
    ids = [identifier.decode() for identifier, _ in client.xrange("parcels.events")]
    until(lambda: len(read_answers(client)) >= len(ids) or None, "answers", seconds=60)
    answers = read_answers(client)
    assert Counter(each["id"] for each in answers) == Counter(ids)
    assert read_rejected(client) == {}
    return answers


def test_killed_consumers_and_brokers_lose_no_event_and_answer_none_twice(case, kept_redis):
    url, draw, stop, sent = kept_redis.database(), random.Random(7), threading.Event(), []
    client = connect(url)
    sender = threading.Thread(target=send_steadily, args=(connect(url), stop, sent))
    with running_stream("parcels", case.folder, url):  # one stays, one is killed again and again
        until(lambda: client.exists("parcels.events") or None, "consumer", seconds=120)
        sender.start()
        until(lambda: client.exists("parcels.predictions") or None, "answers", seconds=60)
        for round_ in range(4):
            with running_stream("parcels", case.folder, url) as killed:
                until(lambda: client.xlen("parcels.events") > 0 or None, "events", seconds=60)
                time.sleep(3 + 4 * draw.random())
                killed.kill()
                killed.wait(30)
            if round_ in (1, 3):
                kept_redis.stop()
                time.sleep(draw.random())
                kept_redis.start()
        stop.set()
        sender.join()
        answers = assert_answered_once(client)
    by_parcel: dict[str, set[tuple]] = {}
    for each in answers:
        content = (each["probability"], each["decision"], each["model_version"])
        by_parcel.setdefault(each["key"]["parcel"], set()).add(content)
    assert set(sent) <= set(by_parcel)
    assert all(len(content) == 1 for content in by_parcel.values())
    with running_stream("parcels", case.folder, url) as last:  # lands what the killed ones logged
        time.sleep(8)
        last.send_signal(signal.SIGTERM)
        assert last.wait(60) == 0
    assert_logged(answers)


def assert_logged(answers: list[dict]) -> None:
    """Every answer is in the table `requests`, once."""
    case = derive_request_case(load_use_case("parcels"))
    assert case is not None
    ingest_landed(case, datetime.now(UTC))
    rows = rows_of(case, "raw/requests").with_columns(
        pl.col("keys").map_elements(lambda text: json.loads(text)["parcel"], pl.String)
    )
    assert not rows.select("request_id", "row").is_duplicated().any()
    assert {each["key"]["parcel"] for each in answers} <= set(rows["keys"])
    assert rows.height == len(answers)


def test_sigterm_ends_the_batch_and_leaves_nothing_pending(case, kept_redis):
    url, port = kept_redis.database(), free_port()
    client = connect(url)
    with running_stream("parcels", case.folder, url, "--metrics-port", str(port)) as process:
        send_events(client, [ROW] * 2000)
        until(lambda: client.exists("parcels.predictions") or None, "answers", seconds=120)
        text = httpx.get(f"http://127.0.0.1:{port}/metrics").text
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        answered = client.xlen("parcels.predictions")
        pending = client.xpending("parcels.events", "mainspring")["pending"]
    assert "mainspring_stream_waiting" in text
    assert (pending, answered > 0) == (0, True)
    with running_stream("parcels", case.folder, url):
        assert_answered_once(client)
