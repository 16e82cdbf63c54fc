"""Trends of a model: each metric by window, with its interval, its reference and its limit."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from configs.schema.base import Metric
from configs.schema.use_case import UseCase
from tasks.evaluation.metrics import LOWER_IS_BETTER, METRIC_NAMES
from tasks.ledger.causes import PROMETHEUS_KIND, split_cause

_CONTRACTS = {
    "rows": "number of rows", "missing_days": "missing days", "nulls": "missing values",
    "missing": "missing rows", "no_label": "values that are no label",
}  # fmt: skip
_ONLINE = {"flagged": "flags of", "skew": "features of requests differ from the lake:"}
Numbers = list[float | None]


@dataclass(frozen=True)
class Trend:
    """A metric by window, oldest first; every list has one number for each window.

    Attributes:
        metric: its name in the tables.
        title: its name on a page.
        ends: ends of the windows.
        values: the metric; None where a window is not mature.
        low: lower ends of the confidence intervals.
        high: upper ends.
        references: what the champion of the time had in its holdout.
        limits: limits of the rule on this metric; None without a rule.
        rule: span of the rule, like 5w, or empty.
        ruled: values of the rule, over its longer span.
        lower_is_better: whether values above the limit are bad.
    """

    metric: str
    title: str
    ends: list[datetime]
    values: Numbers
    low: Numbers
    high: Numbers
    references: Numbers
    limits: Numbers
    rule: str
    ruled: Numbers
    lower_is_better: bool

    @property
    def last(self) -> float | None:
        """The newest known value."""
        return next((value for value in reversed(self.values) if value is not None), None)

    @property
    def limit(self) -> float | None:
        """The limit in force."""
        return self.limits[-1] if self.limits else None

    @property
    def reference(self) -> float | None:
        """The reference in force."""
        return self.references[-1] if self.references else None


def list_shown_metrics(use_case: UseCase) -> tuple[Metric, ...]:
    """Return the metrics of the pages: that of the gate, and cost."""
    return tuple(dict.fromkeys((use_case.gate.metric, "cost")))


def build_trend(use_case: UseCase, measured: pl.DataFrame, metric: Metric) -> Trend:
    """Return the trend of a metric.

    Args:
        use_case: the rules.
        measured: rows of the monitoring table.
        metric: name of the metric.
    """
    rule = next((r for r in use_case.monitor.performance if r.metric == metric), None)
    subject = rule.subject if rule else ""
    rows = measured.filter(pl.col("kind") == "performance")
    weeks = rows.filter(pl.col("subject") == metric).unique("as_of").sort("as_of")
    ruled = rows.filter(pl.col("subject") == subject).unique("as_of")
    both = weeks.join(ruled, on="as_of", how="left", suffix="_rule", maintain_order="left")
    name = METRIC_NAMES.get(metric, metric.replace("_", " "))
    return Trend(
        metric=metric,
        title=f"{name} per prediction" if metric == "cost" else name,
        ends=both["as_of"].to_list(),
        values=both["value"].to_list(),
        low=both["low"].to_list(),
        high=both["high"].to_list(),
        references=both["reference"].to_list(),
        limits=both["threshold_rule"].to_list(),
        rule=subject.removeprefix(f"{metric}_"),
        ruled=both["value_rule"].to_list(),
        lower_is_better=metric in LOWER_IS_BETTER,
    )


def build_kpi_trend(use_case: UseCase, measured: pl.DataFrame, name: str) -> Trend:
    """Return the trend of a KPI, which has neither a reference nor a limit.

    Args:
        use_case: the KPIs.
        measured: rows of the monitoring table.
        name: name of the KPI.
    """
    kpi = use_case.kpis[name]
    rows = measured.filter(kind="kpi", subject=name).unique("as_of").sort("as_of")
    none: Numbers = [None] * rows.height
    return Trend(
        metric=name,
        title=kpi.title or name.replace("_", " "),
        ends=rows["as_of"].to_list(),
        values=rows["value"].to_list(),
        low=rows["low"].to_list(),
        high=rows["high"].to_list(),
        references=none,
        limits=none,
        rule="",
        ruled=none,
        lower_is_better=kpi.better == "lower",
    )


def build_windows(measured: pl.DataFrame) -> pl.DataFrame:
    """Return as_of, model_version, coverage, rows and predicted rows by window, oldest first."""
    performance = pl.col("kind") == "performance"
    predicted = pl.col("subject") == "rows:predictions"
    return (
        measured.group_by("as_of")
        .agg(
            pl.col("model_version").last(),
            pl.col("coverage").filter(performance & pl.col("threshold").is_null()).max(),
            pl.col("value").filter(predicted).first().alias("predicted"),
            pl.col("threshold").filter(predicted).first().alias("least"),
        )
        .sort("as_of")
    )


def describe_cause(cause: str) -> str:
    """Return the cause of an episode as a person says it: `calibration gap, 5w`."""
    kind, subject = split_cause(cause)
    metric, _, span = subject.rpartition("_")
    if kind == "performance" and metric:
        return f"{METRIC_NAMES.get(metric, metric.replace('_', ' '))} over {span}"
    if kind == "contract":
        measure, _, table = subject.partition(":")
        return f"{_CONTRACTS.get(measure, measure)} of {table}"
    if kind == "online":
        measure, _, part = subject.partition(":")
        return f"{_ONLINE.get(measure, measure)} {part}"
    words = {"silence": "late: ", "drift": "drift of ", "lost": "lost rows of "}
    if kind == PROMETHEUS_KIND:
        subject = subject.rpartition("/")[0]  # without the fingerprint of the alert
    return words.get(kind, f"{kind}: ") + subject
