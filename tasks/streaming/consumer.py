"""Consumer of a stream: read a batch, predict it, publish the answers, until it is stopped.

It reads the next batch only when the one before is answered. So a broker keeps what the consumer
cannot answer yet, also while the online store, the log's disk or the broker itself is away.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from threading import Event, Thread

from configs.errors import Transient
from tasks.serving.service import PredictionService
from tasks.streaming.broker import Broker, BrokerUnavailable, StreamEvent, StreamResult
from tasks.streaming.metrics import StreamMetrics
from tasks.streaming.predict_events import EventPredictor

_logger = logging.getLogger(__name__)
_FOLLOW_SECONDS = 0.5  # between two looks at the ledger
_RETRY_SECONDS = 1.0
_LAG_SECONDS = 2.0  # between two measurements of the lag


class StreamConsumer:
    """Consumes events of one use case in this thread."""

    def __init__(
        self, service: PredictionService, predictor: EventPredictor, broker: Broker,
        metrics: StreamMetrics, clock: Callable[[], datetime],
    ) -> None:  # fmt: skip
        self._service, self._predictor, self._broker = service, predictor, broker
        self._metrics, self._clock = metrics, clock
        self._next_lag = 0.0

    def run(self, stop: Event) -> None:
        """Consume until `stop` is set; the batch at work ends before."""
        self._service.refresh()
        follower = Thread(target=self._follow, args=(stop,), name="ledger", daemon=True)
        follower.start()
        while not stop.is_set():
            try:
                self._work(stop)
            except BrokerUnavailable as error:
                self._metrics.broker_errors.inc()
                _logger.warning("the broker is not available: %s", error)
                stop.wait(_RETRY_SECONDS)
        follower.join(timeout=10)

    def _follow(self, stop: Event) -> None:
        while not stop.wait(_FOLLOW_SECONDS):
            self._service.refresh()

    def _work(self, stop: Event) -> None:
        """Answer one batch; wait while the ledger has no champion."""
        if self._service.keeper.served is None:
            stop.wait(_FOLLOW_SECONDS)
            return
        events = self._broker.read()
        if events and (results := self._predict(events, stop)) is not None:
            self._publish(results, stop)
        self._measure_lag()

    def _predict(self, events: Sequence[StreamEvent], stop: Event) -> list[StreamResult] | None:
        """Return the results of a batch; None if it is stopped before they can be known."""
        while True:
            served = self._service.keeper.served
            try:
                if served is not None:
                    return self._predictor.predict(events, served, self._clock())
            except Transient as error:
                _logger.warning("%s events wait: %s", len(events), error)
            if stop.wait(_RETRY_SECONDS):
                return None
            self._broker.hold(events)

    def _publish(self, results: Sequence[StreamResult], stop: Event) -> None:
        """Publish a batch, again and again until the broker has it."""
        while True:
            try:
                new = self._broker.publish(results)
                break
            except BrokerUnavailable as error:
                self._metrics.broker_errors.inc()
                _logger.warning("%s answers wait: %s", len(results), error)
                if stop.wait(_RETRY_SECONDS):
                    return
        now, metrics = self._clock().timestamp(), self._metrics
        rejected = sum(each.answer is None for each in results)
        metrics.events.labels("answered").inc(len(results) - rejected)
        metrics.events.labels("rejected").inc(rejected)
        metrics.events.labels("repeated").inc(len(results) - new)
        for each in results:
            metrics.seconds.observe(max(now - each.event.sent, 0))

    def _measure_lag(self) -> None:
        now = self._clock().timestamp()
        if now >= self._next_lag:
            lag, self._next_lag = self._broker.measure_lag(), now + _LAG_SECONDS
            self._metrics.waiting.set(lag.waiting)
            self._metrics.pending.set(lag.pending)
