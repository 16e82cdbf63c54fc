"""Prometheus metrics of streaming prediction, beside those of every prediction."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from tasks.serving.metrics import ServingMetrics

_SECONDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1, 5, 30, 300)


class StreamMetrics(ServingMetrics):
    """Rate, lag and latency of one process that predicts events."""

    def __init__(self) -> None:
        super().__init__()
        registry = self.registry
        self.events = Counter(
            "mainspring_stream_events", "events by outcome", ("outcome",), registry=registry
        )
        self.seconds = Histogram(
            "mainspring_stream_seconds", "time from event to answer", buckets=_SECONDS,
            registry=registry,
        )  # fmt: skip
        self.waiting = Gauge(
            "mainspring_stream_waiting", "events that no process has read", registry=registry
        )
        self.pending = Gauge(
            "mainspring_stream_pending", "events that are read, not answered", registry=registry
        )
        self.broker_errors = Counter(
            "mainspring_broker_errors", "failures to reach the broker", registry=registry
        )

    @property
    def registry(self) -> CollectorRegistry:
        """Return the registry of all metrics."""
        return self._registry
