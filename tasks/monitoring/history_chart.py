"""Charts of measurements over time, with ledger entries marked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from configs.schema.use_case import UseCase
from tasks.evaluation.metrics import METRIC_NAMES
from tasks.evaluation.problem_types import problem_type_of
from tasks.ledger.log import Entry, open_ledger
from tasks.reporting.chart_style import (
    INK,
    SEVERITY_COLOURS,
    create_figure,
    format_date_axis,
    tidy_axes,
    to_png,
)
from tasks.reporting.ledger_marks import mark_ledger
from tasks.storage.lake import open_lake

if TYPE_CHECKING:
    from matplotlib.axes import Axes


DRIFT_BARS = 18


def draw_monitoring_chart(title: str, history: pl.DataFrame, entries: Sequence[Entry]) -> bytes:
    """Draw each performance rule over time, and the last window's drift; return a PNG.

    Args:
        title: title of the chart.
        history: rows of the monitoring table.
        entries: ledger entries to mark at their time.
    """
    judged = history.filter(pl.col("kind") == "performance", pl.col("threshold").is_not_null())
    subjects = judged["subject"].unique().sort().to_list()
    first: Any = history["as_of"].min()
    figure = create_figure(figsize=(13, max(5.4, 2.5 * len(subjects))), layout="constrained")
    grid = figure.add_gridspec(max(len(subjects), 1), 2, width_ratios=[1.75, 1])
    for place, subject in enumerate(subjects):
        axes = figure.add_subplot(grid[place, 0])
        _draw_rule(axes, history, subject)
        mark_ledger(axes, entries, first, named=place == 0)
    _draw_drift(figure.add_subplot(grid[:, 1] if subjects else grid[:, :]), history)
    figure.suptitle(title, x=0.01, ha="left", fontsize=13, color=INK, weight="bold")
    return to_png(figure, dpi=110)


def _draw_rule(axes: Axes, history: pl.DataFrame, subject: str) -> None:
    """Draw one rule: its value by window, the holdout as reference, and the bad side shaded."""
    rows = history.filter(pl.col("subject") == subject).sort("as_of")
    times: Any = rows["as_of"].to_list()
    metric, _, length = subject.rpartition("_")
    weeks = history.filter(pl.col("subject") == metric).sort("as_of").drop_nulls("value")
    at: Any = weeks["as_of"].to_list()
    axes.plot(at, weeks["value"], ".", color="#a9b1bb", markersize=5, label="one window")
    axes.plot(times, rows["value"], color=INK, linewidth=1.6, label=f"last {length}", zorder=3)
    axes.scatter(
        times, rows["value"], s=26, zorder=4, color=[SEVERITY_COLOURS[v] for v in rows["verdict"]]
    )
    axes.step(times, rows["reference"], "--", color="#6b7280", linewidth=1, label="holdout")
    low, high = axes.get_ylim()
    for edge, side in _find_limits(metric, rows):
        end = max(high, *edge) if side > 0 else min(low, *edge)
        axes.fill_between(
            times, edge, end, step="pre", color=SEVERITY_COLOURS["page"], alpha=0.09, lw=0
        )
    format_date_axis(axes)
    tidy_axes(axes, f"{metric.replace('_', ' ')}, last {length}")
    axes.legend(loc="best", fontsize=8, framealpha=0.85, edgecolor="none")


def _find_limits(metric: str, rows: pl.DataFrame) -> list[tuple[list[float], int]]:
    """Return each limit by window, and on which side of it values are bad: +1 above, -1 below."""
    limits = rows["threshold"].to_list()
    if metric == "calibration_gap":
        return [(limits, 1), ([-value for value in limits], -1)]
    return [(limits, 1 if limits[-1] > rows["reference"][-1] else -1)]


def _draw_drift(axes: Axes, history: pl.DataFrame) -> None:
    """Draw the PSI of the last window over each column's threshold, the largest on top."""
    last = history.filter(pl.col("kind") == "drift", pl.col("as_of") == pl.col("as_of").max())
    ratio = (pl.col("value") / pl.col("threshold")).alias("ratio")
    rows = last.with_columns(ratio).sort("ratio").tail(DRIFT_BARS)
    tidy_axes(axes, "drift in the last window, PSI / threshold")
    if rows.is_empty():
        return
    axes.barh(rows["subject"], rows["ratio"], color=[SEVERITY_COLOURS[v] for v in rows["verdict"]])
    axes.axvline(1, color=SEVERITY_COLOURS["page"], linewidth=1.1)
    axes.set_xlim(0, max(1.15, 1.05 * float(rows["ratio"].max() or 0)))  # type: ignore[arg-type]
    axes.tick_params(axis="y", length=0)


