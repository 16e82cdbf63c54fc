"""Status of a use case for a terminal."""

from __future__ import annotations

import polars as pl
from rich.console import Group, RenderableType
from rich.text import Text

from configs.schema.use_case import UseCase
from tasks.evaluation.metrics import METRIC_NAMES
from tasks.ingestion.landing import list_refused_files
from tasks.ledger.causes import LOST_KIND
from tasks.ledger.descriptions import describe_evidence, describe_no_champion, read_bake_end
from tasks.ledger.evidence import EpisodeOpened, read_evidence
from tasks.ledger.log import Entry, open_ledger
from tasks.ledger.state import LedgerState, read_ledger_state
from tasks.monitoring.history_chart import read_window_metrics
from tasks.monitoring.measurements import read_other_labels
from tasks.reporting.formats import format_moment, format_number, format_share
from tasks.reporting.table import Column, Table, build_table
from tasks.reporting.terminal import render_terminal, render_text
from tasks.rollout.state import find_rollout
from tasks.storage.lake import open_lake

WINDOWS_SHOWN = 6
FILES_SHOWN = 5


def render_status(use_case: UseCase) -> RenderableType:
    """Return a use case's lost rows, champion, open episodes and last monitored windows."""
    ledger = read_ledger_state(open_ledger(), use_case.name)
    lost = [e for e in ledger.open_episodes if read_evidence(e, EpisodeOpened).kind == LOST_KIND]
    lines = [render_text(f"{use_case.name}: {use_case.title}", "bold")]
    lines += [_render_episode(episode) for episode in lost]
    lines += _render_refused_files(use_case)
    lines += map(render_text, _describe_champion(ledger, use_case.name))
    others = [_render_episode(episode) for episode in ledger.open_episodes if episode not in lost]
    lines += others or ([] if lost else [Text("no open episode")])
    lines += _render_other_labels(use_case)
    windows = read_window_metrics(use_case).tail(WINDOWS_SHOWN)
    if windows.is_empty():
        return Group(*lines, "no window was monitored yet")
    return Group(*lines, render_terminal(tabulate_windows(windows)))


def tabulate_windows(windows: pl.DataFrame) -> Table:
    """Return the metrics of monitored windows as a table, a window a row."""
    metrics = windows.columns[2:-1]
    titles = ("until", "version", *(METRIC_NAMES[metric] for metric in metrics), "coverage")
    rows = [
        (
            f"{end:%Y-%m-%d}",
            str(version),
            *(format_number(value, 3) for value in values),
            format_number(coverage, 2),
        )
        for end, version, *values, coverage in windows.iter_rows()
    ]
    return build_table([Column(title, "right") for title in titles], rows, "last windows")


def _render_other_labels(use_case: UseCase) -> list[Text]:
    other = read_other_labels(open_lake(use_case.name))
    if not other:
        return []
    counts = ", ".join(f"{value!r} in {rows} rows" for value, rows in other.items())
    return [render_text(f"values of {use_case.label.column} that are no label: {counts}")]


def _render_refused_files(use_case: UseCase) -> list[Text]:
    refused = list_refused_files(use_case)
    lines = [
        Text.assemble(
            Text(f"refused since {since:%Y-%m-%d %H:%M}", "yellow"), ": ", render_text(reason)
        )
        for since, reason in refused.select("as_of", "reason").head(FILES_SHOWN).iter_rows()
    ]
    more = refused.height - FILES_SHOWN
    return [*lines, Text(f"{more} more files are refused")] if more > 0 else lines


def _render_episode(episode: Entry) -> Text:
    since = Text(f"open since {episode.at:%Y-%m-%d}", "red")
    return Text.assemble(since, ": ", render_text(describe_evidence(episode)))


def _describe_champion(ledger: LedgerState, model: str) -> list[str]:
    """Describe the champion and its trials, or why there is none."""
    champion = ledger.champion
    if champion is None:
        return [describe_no_champion(ledger.entries, model)]
    since = f"champion: version {champion.version} since {format_moment(champion.at)} UTC"
    return [since, *_describe_trials(ledger, champion)]


def _describe_trials(ledger: LedgerState, champion: Entry) -> list[str]:
    """Describe the running rollout, and until when the champion's bake window lasts."""
    rollout, bake_until = find_rollout(ledger.entries), read_bake_end(champion)
    lines = []
    if rollout is not None:
        stage = f"stage {rollout.stage + 1} of {len(rollout.shares)}, {format_share(rollout.share)}"
        lines.append(f"rollout ({rollout.kind}): version {rollout.version}, {stage}")
    if bake_until:
        lines.append(f"compared with the previous champion until {bake_until:%Y-%m-%d}")
    return lines
