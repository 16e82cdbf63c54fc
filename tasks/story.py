"""What happened to a model, told to a person: status and history for a terminal, one picture."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import polars as pl
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from configs.use_case import UseCase
from tasks.evaluation import METRIC_NAMES
from tasks.kinds import KINDS, kind_of
from tasks.lake import lake_of
from tasks.ledger import Entry, champion, ledger, open_episodes
from tasks.plots import INK, dates, mark, png, tidy
from tasks.rollout import rolling

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STYLE = {
    "promoted": "bold green",
    "refused": "yellow",
    "alert_raised": "bold red",
    "episode_opened": "red",
    "episode_closed": "green",
    "rollout_started": "cyan",
    "rollout_grown": "cyan",
    "deferred": "dim",
    "approval_asked": "bold yellow",
    "approved": "green",
    "rejected": "yellow",
    "rollback_asked": "bold red",
    "rolled_back": "bold magenta",
}
PLUMBING = ("step_asked", "notified")  # asks and messages: in the full history only
VERDICTS = {"pass": "[green]✓ pass[/]", "fail": "[red]✗ fail[/]", "wait": "[yellow]… wait[/]"}
WINDOWS_SHOWN = 6


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
    lines += _on_trial(entries, now)
    bad = open_episodes(entries)
    lines += [f"[red]open since {e.at:%Y-%m-%d}[/]: {summary(e)}" for e in bad] or ["all is well"]
    return Group(*lines, _windows(weekly_numbers(use_case).tail(WINDOWS_SHOWN)))


def _on_trial(entries: Sequence[Entry], now: Entry) -> list[str]:
    """What still proves itself: the roll-out that runs, and until when the champion bakes."""
    rolls, bakes = rolling(entries), now.evidence.get("bake_until")
    said = []
    if rolls is not None:
        stage = f"stage {rolls.stage + 1} of {len(rolls.shares)}, {rolls.share:.0%}"
        said.append(f"rolls out ({rolls.kind}): version {rolls.version}, {stage}")
    if bakes:
        said.append(f"compared with the champion before until {bakes[:10]}")
    return said


def history_of(model: str, *, full: bool = False, gates: bool = False) -> RenderableType:
    """The ledger of a model, an entry a row; `full` prints the evidence as it was written, and
    `gates` the table of gates of each decision below it all.
    """
    entries = [e for e in ledger().entries(model) if full or e.what not in PLUMBING]
    table = Table(title=f"ledger of {model}", title_justify="left", show_lines=full)
    for column in ("when (UTC)", "what", *(("seq", "by") if full else ()), "evidence"):
        table.add_column(column, no_wrap=column in ("when (UTC)", "what", "seq"))
    for entry in entries:
        table.add_row(*_row(entry, full=full), style=STYLE.get(entry.what))
    tables = [shown for e in entries if gates and (shown := gates_of(e)) is not None]
    return Group(table, *tables)


def gates_of(entry: Entry) -> Table | None:
    """The gates that an entry stands on: asked, measured, verdict, a line each; None without."""
    lines = entry.evidence.get("gates")
    if not lines:
        return None
    title = f"{entry.at:%Y-%m-%d}  {happened(entry)}"
    table = Table(title=title, title_justify="left", title_style=STYLE.get(entry.what, ""))
    for column in ("gate", "asked", "measured", "verdict"):
        table.add_column(column, no_wrap=column == "verdict")
    for line in lines:
        said = (escape(str(line[name])) for name in ("gate", "asked", "measured"))
        table.add_row(*said, VERDICTS.get(line["verdict"], f"[dim]{line['verdict']}[/]"))
    return table


def weekly_numbers(use_case: UseCase) -> pl.DataFrame:
    """One row a monitored window: window_end, model_version, the metrics that the label's kind
    shows, coverage; oldest first.

    A metric is null where the window was not mature.
    """
    lake, shown = lake_of(use_case.name), kind_of(use_case).shown
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


def picture(use_case: UseCase) -> bytes:
    """What a kind shows, by window, as a PNG, with alerts, promotions and refusals marked."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    weeks, entries = weekly_numbers(use_case), ledger().entries(use_case.name)
    shown = kind_of(use_case).shown
    heights = [3, *(2 for _ in shown[1:])]
    figure, panels = pyplot.subplots(
        len(shown), 1, figsize=(11, 1 + sum(heights)), sharex=True, layout="constrained",
        height_ratios=heights,
    )  # fmt: skip
    for axes, metric in zip(panels, shown, strict=True):
        _line(axes, weeks, metric)
        first = entries[0].at if entries else None
        mark(axes, entries, first, named=axes is panels[0])
        dates(axes)
        tidy(axes, "")
        title = METRIC_NAMES[metric] + (" per prediction" if metric == "cost" else "")
        axes.set_ylabel(f"{title}, by week")
    panels[0].legend(loc="lower left", frameon=False, ncols=6)
    figure.suptitle(use_case.title, x=0.01, ha="left", fontsize=13, color=INK, weight="bold")
    drawn = png(figure, dpi=130)
    pyplot.close(figure)
    return drawn


