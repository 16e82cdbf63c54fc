"""What happened to a model, told to a person: status and history for a terminal, one picture."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from configs.use_case import UseCase
from tasks.lake import lake_of
from tasks.ledger import Entry, champion, ledger, open_episodes

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
    for column in ("seq", "when (UTC)", "what", "version", "by", "evidence"):
        table.add_column(column, no_wrap=column in ("seq", "when (UTC)", "what"))
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
    figure, (top, bottom) = pyplot.subplots(
        2, 1, figsize=(11, 6), sharex=True, gridspec_kw={"height_ratios": [3, 2]}
    )
    _line(top, weeks, "roc_auc", "ROC AUC, by week")
    _line(bottom, weeks, "cost", "cost per prediction")
    _marks((top, bottom), entries)
    top.set_title(use_case.title, loc="left", fontsize=13, pad=28)
    figure.autofmt_xdate(rotation=0, ha="center")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130, bbox_inches="tight")
    pyplot.close(figure)
    return path


def _line(axes: Axes, weeks: pl.DataFrame, metric: str, title: str) -> None:
    """One metric by week, a colour for each version."""
    for number, (version,) in enumerate(
        weeks.select("model_version").unique(maintain_order=True).iter_rows()
    ):
        part = weeks.filter(pl.col("model_version") == version).drop_nulls(metric)
        axes.plot(
            part["window_end"].to_list(), part[metric].to_list(),
            marker="o", markersize=4, color=f"C{number}", label=f"version {version}",
        )  # fmt: skip
    axes.set_ylabel(title)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    if metric == "roc_auc":
        axes.legend(loc="lower left", frameon=False, ncols=6)


def _marks(both: Sequence[Axes], entries: Sequence[Entry]) -> None:
    """Vertical lines where something happened, named above the upper axes."""
    looks = {
        "alert_raised": ("tab:red", ":", "alert"),
        "promoted": ("tab:green", "-", "v{} promoted"),
        "refused": ("tab:orange", "--", "v{} refused"),
    }
    for entry in entries:
        if entry.what not in looks:
            continue
        colour, dashes, name = looks[entry.what]
        for axes in both:
            axes.axvline(entry.at, color=colour, linestyle=dashes, linewidth=1.2, alpha=0.8)  # type: ignore[arg-type]
        raised = 1.01 if entry.what == "alert_raised" else 1.06
        both[0].text(
            entry.at, raised, name.format(entry.version),  # type: ignore[arg-type]
            transform=both[0].get_xaxis_transform(), color=colour, fontsize=8, ha="center",
        )  # fmt: skip


def _windows(weeks: pl.DataFrame) -> RenderableType:
    table = Table(title="last windows", title_justify="left")
    for column in ("until", "version", "ROC AUC", "cost", "coverage"):
        table.add_column(column, justify="right")
    for end, version, auc, cost, coverage in weeks.iter_rows():
        shown = (_number(auc, 3), _number(cost, 3), _number(coverage, 2))
        table.add_row(f"{end:%Y-%m-%d}", str(version), *shown)
    return table if weeks.height else "no window was monitored yet"


def _row(entry: Entry, *, full: bool) -> tuple[str, ...]:
    evidence = json.dumps(entry.evidence, indent=1) if full else summary(entry)
    version = "" if entry.version is None else str(entry.version)
    what, actor = entry.what.replace("_", " "), _actor(entry.actor)
    when = f"{entry.at:%Y-%m-%d %H:%M}"
    return str(entry.seq), when, what, version, actor, evidence


def _actor(name: str) -> str:
    """An actor with the run ids cut to what the Prefect UI needs to find them."""
    return re.sub(r"\b([0-9a-f]{8})-[0-9a-f-]{27}\b", r"\1", name)


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
