"""Status of a use case for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import polars as pl
from rich.console import Group, RenderableType
from rich.text import Text

from configs.schema.use_case import UseCase
from configs.settings import settings
from tasks.evaluation.metrics import METRIC_NAMES
from tasks.ingestion.landing import list_refused_files
from tasks.ledger.causes import LOST_KIND
from tasks.ledger.descriptions import (
    describe_evidence,
    describe_no_champion,
    read_bake_end,
    read_severity,
)
from tasks.ledger.evidence import EpisodeOpened, read_evidence
from tasks.ledger.log import Entry, open_ledger
from tasks.ledger.state import LedgerState, read_ledger_state
from tasks.monitoring.history_chart import read_window_metrics
from tasks.monitoring.measurements import read_other_labels
from tasks.reporting.formats import format_moment, format_number, format_share
from tasks.reporting.table import Column, Table, build_table
from tasks.reporting.terminal import render_terminal, render_text
from tasks.rollout.prediction_log import PREDICTIONS
from tasks.rollout.state import find_rollout
from tasks.storage.lake import open_lake

WINDOWS_SHOWN = 6
FILES_SHOWN = 5


@dataclass(frozen=True)
class Status:
    """What is known of a use case at a moment."""

    use_case: UseCase
    at: datetime
    ledger: LedgerState
    windows: pl.DataFrame
    refused: pl.DataFrame
    other_labels: Mapping[str, int]
    scored_until: datetime | None
    has_rows: bool

    @property
    def judged_until(self) -> datetime | None:
        """The end of the newest window whose performance could be measured."""
        measured = self.windows.filter(pl.col("coverage") > 0)
        return None if measured.is_empty() else measured.row(-1)[0]

    def to_record(self) -> dict[str, object]:
        """Return the status for `--json`."""
        champion, rollout = self.ledger.champion, find_rollout(self.ledger.entries)
        return {
            "use_case": self.use_case.name,
            "title": self.use_case.title,
            "champion": champion and {"version": champion.version, "since": champion.at},
            "rollout": rollout and {"version": rollout.version, "share": rollout.share},
            "bake_until": None if champion is None else read_bake_end(champion),
            "scored_until": self.scored_until,
            "judged_until": self.judged_until,
            "open_episodes": [
                {"since": e.at, "severity": read_severity(e), "text": describe_evidence(e)}
                for e in self.ledger.open_episodes
            ],
            "refused_files": self.refused.select("path", "reason", "as_of").to_dicts(),
            "windows": self.windows.to_dicts(),
        }


def read_status(use_case: UseCase, at: datetime) -> Status:
    """Read the status of a use case from its ledger and lake; nothing is written."""
    lake, time = open_lake(use_case.name), use_case.spine.time
    newest = lake.scan(PREDICTIONS).select(pl.col(time).max()) if lake.exists(PREDICTIONS) else None
    return Status(
        use_case,
        at,
        read_ledger_state(open_ledger(), use_case.name),
        read_window_metrics(use_case).tail(WINDOWS_SHOWN),
        list_refused_files(use_case),
        read_other_labels(lake),
        None if newest is None else newest.collect().item(),
        any(lake.exists(f"raw/{table}") for table in use_case.tables),
    )


def render_status(use_case: UseCase, at: datetime) -> RenderableType:
    """Return a use case's lost rows, champion, open episodes and last monitored windows."""
    status = read_status(use_case, at)
    episodes = status.ledger.open_episodes
    lost = [e for e in episodes if read_evidence(e, EpisodeOpened).kind == LOST_KIND]
    lines = [render_text(f"{use_case.name}: {use_case.title}", "bold")]
    lines += [_render_episode(episode) for episode in lost]
    lines += _render_refused_files(status.refused)
    lines += map(render_text, _describe_champion(status))
    lines += [_render_episode(episode) for episode in episodes if episode not in lost]
    if not episodes and status.ledger.champion is not None:
        lines.append(_render_quiet(status))
    lines += _render_other_labels(status)
    if status.windows.is_empty():
        return Group(*lines, "no window was monitored yet")
    return Group(*lines, render_terminal(tabulate_windows(status.windows)))


def _render_quiet(status: Status) -> Text:
    """Return a line for no open episode, which only says that all is well if it was measured."""
    if status.windows.is_empty():
        return Text("no open episode, but nothing was monitored yet")
    if (until := status.judged_until) is None:
        text = "no open episode; performance is unknown, since no label of the last windows came"
        return Text(text, "yellow")
    return Text(f"no open episode; performance is measured up to {until:%Y-%m-%d}", "green")


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


def _render_other_labels(status: Status) -> list[Text]:
    if not status.other_labels:
        return []
    counts = ", ".join(f"{value!r} in {rows} rows" for value, rows in status.other_labels.items())
    return [render_text(f"values of {status.use_case.label.column} that are no label: {counts}")]


def _render_refused_files(refused: pl.DataFrame) -> list[Text]:
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


def _describe_champion(status: Status) -> list[str]:
    """Describe the champion and its trials, or why there is none."""
    ledger, name = status.ledger, status.use_case.name
    champion = ledger.champion
    if champion is None and not status.has_rows and not ledger.entries:
        landing = f"{settings().landing}/{name}"
        return [f"no rows yet: put files into {landing}, then run mainspring run ingest {name}"]
    if champion is None:
        return [describe_no_champion(ledger.entries, name)]
    since = f"champion: version {champion.version} since {format_moment(champion.at)} UTC"
    scored = status.scored_until
    newest = f"newest prediction: {format_moment(scored)} UTC" if scored else "nothing scored yet"
    return [since, newest, *_describe_trials(ledger, champion, status.at)]


def _describe_trials(ledger: LedgerState, champion: Entry, at: datetime) -> list[str]:
    """Describe the running rollout, and until when the champion's bake window lasts."""
    rollout, bake_until = find_rollout(ledger.entries), read_bake_end(champion)
    lines = []
    if rollout is not None:
        stage = f"stage {rollout.stage + 1} of {len(rollout.shares)}, {format_share(rollout.share)}"
        lines.append(f"rollout ({rollout.kind}): version {rollout.version}, {stage}")
    if bake_until and bake_until > at:
        lines.append(f"compared with the previous champion until {bake_until:%Y-%m-%d}")
    return lines
