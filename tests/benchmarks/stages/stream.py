"""Events of one row, all inputs given, from a Redis of the benchmark's own to answers in it."""

from __future__ import annotations

import atexit
import multiprocessing
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import numpy as np
import polars as pl

from tests.benchmarks import years
from tests.benchmarks.stages.model import inputs_of
from tests.benchmarks.work import Answer, Work, keep_metrics_apart

MOST = 20_000  # events
WANTED = 5_000  # events a second
_LATEST = 0.1  # p99 of half of that load, in seconds
_EVENTS, _ANSWERS, _REJECTED, _GROUP = "bench.events", "bench.answers", "bench.rejected", "bench"


def ours(rows: int) -> Work:
    """The consumer without a request log."""
    return _consume(rows, {})


def logged(rows: int) -> Work:
    """The consumer with every event in the log."""
    return _consume(rows, {"log": {}})


def paced(rows: int) -> Work:
    """The time in which as many events must be answered: a wait, and no work."""
    count = min(rows, MOST)

    def work() -> Answer:
        time.sleep(count / WANTED)
        return Answer(count)

    return work


def bare(rows: int) -> Work:
    """A loop of redis-py, msgspec and ONNX Runtime that answers and acknowledges each batch."""
    from redis import Redis

    from tasks.models.one_file.export import export_one_file
    from tasks.models.onnx_session import start_session
    from tasks.models.registry import open_model

    model = open_model(years.NAME, 1)
    session, inputs = start_session(export_one_file(model, "blocks").onnx), model.card.inputs
    url, count = _fill(_list_events(rows))
    client: Any = Redis.from_url(url, protocol=2)
    client.xgroup_create(_EVENTS, _GROUP, id="0")

    def work() -> Answer:
        total, done = 0.0, 0
        while done < count:
            ((_, entries),) = client.xreadgroup(_GROUP, "one", {_EVENTS: ">"}, count=500, block=500)
            batch = [msgspec.json.decode(fields[b"row"]) for _, fields in entries]
            numbers = np.array(
                [[row[name] for name in inputs.numeric] for row in batch], dtype=np.float32
            )
            texts = np.array(
                [[row[name] for name in inputs.categorical] for row in batch], dtype=object
            )
            values, decisions = session.run(None, {"numeric": numbers, "categorical": texts})
            with client.pipeline(transaction=True) as pipeline:
                for (identifier, _), value, decision in zip(
                    entries, values[:, 0], decisions[:, 0], strict=True
                ):
                    answer = {"probability": float(value), "decision": bool(decision)}
                    content = {"id": identifier, "answer": msgspec.json.encode(answer)}
                    pipeline.xadd(_ANSWERS, content)
                pipeline.xack(_EVENTS, _GROUP, *(identifier for identifier, _ in entries))
                pipeline.execute()
            total += float(values[:, 0].sum())
            done += len(entries)
        return Answer(done, total / done)

    return work


def half_load(rows: int) -> Work:
    """Half of the wanted load from another process; an error if the p99 is above 100 ms."""
    events = _list_events(rows)
    url, _ = _fill([])
    consumer = _Consumer(url, {})

    def work() -> Answer:
        sender = multiprocessing.get_context("fork").Process(
            target=_send_evenly, args=(url, events)
        )
        sender.start()
        total = sum(consumer.answer_batches(len(events)))
        sender.join()
        p99 = float(np.percentile(_list_waits(url), 99)) / 1000
        sys.stderr.write(f"p99 at {WANTED // 2:,} events a second: {p99 * 1000:.0f} ms\n")
        if p99 > _LATEST:
            raise RuntimeError(f"p99 of an event is {p99:.3f} s, more than {_LATEST} s")
        return Answer(len(events), total / len(events))

    return work


