"""Prometheus text of all models: the gauges of their summaries, failed runs, received alerts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta

import httpx
from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from configs.schema.loading import all_use_cases
from tasks.orchestration.failed_runs import count_failed_runs, has_prefect_address
from tasks.overview.metrics.gauges import GaugeValue
from tasks.overview.summary import ModelSummary, read_summaries
from tasks.telemetry.alert_episodes import AlertOutcomes
from tasks.telemetry.names import MODEL_METRICS, ExportedMetric, find_exported_metric

FAILED_RUNS_SPAN = timedelta(days=1)


class ReportsMetrics:
    """The counters of one reports server, and the text of a scrape."""

    def __init__(self) -> None:
        """Make the counters."""
        self._registry = CollectorRegistry()
        metric = find_exported_metric("alerts_received")
        self._alerts = Counter(metric.name, metric.text, metric.labels, registry=self._registry)
        for outcome in ("recorded", "known", "refused"):
            self._alerts.labels(outcome)

    def count_alerts(self, outcomes: AlertOutcomes) -> None:
        """Count the alerts of one message."""
        self._alerts.labels("recorded").inc(len(outcomes.recorded))
        self._alerts.labels("known").inc(outcomes.known)
        self.count_refused(len(outcomes.refused))

    def count_refused(self, count: int = 1) -> None:
        """Count alerts, or messages, that were refused."""
        self._alerts.labels("refused").inc(count)

    def render(self, now: datetime) -> bytes:
        """Return the text of a scrape.

        Args:
            now: time of the scrape; failed runs are those of the day before.
        """
        use_cases = all_use_cases()
        names = {each.name for each in use_cases.sound} | set(use_cases.broken)
        summaries = {name: each for name, each in read_summaries().items() if name in names}
        scrape = CollectorRegistry()
        scrape.register(_Families([*_build_models(summaries), *_build_runs(names, now)]))
        return generate_latest(scrape) + generate_latest(self._registry)


class _Families(Collector):
    """Families that were built before, as a collector."""

    def __init__(self, families: list[GaugeMetricFamily]) -> None:
        self._families = families

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Return the families."""
        return self._families


def _build_models(summaries: Mapping[str, ModelSummary]) -> Iterator[GaugeMetricFamily]:
    """Yield the families of all models; a gauge that the registry lacks is a newer version's."""
    metrics = {each.name: each for each in MODEL_METRICS}
    families = {name: _build_family(each) for name, each in metrics.items()}
    for use_case, summary in summaries.items():
        state = GaugeValue(name="model_state", value=1, labels={"state": summary.state})
        for gauge in (state, *summary.gauges):
            name = f"mainspring_{gauge.name}"
            if name in families:
                labels = {**gauge.labels, "use_case": use_case}
                values = [labels.get(label, "") for label in metrics[name].labels]
                families[name].add_metric(values, gauge.value)
    yield from families.values()


def _build_runs(use_cases: set[str], now: datetime) -> Iterator[GaugeMetricFamily]:
    """Yield the failed runs, and whether Prefect's server lists them; nothing without a server."""
    if not has_prefect_address():
        return
    reachable = _build_family(find_exported_metric("prefect_reachable"))
    try:
        failed = count_failed_runs(use_cases, now - FAILED_RUNS_SPAN)
    except httpx.HTTPError:
        reachable.add_metric([], 0)
    else:
        reachable.add_metric([], 1)
        runs = _build_family(find_exported_metric("failed_runs"))
        for (use_case, flow), count in sorted(failed.items()):
            runs.add_metric([use_case, flow], count)
        yield runs
    yield reachable


def _build_family(metric: ExportedMetric) -> GaugeMetricFamily:
    return GaugeMetricFamily(metric.name, metric.text, labels=metric.labels)
