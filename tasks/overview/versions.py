"""Versions of a model side by side: origin, data, metrics with intervals, size and speed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tasks.evaluation.metrics import METRIC_NAMES
from tasks.evaluation.problem_types import PROBLEM_TYPES
from tasks.ledger.descriptions import describe_standing
from tasks.ledger.evidence import CandidateRegistered, read_evidence
from tasks.models.card import ModelCard
from tasks.overview.facts import ModelFacts
from tasks.overview.links import link_version
from tasks.reporting.formats import MISSING, format_count, format_interval, format_moment

_Value = tuple[str, float | None]


@dataclass(frozen=True)
class VersionColumn:
    """One version: where it stands, and its pages."""

    version: int
    standing: str
    is_champion: bool
    card: str
    mlflow: str


@dataclass(frozen=True)
class VersionFact:
    """One fact of every version: its text, and its number where a difference makes sense."""

    name: str
    values: list[_Value]


@dataclass(frozen=True)
class VersionTable:
    """All versions, the newest last, and their facts."""

    columns: list[VersionColumn]
    facts: list[VersionFact]


def build_version_table(facts: ModelFacts) -> VersionTable:
    """Return every registered version with its facts; cards give more than the ledger."""
    registered = {
        e.version: read_evidence(e, CandidateRegistered)
        for e in facts.ledger.entries
        if e.what == "candidate_registered" and e.version is not None
    }
    versions = sorted(registered)
    columns = [_build_column(facts, version) for version in versions]
    rows = [
        VersionFact(name, [read(registered[version]) for version in versions])
        for name, read in _LEDGER_FACTS.items()
    ]
    rows += _list_metrics(facts, [(registered[v], facts.cards.get(v)) for v in versions])
    rows += [
        VersionFact(name, [_read_card(facts.cards.get(v), read) for v in versions])
        for name, read in _CARD_FACTS.items()
    ]
    return VersionTable(columns, rows)


def _build_column(facts: ModelFacts, version: int) -> VersionColumn:
    card, name = f"models/v{version}.html", facts.use_case.name
    return VersionColumn(
        version=version,
        standing=describe_standing(facts.ledger.entries, version),
        is_champion=version == facts.ledger.champion_version,
        card=card if card in facts.reports else "",
        mlflow=link_version(name, version),
    )


def _list_metrics(
    facts: ModelFacts, pairs: Sequence[tuple[CandidateRegistered, ModelCard | None]]
) -> list[VersionFact]:
    """Return the holdout metrics that the problem type puts on a card, each with its interval."""
    problem_type = PROBLEM_TYPES[facts.use_case.label.kind]
    shown = dict.fromkeys(
        (*problem_type.status_metrics, *problem_type.interval_metrics, *problem_type.slice_metrics)
    )
    rows = []
    for name in shown:
        values = [_read_metric(evidence, card, name) for evidence, card in pairs]
        if any(number is not None for _, number in values):
            title = METRIC_NAMES.get(name, name.replace("_", " "))
            rows.append(VersionFact(f"holdout: {title}", values))
    return rows


def _read_metric(evidence: CandidateRegistered, card: ModelCard | None, name: str) -> _Value:
    value = evidence.holdout.get(name)
    low, high = card.intervals.get(name, (None, None)) if card else (None, None)
    return format_interval(value, low, high, 4), value


def _read_card(card: ModelCard | None, read: Callable[[ModelCard], _Value]) -> _Value:
    return (MISSING, None) if card is None else read(card)


_LEDGER_FACTS: dict[str, Callable[[CandidateRegistered], _Value]] = {
    "algorithm": lambda e: (e.algorithm or MISSING, None),
    "trained for": lambda e: ("an alert" if e.origin.startswith("alert:") else "a schedule", None),
    "uses rows until": lambda e: (format_moment(e.trained_until), None),
    "rows to fit": lambda e: (format_count(e.rows.get("train")), _as_float(e.rows.get("train"))),
    "rows of the holdout": lambda e: (
        format_count(e.rows.get("holdout")), _as_float(e.rows.get("holdout")),
    ),
}  # fmt: skip
_CARD_FACTS: dict[str, Callable[[ModelCard], _Value]] = {
    "inputs": lambda c: (str(len(c.inputs.inputs)), float(len(c.inputs.inputs))),
    "file": lambda c: (f"{format_count(c.footprint.bytes)} bytes", float(c.footprint.bytes)),
    "one row": lambda c: (
        f"{c.footprint.latency_p50_us:.0f} µs, p99 {c.footprint.latency_p99_us:.0f} µs",
        c.footprint.latency_p50_us,
    ),
    "rows a second": lambda c: (
        format_count(c.footprint.rows_per_second), c.footprint.rows_per_second,
    ),
    "memory": lambda c: (f"{c.footprint.peak_memory_mib:.0f} MiB", c.footprint.peak_memory_mib),
    "code": lambda c: (c.revision[:10] or MISSING, None),
}  # fmt: skip


def _as_float(count: int | None) -> float | None:
    return None if count is None else float(count)
