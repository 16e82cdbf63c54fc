"""Prometheus metrics of the prediction server."""

from __future__ import annotations

from functools import lru_cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from tasks.serving.predictor import RequestPredictions

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

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"mainspring_{name}", text, labels, registry=self._registry)

        def gauge(name: str, text: str) -> Gauge:
            return Gauge(
                f"mainspring_{name}", text, registry=self._registry, multiprocess_mode="livemax"
            )

        self.requests = counter("requests", "requests by protocol and status", "protocol", "status")
        self.predictions = counter("predictions", "used predictions", "version", "arm")
        self.failed_shadows = counter("failed_shadows", "failures of versions in shadow", "version")
        self.missing = counter("missing_features", "features that the online store does not have")
        self.stale = counter("stale_features", "features older than their view's ttl")
        self.store_errors = counter("online_store_errors", "requests without the online store")
        self.log_errors = counter("request_log_errors", "failures to move logged requests")
        self.champion = gauge("champion_version", "version that predicts by default")
        self.problems = gauge("serving_problems", "what keeps the server from the ledger's route")
        self.latency = Histogram(
            "mainspring_request_seconds", "time of a request", ("protocol",), buckets=_SECONDS,
            registry=self._registry,
        )  # fmt: skip
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
