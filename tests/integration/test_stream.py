"""Streaming prediction in this process: equal to batch scoring, poison, and what is away."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest

from configs.schema.serving import RequestLog, Stream
from tasks.features.online_read import OnlineReader
from tasks.features.retrieval import build_spine
from tasks.serving import request_log
from tasks.serving.predictor import predict_request
from tasks.serving.request_log import RequestLogger
from tasks.serving.service import PredictionService
from tasks.streaming.broker import name_streams
from tasks.streaming.consumer import StreamConsumer
from tasks.streaming.metrics import StreamMetrics
from tasks.streaming.predict_events import EventPredictor
from tasks.streaming.redis_broker import RedisBroker
from tests.support.events import connect, read_answers, read_rejected, send_events
from tests.support.parcel_rows import APRIL, DAY
from tests.support.prefect_server import until
from tests.support.served_case import NOW, served_case
from tests.support.served_rows import as_json_rows, as_request_columns

pytestmark = pytest.mark.system
ROW = {"parcel": "P1", "depot": "north", "weight": 8.5, "items": 3, "fragile": True}
PLAN = Stream(rows=50, milliseconds=1, claim_seconds=0.2)


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory):
    with served_case(tmp_path_factory.mktemp("streamed"), log={"land_seconds": 1}) as parcels:
        yield parcels


@pytest.fixture
def url(redis):
    return redis.database()


@contextmanager
def consuming(case, url, log=None) -> Iterator[tuple[PredictionService, StreamMetrics]]:
    metrics, stop = StreamMetrics(), threading.Event()
    names = name_streams(case.use_case, PLAN)
    logger = RequestLogger(case.use_case, log, metrics.log_errors.inc) if log else None
    service = PredictionService(case.use_case, lambda: NOW, metrics, logger)
    broker = RedisBroker(url, names, PLAN)
    predictor = EventPredictor(service, names.events, PLAN.deliveries)
    consumer = StreamConsumer(service, predictor, broker, metrics, lambda: NOW)
    thread = threading.Thread(target=consumer.run, args=(stop,))
    thread.start()
    try:
        yield service, metrics
    finally:
        stop.set()
        thread.join(30)
        service.close()
        broker.close()


def wait_for(client, answers=0, rejected=0):
    until(
        lambda: (
            len(read_answers(client)) >= answers and len(read_rejected(client)) >= rejected
        ) or None,
        "answers", seconds=30,
    )  # fmt: skip


def test_answers_are_those_of_the_predictor_on_the_same_rows(case, url):
    client = connect(url)
    rows = build_spine(case.use_case, APRIL, NOW, NOW)
    with consuming(case, url) as (service, metrics):
        until(lambda: service.keeper.served, "route", seconds=60)
        served = service.keeper.served
        assert served is not None
        ids = send_events(client, as_json_rows(served, rows))
        wait_for(client, len(ids))
        columns = as_request_columns(served, rows)
        reader = OnlineReader(case.use_case)
        expected = predict_request(case.use_case, served, columns, NOW, reader)
    answers = {each["id"]: each for each in read_answers(client)}
    assert list(answers) == ids
    for (used, place), each in zip(expected.used, answers.values(), strict=True):
        assert each["probability"] == pytest.approx(used.values[place], abs=1e-6)
        assert each["decision"] == used.decisions[place]
        assert (each["model_version"], each["arm"]) == (1, "champion")
        assert each["key"] == {"parcel": rows["parcel"][place]}
    assert metrics.events.labels("answered")._value.get() == len(ids)


POISON = {
    b"": "truncated",
    b"nonsense": "malformed",
    b"[1, 2": "object",
    b"\xff\xfe": "malformed",
    b'{"depot": "north"}': "missing required field",
    b"[]": "object",
    json.dumps({**ROW, "other": 1}).encode(): "unknown field",
    json.dumps({**ROW, "weight": "heavy"}).encode(): "weight",
    json.dumps({**ROW, "parcel": None}).encode(): "parcel",
    json.dumps({**ROW, "sent": "0001-01-01T00:00:00Z"}).encode(): "sent",
    b'{"parcel":' * 5000: "",
}


def test_poison_is_rejected_with_a_reason_and_stops_no_other_event(case, url):
    client = connect(url)
    good = {"id": ROW}
    events = [event for poison in POISON for event in (poison, good["id"])]
    ids = send_events(client, events)
    with consuming(case, url):
        wait_for(client, len(POISON), len(POISON))
    rejected = read_rejected(client)
    assert list(rejected) == ids[::2]
    for reason, expected in zip(rejected.values(), POISON.values(), strict=True):
        assert reason
        assert expected in reason.lower()
    assert [each["id"] for each in read_answers(client)] == ids[1::2]


def test_events_without_the_row_field_are_rejected(case, url):
    client = connect(url)
    client.xadd("parcels.events", {"value": "1"})
    with consuming(case, url):
        wait_for(client, rejected=1)


def test_no_answer_leaves_that_the_log_does_not_have(case, url, monkeypatch):
    client, log = connect(url), RequestLog(land_seconds=1)
    broken = threading.Event()
    write = RequestLogger.write

    def fail_once(self, request):
        if not broken.is_set():
            broken.set()
            raise OSError(28, "No space left on device")
        write(self, request)

    monkeypatch.setattr(RequestLogger, "write", fail_once)
    ids = send_events(client, [ROW] * 5)
    with consuming(case, url, log):
        assert broken.wait(60)
        assert read_answers(client) == []
        wait_for(client, 5)
    folder = Path(request_log.settings().landing)
    rows = pl.concat(
        pl.read_parquet(each) for each in folder.rglob("parcels_requests/**/*.parquet")
    )
    assert rows.height == len(ids) == rows["request_id"].n_unique()
    assert rows["row"].to_list() == [0] * 5


def test_a_promotion_holds_for_the_next_events(case, url):
    from tasks.ledger.log import open_ledger
    from tasks.promotion.manual_promotion import promote_manually
    from tasks.promotion.rollback import roll_back_by_hand

    client = connect(url)
    with consuming(case, url) as (service, _):
        send_events(client, [ROW])
        wait_for(client, 1)
        promote_manually(open_ledger(), case.use_case, 2, NOW - DAY / 24, "test", "for a test")
        until(
            lambda: (service.keeper.served and service.keeper.served.route.champion == 2) or None,
            "promotion", seconds=10,
        )  # fmt: skip
        send_events(client, [ROW])
        wait_for(client, 2)
        roll_back_by_hand(open_ledger(), "parcels", NOW, "test", "for a test")
    assert [each["model_version"] for each in read_answers(client)] == [1, 2]