def read_window_metrics(use_case: UseCase) -> pl.DataFrame:
    """Return one row per monitored window: window_end, model_version, metrics, coverage.

    The metrics are those that the problem type shows in a status; a metric is null where the window
    was not mature. The oldest window is first.
    """
    lake, shown = open_lake(use_case.name), problem_type_of(use_case).status_metrics
    if not lake.exists("monitoring"):
        when = {"window_end": pl.Datetime("us", "UTC"), "model_version": pl.Int64()}
        return pl.DataFrame(schema=when | dict.fromkeys((*shown, "coverage"), pl.Float64()))
    length = pl.col("window_end") - pl.col("window_start")
    return (
        lake.scan("monitoring")
        .filter(pl.col("kind") == "performance", pl.col("subject").is_in(shown))
        .filter(length == use_case.monitor.window)
        .group_by("window_end", "model_version")
        .agg(
            *(
                pl.col("value").filter(pl.col("subject") == name).first().alias(name)
                for name in shown
            ),
            pl.col("coverage").max(),
        )
        .sort("window_end")
        .collect()
    )


def draw_year_chart(use_case: UseCase, stayed: pl.DataFrame | None = None) -> bytes:
    """Draw the status metrics by window, with alerts, promotions and refusals; return a PNG.

    Args:
        use_case: the use case.
        stayed: metrics by `window_end` that the first champion would have had if it had stayed.
    """
    weeks, entries = read_window_metrics(use_case), open_ledger().entries(use_case.name)
    shown = problem_type_of(use_case).status_metrics
    heights = [3, *(2 for _ in shown[1:])]
    figure = create_figure(figsize=(11, 1 + sum(heights)), layout="constrained")
    panels = figure.subplots(len(shown), 1, sharex=True, height_ratios=heights)
    for axes, metric in zip(panels, shown, strict=True):
        if stayed is not None:
            _draw_stayed(axes, stayed, metric)
        _draw_metric(axes, weeks, metric)
        first = entries[0].at if entries else None
        mark_ledger(axes, entries, first, named=axes is panels[0])
        format_date_axis(axes)
        tidy_axes(axes, "")
        title = METRIC_NAMES[metric] + (" per prediction" if metric == "cost" else "")
        axes.set_ylabel(f"{title}, by week")
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside upper right", frameon=False, ncols=6
    )
    figure.suptitle(use_case.title, x=0.01, ha="left", fontsize=13, color=INK, weight="bold")
    return to_png(figure, dpi=130)


def _draw_stayed(axes: Axes, stayed: pl.DataFrame, metric: str) -> None:
    """Draw what the first champion would have come to, as a thin grey line below the others."""
    rows = stayed.drop_nulls(metric).sort("window_end")
    times: Any = rows["window_end"].to_list()
    label = "had the first champion stayed"
    axes.plot(times, rows[metric], color="#8a929c", linewidth=1.1, linestyle="--", label=label)


def _draw_metric(axes: Axes, weeks: pl.DataFrame, metric: str) -> None:
    """Draw one metric by week, with a colour for each version."""
    for version in weeks["model_version"].unique(maintain_order=True):
        part = weeks.filter(pl.col("model_version") == version).drop_nulls(metric)
        times: Any = part["window_end"].to_list()
        axes.plot(times, part[metric], "o-", markersize=4, label=f"version {version}")
