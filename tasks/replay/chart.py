"""The picture of a replay: every policy's numbers by week, its champions, and what it cost more."""

from __future__ import annotations

from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from tasks.replay.compare import PolicyComparison, read_weekly
from tasks.replay.run import Replay
from tasks.replay.tables import policy_title
from tasks.reporting.chart_style import INK, short_dates, tidy_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes


_COLOURS = ("#4878a8", "#d8722c", "#2e7d32", "#7b1fa2", "#8d6e00", "#c0392b", "#30343b")
_MARKS = {"promoted": "^", "refused": "x", "rolled_back": "v"}
_BANDED = 3  # with more policies, bands only hide each other


def draw_replay_chart(replay: Replay, found: PolicyComparison, path: Path) -> Path:
    """Write the picture as a PNG."""
    from matplotlib.figure import Figure

    subjects = found.subjects
    figure = Figure(figsize=(11, 2.4 * len(subjects) + 4.2), layout="constrained")
    ratios = [*(3 for _ in subjects), 3, 1.4]
    panels = figure.subplots(len(ratios), 1, sharex=True, height_ratios=ratios)
    for axes, subject in zip(panels, subjects, strict=False):
        _weekly(axes, replay, found, subject)
        sure = ", with its interval" if len(found.distinct) <= _BANDED else ""
        tidy_axes(axes, f"{policy_title(subject)}, by {_week(replay)}{sure}")
    _regrets(panels[-2], found)
    tidy_axes(panels[-2], f"cost beyond {found.best.policy}, summed up")
    _champions(panels[-1], found)
    tidy_axes(panels[-1], "▲ promoted   × refused   ▼ rolled back")
    short_dates(panels[-1])
    panels[0].legend(loc="lower left", frameon=False, ncols=6, fontsize=8.5)
    figure.suptitle(replay.plan.use_case.title, x=0.01, ha="left", color=INK, weight="bold")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    return path


def _colours(found: PolicyComparison) -> dict[str, str]:
    """A colour for each policy; the same one for those that gave the same answers."""
    colours = dict(zip(found.entries, cycle(_COLOURS), strict=False))
    return colours | {
        policy: colours[first] for first, alike in found.distinct.items() for policy in alike
    }


def _week(replay: Replay) -> str:
    days = replay.plan.use_case.monitor.window.days
    return "week" if days == 7 else f"{days} days"


def _weekly(axes: Axes, replay: Replay, found: PolicyComparison, subject: str) -> None:
    colours = _colours(found)
    by_week = read_weekly(found, replay.plan, subject).drop_nulls("value")
    for policy, alike in found.distinct.items():
        colour, label = colours[policy], " = ".join(alike)
        weeks = by_week.filter(pl.col("policy") == policy)
        times: Any = weeks["end"].to_list()
        axes.plot(times, weeks["value"], "o-", color=colour, markersize=3, lw=1.2, label=label)
        if len(found.distinct) <= _BANDED:
            axes.fill_between(times, weeks["low"].fill_null(float("nan")),
                              weeks["high"].fill_null(float("nan")), color=colour,
                              alpha=0.12, lw=0)  # fmt: skip


def _regrets(axes: Axes, found: PolicyComparison) -> None:
    colours = _colours(found)
    for policy in found.distinct:
        own = found.regrets.filter(pl.col("policy") == policy)
        times: Any = own["end"].to_list()
        axes.plot(times, own["regret"], "-", color=colours[policy], lw=1.6)


def _champions(axes: Axes, found: PolicyComparison) -> None:
    """A line for each policy, with a mark for each decision."""
    colours = _colours(found)
    for row, (policy, entries) in enumerate(found.entries.items()):
        colour = colours[policy]
        for what, marker in _MARKS.items():
            times: Any = [e.at for e in entries if e.what == what]
            axes.scatter(times, [row] * len(times), marker=marker, color=colour, s=30)
    axes.set_yticks(range(len(found.entries)), list(found.entries))
    axes.set_ylim(len(found.entries) - 0.5, -0.5)
