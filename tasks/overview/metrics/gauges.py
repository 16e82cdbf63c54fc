"""Gauges of a model for Prometheus: what a run leaves in the summary, and a scrape reads.

Runs are short, so Prometheus cannot scrape them. The summary is a file that each run replaces in
one step, so no Pushgateway is needed, and a scrape opens neither ledger nor lake.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import polars as pl
from pydantic import BaseModel, ConfigDict

from configs.schema.use_case import UseCase
from tasks.evaluation.metrics import LOWER_IS_BETTER
from tasks.ledger.causes import join_cause
from tasks.ledger.evidence import EpisodeOpened, read_evidence
from tasks.monitoring.episodes import find_rule
from tasks.overview.facts import ModelFacts

_MISSING = "missing:predictions"  # subject of due rows without a prediction


class GaugeValue(BaseModel):
    """One value of a metric of the registry, with its labels; `use_case` is added by the server."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    value: float
    labels: dict[str, str] = {}


def build_gauges(facts: ModelFacts) -> tuple[GaugeValue, ...]:
    """Return all gauges of a model that have a finite value."""
    gauges = (*_list_states(facts), *_list_arrivals(facts), *_list_measured(facts))
    return tuple(each for each in gauges if math.isfinite(each.value))


def _gauge(name: str, value: float | datetime, **labels: str) -> GaugeValue:
    number = value.timestamp() if isinstance(value, datetime) else value
    return GaugeValue(name=name, value=number, labels=labels)


def _list_states(facts: ModelFacts) -> Iterator[GaugeValue]:
    """Yield champion, open episodes and unanswered requests."""
    ledger = facts.ledger
    yield _gauge("summary_timestamp_seconds", facts.moment)
    if ledger.champion is not None and ledger.champion_version is not None:
        yield _gauge("model_champion_version", ledger.champion_version)
        yield _gauge("model_champion_timestamp_seconds", ledger.champion.at)
    opened = (read_evidence(entry, EpisodeOpened) for entry in ledger.open_episodes)
    for (kind, severity), count in Counter((e.kind, e.severity) for e in opened).items():
        yield _gauge("model_open_episodes", count, kind=kind, severity=severity)
    for request, count in Counter(str(e.what) for e in ledger.unanswered).items():
        yield _gauge("model_unanswered_requests", count, request=request)


def _list_arrivals(facts: ModelFacts) -> Iterator[GaugeValue]:
    for source, at in facts.latest.items():
        yield _gauge("model_arrival_timestamp_seconds", at, source=source)
    for source, span in facts.use_case.deadlines.spans.items():
        yield _gauge("model_deadline_seconds", span.total_seconds(), source=source)


def _list_measured(facts: ModelFacts) -> Iterator[GaugeValue]:
    """Yield drift, performance, coverage and missing predictions of the last window."""
    last = facts.measured.filter(pl.col("as_of") == pl.col("as_of").max())
    for row in last.filter(pl.col("value").is_not_null()).to_dicts():
        if row["kind"] == "drift":
            yield from _list_drift(facts.use_case, row)
        elif row["kind"] == "performance":
            yield from _list_performance(facts.use_case, row)
        elif row["kind"] == "kpi":
            yield _gauge("model_kpi", row["value"], kpi=row["subject"])
        elif row["kind"] == "contract" and row["subject"] == _MISSING:
            yield _gauge("model_missing_predictions", row["value"])
    is_metric = (pl.col("kind") == "performance") & pl.col("threshold").is_null()
    coverage = last.filter(is_metric)["coverage"].max()
    if isinstance(coverage, float):
        yield _gauge("model_coverage_ratio", coverage)


def _list_drift(use_case: UseCase, row: dict[str, Any]) -> Iterator[GaugeValue]:
    yield _gauge("model_drift", row["value"], input=row["subject"])
    if row["threshold"] is not None:
        severity = _find_severity(use_case, row)
        yield _gauge("model_drift_limit", row["threshold"], input=row["subject"], severity=severity)


def _list_performance(use_case: UseCase, row: dict[str, Any]) -> Iterator[GaugeValue]:
    subject = row["subject"]
    yield _gauge("model_performance", row["value"], metric=subject)
    if row["threshold"] is None:
        return
    metric = subject.rpartition("_")[0]
    bad = "above" if metric in LOWER_IS_BETTER else "below"
    if metric == "calibration_gap":
        bad = "beyond"  # in either direction: the limit is of its absolute value
    severity = _find_severity(use_case, row)
    yield _gauge(
        "model_performance_limit", row["threshold"], metric=subject, severity=severity, bad=bad
    )


def _find_severity(use_case: UseCase, row: dict[str, Any]) -> str:
    """Return the severity of a bad window; of a good one that of its rule."""
    if row["verdict"] not in (None, "ok"):
        return str(row["verdict"])
    if row["kind"] == "drift" and row["subject"] in use_case.monitor.drift.informs:
        return "inform"
    return find_rule(use_case, join_cause(row["kind"], row["subject"])).severity
