"""Chart of a replay: weekly metrics, cumulative regret, and decisions of every policy."""

from __future__ import annotations

from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from tasks.replay.compare import PolicyComparison, read_weekly
from tasks.replay.run import Replay
from tasks.replay.tables import name_subject
from tasks.reporting.chart_style import INK, create_figure, format_date_axis, tidy_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes


_COLOURS = ("#4878a8", "#d8722c", "#2e7d32", "#7b1fa2", "#8d6e00", "#c0392b", "#30343b")
_MARKS = {"promoted": "^", "refused": "x", "rolled_back": "v"}
_BANDED = 3  # the bands of more policies would hide each other


def draw_replay_chart(replay: Replay, comparison: PolicyComparison, path: Path) -> Path:
    """Write the chart as a PNG; return its path."""
    subjects = comparison.subjects
    figure = create_figure(figsize=(11, 2.4 * len(subjects) + 4.2), layout="constrained")
    ratios = [*(3 for _ in subjects), 3, 1.4]
    panels = figure.subplots(len(ratios), 1, sharex=True, height_ratios=ratios)
    for axes, subject in zip(panels, subjects, strict=False):
        _draw_weeks(axes, replay, comparison, subject)
        interval = ", with its interval" if len(comparison.distinct) <= _BANDED else ""
        tidy_axes(axes, f"{name_subject(subject)}, by {_name_week(replay)}{interval}")
    _draw_regrets(panels[-2], comparison)
    tidy_axes(panels[-2], f"cumulative cost beyond {comparison.best.policy}")
    _draw_decisions(panels[-1], comparison)
    tidy_axes(panels[-1], "▲ promoted   × refused   ▼ rolled back")
    format_date_axis(panels[-1])
    panels[0].legend(loc="lower left", frameon=False, ncols=6, fontsize=8.5)
    figure.suptitle(replay.plan.use_case.title, x=0.01, ha="left", color=INK, weight="bold")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    return path


def _choose_colours(comparison: PolicyComparison) -> dict[str, str]:
    """Return a colour for each policy; policies with the same predictions share one."""
    colours = dict(zip(comparison.entries, cycle(_COLOURS), strict=False))
    return colours | {
        policy: colours[first] for first, alike in comparison.distinct.items() for policy in alike
    }


def _name_week(replay: Replay) -> str:
    days = replay.plan.use_case.monitor.window.days
    return "week" if days == 7 else f"{days} days"


def _draw_weeks(axes: Axes, replay: Replay, comparison: PolicyComparison, subject: str) -> None:
    colours = _choose_colours(comparison)
    by_week = read_weekly(comparison, replay.plan, subject).drop_nulls("value")
    for policy, alike in comparison.distinct.items():
        colour, label = colours[policy], " = ".join(alike)
        weeks = by_week.filter(pl.col("policy") == policy)
        times: Any = weeks["end"].to_list()
        axes.plot(times, weeks["value"], "o-", color=colour, markersize=3, lw=1.2, label=label)
        if len(comparison.distinct) <= _BANDED:
            axes.fill_between(times, weeks["low"].fill_null(float("nan")),
                              weeks["high"].fill_null(float("nan")), color=colour,
                              alpha=0.12, lw=0)  # fmt: skip


def _draw_regrets(axes: Axes, comparison: PolicyComparison) -> None:
    colours = _choose_colours(comparison)
    for policy in comparison.distinct:
        own = comparison.regrets.filter(pl.col("policy") == policy)
        times: Any = own["end"].to_list()
        axes.plot(times, own["regret"], "-", color=colours[policy], lw=1.6)


def _draw_decisions(axes: Axes, comparison: PolicyComparison) -> None:
    """Draw a row for each policy, with a mark for each decision."""
    colours = _choose_colours(comparison)
    for row, (policy, entries) in enumerate(comparison.entries.items()):
        colour = colours[policy]
        for what, marker in _MARKS.items():
            times: Any = [e.at for e in entries if e.what == what]
            axes.scatter(times, [row] * len(times), marker=marker, color=colour, s=30)
    axes.set_yticks(range(len(comparison.entries)), list(comparison.entries))
    axes.set_ylim(len(comparison.entries) - 0.5, -0.5)