def _line(axes: Axes, weeks: pl.DataFrame, metric: str) -> None:
    """One metric by week, a colour for each version."""
    for version in weeks["model_version"].unique(maintain_order=True):
        part = weeks.filter(pl.col("model_version") == version).drop_nulls(metric)
        times: Any = part["window_end"].to_list()
        axes.plot(times, part[metric], "o-", markersize=4, label=f"version {version}")


def _windows(weeks: pl.DataFrame) -> RenderableType:
    table = Table(title="last windows", title_justify="left")
    metrics = weeks.columns[2:-1]
    for column in ("until", "version", *(METRIC_NAMES[metric] for metric in metrics), "coverage"):
        table.add_column(column, justify="right")
    for end, version, *numbers, coverage in weeks.iter_rows():
        shown = (*(_number(value, 3) for value in numbers), _number(coverage, 2))
        table.add_row(f"{end:%Y-%m-%d}", str(version), *shown)
    return table if weeks.height else "no window was monitored yet"


def _row(entry: Entry, *, full: bool) -> tuple[str, ...]:
    when, what = f"{entry.at:%Y-%m-%d %H:%M}", happened(entry)
    if full:
        return when, what, str(entry.seq), entry.actor, json.dumps(entry.evidence, indent=1)
    return when, what, summary(entry)


def happened(entry: Entry) -> str:
    """What an entry says, with its version: `promoted v2`, `rolled back to v1`."""
    what = entry.what.replace("_", " ")
    share = entry.evidence.get("share")
    if entry.version is None:
        return what
    said = (
        f"{what} to v{entry.version}" if entry.what == "rolled_back" else f"{what} v{entry.version}"
    )
    return f"{said} ({share:.0%})" if share else said


def summary(entry: Entry) -> str:
    """One line of what an entry stands on."""
    if entry.what == "candidate_registered":
        return _candidate(entry.evidence)
    said = str(entry.evidence.get("reason") or entry.evidence.get("message") or entry.key)
    return f"by {entry.actor}: {said}" if _by_a_person(entry) else said


def _by_a_person(entry: Entry) -> bool:
    """Whether a person did it, who is named then: an answer, or a promotion or rollback by hand."""
    by_hand = entry.key.startswith("hand:") or entry.evidence.get("by_hand")
    return bool(by_hand) or entry.what in ("approved", "rejected")


def _candidate(evidence: dict[str, Any]) -> str:
    found, rows = evidence["holdout"], evidence["rows"]
    shown = KINDS[evidence.get("kind", "binary")].shown  # there was one kind once
    numbers = ", ".join(f"{name} {_number(found[name], 3)}" for name in shown)
    return f"{evidence['algorithm']} on {rows['train']:,} rows; holdout {numbers}"


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"
