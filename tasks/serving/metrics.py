"""Prometheus metrics of the prediction server."""

from __future__ import annotations

from functools import lru_cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from tasks.serving.predictor import RequestPredictions
from tasks.telemetry.names import find_exported_metric

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class ServingMetrics:
    """Counters and latencies of one server process."""

    def __init__(self, shared_folder: str = "") -> None:
        """Make the metrics.

        Args:
            shared_folder: where several workers keep theirs (PROMETHEUS_MULTIPROC_DIR); "" if there
                is one worker.
        """
        self._registry, self._shared_folder = CollectorRegistry(), shared_folder

        def counter(name: str) -> Counter:
            metric = find_exported_metric(name)
            return Counter(metric.name, metric.text, metric.labels, registry=self._registry)

        def gauge(name: str) -> Gauge:
            metric = find_exported_metric(name)
            return Gauge(
                metric.name, metric.text, registry=self._registry, multiprocess_mode="livemax"
            )

        self.requests, self.predictions = counter("requests"), counter("predictions")
        self.failed_shadows = counter("failed_shadows")
        self.missing, self.stale = counter("missing_features"), counter("stale_features")
        self.store_errors = counter("online_store_errors")
        self.log_errors = counter("request_log_errors")
        self.champion, self.problems = gauge("champion_version"), gauge("serving_problems")
        latency = find_exported_metric("request_seconds")
        self.latency = Histogram(
            latency.name, latency.text, latency.labels, buckets=_SECONDS, registry=self._registry
        )
        # a look-up of a labelled child costs more than the count itself
        self._request = lru_cache(256)(self.requests.labels)
        self._prediction = lru_cache(256)(self.predictions.labels)
        self._latency = lru_cache(16)(self.latency.labels)

    def count_request(self, protocol: str, status: int, seconds: float) -> None:
        """Count a finished request."""
        self._request(protocol, str(status)).inc()
        self._latency(protocol).observe(seconds)

    def count_predictions(self, predicted: RequestPredictions) -> None:
        """Count the rows of a request and their missing features."""
        for arm in set(predicted.arms):
            used = str(predicted.by_role[arm].version)
            self._prediction(used, arm).inc(predicted.arms.count(arm))
        for version in predicted.errors:
            self.failed_shadows.labels(str(version)).inc()
        if any(predicted.missing):
            self.missing.inc(sum(predicted.missing))
        if any(predicted.stale):
            self.stale.inc(sum(predicted.stale))
        if predicted.store_error:
            self.store_errors.inc()

    def render(self) -> bytes:
        """Return the metrics as text; of all workers, if several share a folder."""
        if not self._shared_folder:  # the variable alone may be Feast's
            return generate_latest(self._registry)
        shared = CollectorRegistry()
        MultiProcessCollector(shared, self._shared_folder)  # type: ignore[no-untyped-call]
        return generate_latest(shared)
