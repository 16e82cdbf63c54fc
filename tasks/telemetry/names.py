"""Registry of Prometheus metrics: name, kind, text and labels of each one that a server exports.

`serving` metrics come from a prediction server, `stream` metrics from a process that predicts
events, `model` and `server` metrics from the reports server. Rules and dashboards in
infra/observability/ use no other name that begins with `mainspring_`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

MetricKind = Literal["counter", "gauge", "histogram"]
_SUFFIXES: Mapping[MetricKind, tuple[str, ...]] = {
    "counter": ("_total",),
    "gauge": ("",),
    "histogram": ("_bucket", "_sum", "_count"),
}


@dataclass(frozen=True)
class ExportedMetric:
    """One metric: its name without suffix, its kind, its text, and the names of its labels."""

    name: str
    kind: MetricKind
    text: str
    labels: tuple[str, ...] = ()

    @property
    def series(self) -> tuple[str, ...]:
        """The names that a query may use."""
        return tuple(self.name + suffix for suffix in _SUFFIXES[self.kind])


def _metric(name: str, kind: MetricKind, text: str, *labels: str) -> ExportedMetric:
    return ExportedMetric(f"mainspring_{name}", kind, text, labels)


SERVING_METRICS = (
    _metric("requests", "counter", "requests by protocol and status", "protocol", "status"),
    _metric("request_seconds", "histogram", "time of a request", "protocol"),
    _metric("predictions", "counter", "used predictions", "version", "arm"),
    _metric("failed_shadows", "counter", "failures of versions in shadow", "version"),
    _metric("missing_features", "counter", "features that the online store does not have"),
    _metric("stale_features", "counter", "features older than their view's ttl"),
    _metric("online_store_errors", "counter", "requests without the online store"),
    _metric("request_log_errors", "counter", "failures to move logged requests"),
    _metric("champion_version", "gauge", "version that predicts by default"),
    _metric("serving_problems", "gauge", "what keeps the server from the ledger's route"),
)
STREAM_METRICS = (
    _metric("stream_events", "counter", "events by outcome", "outcome"),
    _metric("stream_seconds", "histogram", "time from event to answer"),
    _metric("stream_waiting", "gauge", "events that no process has read"),
    _metric("stream_pending", "gauge", "events that are read, not answered"),
    _metric("broker_errors", "counter", "failures to reach the broker"),
)
MODEL_METRICS = (
    _metric("model_state", "gauge", "1 for the state of a model", "use_case", "state"),
    _metric("model_champion_version", "gauge", "version of the champion", "use_case"),
    _metric("model_champion_timestamp_seconds", "gauge", "start of the champion", "use_case"),
    _metric("model_arrival_timestamp_seconds", "gauge", "newest row, label, prediction or "
            "monitored window", "use_case", "source"),
    _metric("model_deadline_seconds", "gauge", "longest time between two arrivals", "use_case",
            "source"),
    _metric("model_coverage_ratio", "gauge", "share of labelled rows in the last window",
            "use_case"),
    _metric("model_missing_predictions", "gauge", "due rows without a prediction", "use_case"),
    _metric("model_open_episodes", "gauge", "open episodes", "use_case", "kind", "severity"),
    _metric("model_unanswered_requests", "gauge", "requests that no run answered", "use_case",
            "request"),
    _metric("model_drift", "gauge", "PSI of an input in the last window", "use_case", "input"),
    _metric("model_drift_limit", "gauge", "limit of the PSI of an input", "use_case", "input",
            "severity"),
    _metric("model_performance", "gauge", "metric of the last window", "use_case", "metric"),
    _metric("model_performance_limit", "gauge", "limit of a metric; `bad` is above or below",
            "use_case", "metric", "severity", "bad"),
    _metric("model_kpi", "gauge", "KPI of the last window", "use_case", "kpi"),
    _metric("summary_timestamp_seconds", "gauge", "newest moment that is known of a model",
            "use_case"),
)  # fmt: skip
SERVER_METRICS = (
    _metric("failed_runs", "gauge", "runs of the last day that failed or crashed", "use_case",
            "flow"),
    _metric("prefect_reachable", "gauge", "1 if Prefect's server lists its runs"),
    _metric("alerts_received", "counter", "alerts of Alertmanager by what became of them",
            "outcome"),
)  # fmt: skip
_BY_NAME = {
    each.name: each for each in (*SERVING_METRICS, *STREAM_METRICS, *MODEL_METRICS, *SERVER_METRICS)
}


def list_exported_metrics() -> tuple[ExportedMetric, ...]:
    """Return all metrics."""
    return tuple(_BY_NAME.values())


def find_exported_metric(name: str) -> ExportedMetric:
    """Return the metric of a name without `mainspring_`; KeyError if the registry lacks it."""
    return _BY_NAME[f"mainspring_{name}"]
