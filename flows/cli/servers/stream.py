"""The command `stream`: predictions of the events of a stream."""

from __future__ import annotations

import os
import signal
from threading import Event
from typing import Annotated

import typer
from rich.console import Console

from configs.schema.loading import load_use_case
from configs.schema.serving import Stream
from configs.settings import settings
from configs.urls import shown
from flows.cli.options import Name
from tasks.reporting.terminal import render_text

_console = Console()
_LOOPBACK = "127.0.0.1"


def stream(
    use_case: Name,
    metrics_port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Port of Prometheus metrics, on loopback."),
    ] = None,
) -> None:
    """Predict the events of a stream, and publish the answers to another one.

    MAINSPRING_STREAM_URL is the broker: redis:// or kafka://. An event is a row as JSON: on Redis
    the field `row` of a stream's entry, on Kafka the value of a record. An answer has the event's
    id, key, value, decision, version and arm. An event that cannot be predicted goes to a third
    stream with the reason. Names and batches are in the YAML, section `stream`. Start more
    processes to share the load. SIGTERM ends the batch at work, then the process.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    from prometheus_client import start_http_server

    from configs.clock import utc_or_now
    from tasks.promotion.technical.watch import TechnicalWatch
    from tasks.serving.request_log import RequestLogger
    from tasks.serving.service import PredictionService
    from tasks.streaming.broker import name_streams
    from tasks.streaming.connect import open_broker
    from tasks.streaming.consumer import StreamConsumer
    from tasks.streaming.metrics import StreamMetrics
    from tasks.streaming.predict_events import EventPredictor

    case, stop, metrics = load_use_case(use_case), Event(), StreamMetrics()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: stop.set())
    plan, url = case.stream or Stream(), settings().stream_url
    names = name_streams(case, plan)
    broker = open_broker(url, names, plan)
    log = case.serving.log if case.serving else None
    logger = RequestLogger(case, log, metrics.log_errors.inc) if log else None
    service = PredictionService(case, utc_or_now, metrics, logger)
    if metrics_port is not None:
        start_http_server(metrics_port, _LOOPBACK, metrics.registry)
    watch = None
    if service.limits.technical is not None:
        watch = TechnicalWatch(case, service.limits.technical, service.tally, utc_or_now)
        watch.start()
    _console.print(
        render_text(f"predicting {names.events} → {names.answers} at {shown(url)}"), soft_wrap=True
    )
    predictor = EventPredictor(service, names.events, plan.deliveries)
    try:
        StreamConsumer(service, predictor, broker, metrics, utc_or_now).run(stop)
    finally:
        if watch is not None:
            watch.stop()
        service.close()
        broker.close()
