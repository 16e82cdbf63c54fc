"""Prometheus metrics of streaming prediction, beside those of every prediction."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from tasks.serving.metrics import ServingMetrics
from tasks.telemetry.names import STREAM_METRICS

_SECONDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1, 5, 30, 300)


class StreamMetrics(ServingMetrics):
    """Rate, lag and latency of one process that predicts events."""

    def __init__(self) -> None:
        super().__init__()
        registry = self.registry
        events, seconds, waiting, pending, errors = STREAM_METRICS
        self.events = Counter(events.name, events.text, events.labels, registry=registry)
        self.seconds = Histogram(seconds.name, seconds.text, buckets=_SECONDS, registry=registry)
        self.waiting = Gauge(waiting.name, waiting.text, registry=registry)
        self.pending = Gauge(pending.name, pending.text, registry=registry)
        self.broker_errors = Counter(errors.name, errors.text, registry=registry)

    @property
    def registry(self) -> CollectorRegistry:
        """Return the registry of all metrics."""
        return self._registry
