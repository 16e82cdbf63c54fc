"""What happened to a model, told to a person: status and history for a terminal, one picture."""

from __future__ import annotations

import json
from collections.abc import Sequence

import polars as pl
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from configs.schema.use_case import UseCase
from tasks.evaluation.metrics import METRIC_NAMES
from tasks.ledger.descriptions import describe_event, describe_evidence, format_number
from tasks.ledger.log import Entry, open_ledger
from tasks.ledger.projections import find_champion, list_open_episodes
from tasks.monitoring.history_chart import read_window_metrics
from tasks.rollout.state import find_rollout

EVENT_STYLES = {
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

INTERNAL_EVENTS = ("step_asked", "notified")  # asks and messages: in the full history only
VERDICT_MARKUP = {"pass": "[green]✓ pass[/]", "fail": "[red]✗ fail[/]", "wait": "[yellow]… wait[/]"}
WINDOWS_SHOWN = 6


def status_view(use_case: UseCase) -> RenderableType:
    """Champion, last windows and open episodes of one use case."""
    entries = open_ledger().entries(use_case.name)
    head = Text(f"{use_case.name}: {use_case.title}", style="bold")
    now = find_champion(entries)
    if now is None:
        return Group(head, f"no champion yet: run train/{use_case.name}")
    lines: list[RenderableType] = [
        head,
        f"champion: version {now.version} since {now.at:%Y-%m-%d %H:%M} UTC",
    ]
    lines += _on_trial(entries, now)
    bad = list_open_episodes(entries)
    lines += [f"[red]open since {e.at:%Y-%m-%d}[/]: {describe_evidence(e)}" for e in bad] or [
        "all is well"
    ]
    return Group(*lines, _windows(read_window_metrics(use_case).tail(WINDOWS_SHOWN)))


def _on_trial(entries: Sequence[Entry], now: Entry) -> list[str]:
    """What still proves itself: the roll-out that runs, and until when the champion bakes."""
    rolls, bakes = find_rollout(entries), now.evidence.get("bake_until")
    said = []
    if rolls is not None:
        stage = f"stage {rolls.stage + 1} of {len(rolls.shares)}, {rolls.share:.0%}"
        said.append(f"rolls out ({rolls.kind}): version {rolls.version}, {stage}")
    if bakes:
        said.append(f"compared with the champion before until {bakes[:10]}")
    return said


def history_view(model: str, *, full: bool = False, gates: bool = False) -> RenderableType:
    """The ledger of a model, an entry a row; `full` prints the evidence as it was written, and
    `gates` the table of gates of each decision below it all.
    """
    entries = [e for e in open_ledger().entries(model) if full or e.what not in INTERNAL_EVENTS]
    table = Table(title=f"ledger of {model}", title_justify="left", show_lines=full)
    for column in ("when (UTC)", "what", *(("seq", "by") if full else ()), "evidence"):
        table.add_column(column, no_wrap=column in ("when (UTC)", "what", "seq"))
    for entry in entries:
        table.add_row(*_row(entry, full=full), style=EVENT_STYLES.get(entry.what))
    tables = [shown for e in entries if gates and (shown := gates_view(e)) is not None]
    return Group(table, *tables)


def gates_view(entry: Entry) -> Table | None:
    """The gates that an entry stands on: asked, measured, verdict, a line each; None without."""
    lines = entry.evidence.get("gates")
    if not lines:
        return None
    title = f"{entry.at:%Y-%m-%d}  {describe_event(entry)}"
    table = Table(title=title, title_justify="left", title_style=EVENT_STYLES.get(entry.what, ""))
    for column in ("gate", "asked", "measured", "verdict"):
        table.add_column(column, no_wrap=column == "verdict")
    for line in lines:
        said = (escape(str(line[name])) for name in ("gate", "asked", "measured"))
        table.add_row(*said, VERDICT_MARKUP.get(line["verdict"], f"[dim]{line['verdict']}[/]"))
    return table


def _windows(weeks: pl.DataFrame) -> RenderableType:
    table = Table(title="last windows", title_justify="left")
    metrics = weeks.columns[2:-1]
    for column in ("until", "version", *(METRIC_NAMES[metric] for metric in metrics), "coverage"):
        table.add_column(column, justify="right")
    for end, version, *numbers, coverage in weeks.iter_rows():
        shown = (*(format_number(value, 3) for value in numbers), format_number(coverage, 2))
        table.add_row(f"{end:%Y-%m-%d}", str(version), *shown)
    return table if weeks.height else "no window was monitored yet"


def _row(entry: Entry, *, full: bool) -> tuple[str, ...]:
    when, what = f"{entry.at:%Y-%m-%d %H:%M}", describe_event(entry)
    if full:
        return when, what, str(entry.seq), entry.actor, json.dumps(entry.evidence, indent=1)
    return when, what, describe_evidence(entry)