class _Consumer:
    """Our consumer, batch by batch, with the champion of the benchmark."""

    def __init__(self, url: str, serving: dict[str, Any]) -> None:
        keep_metrics_apart()
        from configs.schema.loading import load_use_case
        from configs.schema.serving import Serving, Stream
        from tasks.ledger.log import Entry, open_ledger
        from tasks.serving.request_log import RequestLogger
        from tasks.serving.service import PredictionService
        from tasks.streaming.broker import StreamNames
        from tasks.streaming.metrics import StreamMetrics
        from tasks.streaming.predict_events import EventPredictor
        from tasks.streaming.redis_broker import RedisBroker

        self._now = datetime.now(UTC)
        at = self._now - timedelta(days=1)
        open_ledger().record(Entry(years.NAME, "promoted", "decision:1", at, "bench", 1))
        case, plan_of_serving = load_use_case(years.NAME), Serving.model_validate(serving)
        case = case.model_copy(update={"serving": plan_of_serving})
        metrics, log = StreamMetrics(), plan_of_serving.log
        logger = RequestLogger(case, log, metrics.log_errors.inc) if log else None
        self._service = PredictionService(case, lambda: self._now, metrics, logger)
        self._service.refresh()
        plan = Stream(group=_GROUP)
        self._broker = RedisBroker(url, StreamNames(_EVENTS, _ANSWERS, _REJECTED), plan)
        self._predictor = EventPredictor(self._service, _EVENTS, plan.deliveries)

    def answer_batches(self, count: int) -> Iterator[float]:
        """Answer so many events; yield the sum of the probabilities of each batch."""
        served, done = self._service.require_served(), 0
        while done < count:
            results = self._predictor.predict(self._broker.read(), served, self._now)
            done += self._broker.publish(results) if results else 0
            yield sum(_read_probability(each.answer) for each in results)


def _consume(rows: int, serving: dict[str, Any]) -> Work:
    url, count = _fill(_list_events(rows))
    consumer = _Consumer(url, serving)

    def work() -> Answer:
        return Answer(count, sum(consumer.answer_batches(count)) / count)

    return work


def _read_probability(answer: bytes | None) -> float:
    if answer is None:
        raise RuntimeError("an event was rejected")
    place = answer.find(b'"probability":') + 14
    return float(answer[place:].split(b",", 1)[0])


def _list_events(rows: int) -> list[bytes]:
    """The rows of the year with their features as JSON."""
    count = min(rows, MOST)
    frame = years.joined(rows).head(count)
    times = pl.selectors.datetime().dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    keys = ("carrier", "flight", "origin", "flight_date")
    names = list(dict.fromkeys([*keys, *inputs_of().inputs]))
    return [
        msgspec.json.encode(row)
        for row in frame.select(names).with_columns(times).iter_rows(named=True)
    ]


def _fill(events: Sequence[bytes]) -> tuple[str, int]:
    """Start a Redis that ends with this process, and send events; return its address."""
    from redis import Redis
    from redis.exceptions import ConnectionError

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = f"redis-server --bind 127.0.0.1 --port {port} --appendonly no --save"
    server = subprocess.Popen([*command.split(), ""], stdout=subprocess.DEVNULL, cwd="/")
    atexit.register(server.kill)
    url = f"redis://127.0.0.1:{port}/0"
    client: Any = Redis.from_url(url, protocol=2)
    for _ in range(100):
        try:
            client.ping()
            break
        except ConnectionError:
            time.sleep(0.05)
    _send(client, events)
    return url, len(events)


def _send(client: Any, events: Sequence[bytes]) -> None:
    pipeline = client.pipeline(transaction=False)
    for row in events:
        pipeline.xadd(_EVENTS, {"row": row})
    pipeline.execute()


def _send_evenly(url: str, events: Sequence[bytes]) -> None:
    """Send half of the wanted events a second, a few at a time."""
    from redis import Redis

    client: Any = Redis.from_url(url, protocol=2)
    size, started = 25, time.monotonic()
    for place in range(0, len(events), size):
        wait = started + place / (WANTED / 2) - time.monotonic()
        time.sleep(max(wait, 0))
        _send(client, events[place : place + size])


def _list_waits(url: str) -> list[int]:
    """Milliseconds from each event to its answer."""
    from redis import Redis

    client: Any = Redis.from_url(url, protocol=2)
    return [
        int(identifier.partition(b"-")[0]) - int(fields[b"id"].partition(b"-")[0])
        for identifier, fields in client.xrange(_ANSWERS)
    ]
