"""What happened to a model, told to a person: status and history for a terminal, one picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from configs.use_case import UseCase
from tasks.lake import lake_of
from tasks.ledger import Entry, champion, ledger, open_episodes
from tasks.reports import INK, dates, mark, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STYLE = {
    "promoted": "bold green",
    "refused": "yellow",
    "alert_raised": "bold red",
    "episode_opened": "red",
    "episode_closed": "green",
}
WINDOWS_SHOWN = 6
SHOWN = ("roc_auc", "cost")
_WEEKLY = {
    "window_end": pl.Datetime("us", "UTC"), "model_version": pl.Int64(),
    "roc_auc": pl.Float64(), "cost": pl.Float64(), "coverage": pl.Float64(),
}  # fmt: skip


def status_of(use_case: UseCase) -> RenderableType:
    """Champion, last windows and open episodes of one use case."""
    entries = ledger().entries(use_case.name)
    head = Text(f"{use_case.name}: {use_case.title}", style="bold")
    now = champion(entries)
    if now is None:
        return Group(head, f"no champion yet: run train/{use_case.name}")
    lines: list[RenderableType] = [
        head,
        f"champion: version {now.version} since {now.at:%Y-%m-%d %H:%M} UTC",
    ]
    bad = open_episodes(entries)
    lines += [f"[red]open since {e.at:%Y-%m-%d}[/]: {_cause(e)}" for e in bad] or ["all is well"]
    return Group(*lines, _windows(weekly_numbers(use_case).tail(WINDOWS_SHOWN)))


def history_of(model: str, *, full: bool = False) -> RenderableType:
    """The ledger of a model, an entry a row; `full` prints the evidence as it was written."""
    table = Table(title=f"ledger of {model}", title_justify="left", show_lines=full)
    for column in ("when (UTC)", "what", *(("seq", "by") if full else ()), "evidence"):
        table.add_column(column, no_wrap=column in ("when (UTC)", "what", "seq"))
    for entry in ledger().entries(model):
        table.add_row(*_row(entry, full=full), style=STYLE.get(entry.what))
    return table


def weekly_numbers(use_case: UseCase) -> pl.DataFrame:
    """One row a monitored window: window_end, version, roc_auc, cost, coverage; oldest first.

    A metric is null where the window was not mature.
    """
    lake = lake_of(use_case.name)
    if not lake.exists("monitoring"):
        return pl.DataFrame(schema=_WEEKLY)
    length = pl.col("window_end") - pl.col("window_start")
    return (
        lake.scan("monitoring")
        .filter(pl.col("kind") == "performance", pl.col("subject").is_in(SHOWN))
        .filter(length == use_case.monitor.window)
        .group_by("window_end", "model_version")
        .agg(
            *(
                pl.col("value").filter(pl.col("subject") == name).first().alias(name)
                for name in SHOWN
            ),
            pl.col("coverage").max(),
        )
        .sort("window_end")
        .collect()
    )


def picture(use_case: UseCase, path: Path) -> Path:
    """AUC and cost by window as a PNG, with alerts, promotions and refusals marked."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    weeks, entries = weekly_numbers(use_case), ledger().entries(use_case.name)
    figure, panels = pyplot.subplots(
        2, 1, figsize=(11, 6), sharex=True, layout="constrained", height_ratios=[3, 2]
    )
    for axes, metric, title in zip(panels, SHOWN, ("ROC AUC", "cost per prediction"), strict=True):
        _line(axes, weeks, metric)
        first = entries[0].at if entries else None
        mark(axes, entries, first, named=axes is panels[0])
        dates(axes)
        tidy(axes, "")
        axes.set_ylabel(f"{title}, by week")
    panels[0].legend(loc="lower left", frameon=False, ncols=6)
    figure.suptitle(use_case.title, x=0.01, ha="left", fontsize=13, color=INK, weight="bold")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    pyplot.close(figure)
    return path


def _line(axes: Axes, weeks: pl.DataFrame, metric: str) -> None:
    """One metric by week, a colour for each version."""
    for version in weeks["model_version"].unique(maintain_order=True):
        part = weeks.filter(pl.col("model_version") == version).drop_nulls(metric)
        times: Any = part["window_end"].to_list()
        axes.plot(times, part[metric], "o-", markersize=4, label=f"version {version}")


def _windows(weeks: pl.DataFrame) -> RenderableType:
    table = Table(title="last windows", title_justify="left")
    for column in ("until", "version", "ROC AUC", "cost", "coverage"):
        table.add_column(column, justify="right")
    for end, version, auc, cost, coverage in weeks.iter_rows():
        shown = (_number(auc, 3), _number(cost, 3), _number(coverage, 2))
        table.add_row(f"{end:%Y-%m-%d}", str(version), *shown)
    return table if weeks.height else "no window was monitored yet"


def _row(entry: Entry, *, full: bool) -> tuple[str, ...]:
    when, what = f"{entry.at:%Y-%m-%d %H:%M}", happened(entry)
    if full:
        return when, what, str(entry.seq), entry.actor, json.dumps(entry.evidence, indent=1)
    return when, what, summary(entry)


def happened(entry: Entry) -> str:
    """What an entry says, with its version: `promoted v2`."""
    version = "" if entry.version is None else f" v{entry.version}"
    return entry.what.replace("_", " ") + version


def summary(entry: Entry) -> str:
    """One line of what an entry stands on."""
    if entry.what in ("promoted", "refused"):
        return str(entry.evidence.get("reason", ""))
    if entry.what == "candidate_registered":
        return _candidate(entry.evidence)
    return _cause(entry)


def _candidate(evidence: dict[str, Any]) -> str:
    found, rows = evidence["holdout"], evidence["rows"]
    numbers = ", ".join(f"{name} {found[name]:.3f}" for name in SHOWN)
    return f"{evidence['algorithm']} on {rows['train']:,} rows; holdout {numbers}"


def _cause(entry: Entry) -> str:
    said = entry.evidence.get("message") or entry.evidence.get("reason")
    return str(said or entry.key)


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"
