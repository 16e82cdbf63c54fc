"""Summary of a model for the page of all models: one small JSON file a model."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from pydantic import BaseModel, ConfigDict, ValidationError

from configs.errors import MainspringError
from configs.settings import settings
from tasks.overview.alert_rows import build_alert_rows
from tasks.overview.facts import NEVER, ModelFacts
from tasks.overview.metrics.gauges import GaugeValue, build_gauges
from tasks.overview.next_steps import (
    ModelState,
    describe_age,
    describe_next_step,
    find_model_state,
    find_next_due,
)
from tasks.overview.trends import Numbers, Trend, build_windows
from tasks.rollout.state import find_rollout
from tasks.storage import files

LONGEST_TREND = 104  # windows of a sparkline: two years of weeks, about one a pixel


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class TrendSummary(_Part):
    """The last windows of a metric."""

    title: str
    values: Numbers
    limits: Numbers
    reference: float | None
    bad_above: bool
    rule: str = ""
    ruled: Numbers = []


class OpenAlert(_Part):
    """An open episode: the number of its entry, its severity, and what is bad since when."""

    seq: int
    severity: str
    style: str
    cause: str
    since: datetime


class ModelSummary(_Part):
    """What the page of all models shows of one."""

    name: str
    title: str
    state: ModelState
    step: str
    moment: datetime
    champion: int | None = None
    since: datetime | None = None
    age: str = ""
    trial: str = ""
    scored: datetime | None = None
    labelled: datetime | None = None
    monitored: datetime | None = None
    coverage: float | None = None
    due: datetime | None = None
    due_for: str = ""
    trends: tuple[TrendSummary, ...] = ()
    alerts: tuple[OpenAlert, ...] = ()
    gauges: tuple[GaugeValue, ...] = ()


def build_summary(facts: ModelFacts, trends: list[Trend]) -> ModelSummary:
    """Return the summary of a model.

    Args:
        facts: the facts of the model.
        trends: its trends.
    """
    champion, due = facts.ledger.champion, find_next_due(facts)
    coverage = build_windows(facts.measured)["coverage"].drop_nulls()
    return ModelSummary(
        name=facts.use_case.name,
        title=facts.use_case.title,
        state=find_model_state(facts),
        step=describe_next_step(facts),
        moment=facts.moment,
        champion=facts.ledger.champion_version,
        since=champion.at if champion else None,
        age=describe_age(champion.at, facts.moment) if champion else "",
        trial=_describe_trial(facts),
        scored=facts.latest.get("scored"),
        labelled=facts.latest.get("labelled"),
        monitored=facts.latest.get("monitored"),
        coverage=None if coverage.is_empty() else coverage[-1],
        due=due[0] if due else None,
        due_for=due[1] if due else "",
        trends=tuple(map(_summarise_trend, trends)),
        alerts=tuple(_list_open_alerts(facts)),
        gauges=build_gauges(facts),
    )


def _summarise_trend(trend: Trend) -> TrendSummary:
    return TrendSummary(
        title=trend.title,
        values=trend.values[-LONGEST_TREND:],
        limits=trend.limits[-LONGEST_TREND:],
        reference=trend.reference,
        bad_above=trend.lower_is_better,
        rule=trend.rule,
        ruled=trend.ruled[-LONGEST_TREND:],
    )


def _list_open_alerts(facts: ModelFacts) -> Iterator[OpenAlert]:
    for row in build_alert_rows(facts.ledger.entries):
        if row.until is None:
            yield OpenAlert(
                seq=row.seq,
                severity=row.severity,
                style=row.style,
                cause=row.cause,
                since=row.since,
            )


def _describe_trial(facts: ModelFacts) -> str:
    """Return the version that is tried beside the champion; empty without one."""
    rollout = find_rollout(facts.ledger.entries)
    if rollout is None:
        return ""
    share = f"at {rollout.share:.0%}" if rollout.share else "in shadow"
    return f"version {rollout.version} {share}"


def build_broken_summary(name: str, title: str, reason: str, moment: datetime) -> ModelSummary:
    """Return the summary of a model whose facts cannot be read.

    Args:
        name: the use case.
        title: its title, or its name.
        reason: why, as its error says.
        moment: of the run that tried.
    """
    return ModelSummary(name=name, title=title, state="broken", step=reason, moment=moment)


def write_summary(summary: ModelSummary) -> None:
    """Write the summary of a model."""
    files.write_file(f"{_folder()}/{summary.name}.json", summary.model_dump_json().encode())


def read_summaries() -> dict[str, ModelSummary]:
    """Return the summaries of all models by name; an unreadable one says so."""
    summaries = {}
    for file in files.list_files(_folder()):
        name = file.path.removesuffix(".json")
        if file.path.startswith(".") or name == file.path:
            continue
        reason = "Its summary cannot be read; the next monitor run writes it."
        summaries[name] = read_summary(name) or build_broken_summary(name, name, reason, NEVER)
    return summaries


def read_summary(name: str) -> ModelSummary | None:
    """Return the summary of a model; None if there is none that can be read."""
    try:
        content = files.read_file(f"{_folder()}/{name}.json")
        return ModelSummary.model_validate_json(content)
    except (ValidationError, FileNotFoundError, MainspringError):
        return None


def _folder() -> str:
    """Return the folder of the summaries; no use case can have its name."""
    return f"{settings().reports}/_overview"
