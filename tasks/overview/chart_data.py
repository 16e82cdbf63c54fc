"""Data of a model page's charts: weeks, ledger marks and bands, and the drift map, as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import polars as pl

from tasks.ledger.descriptions import describe_event, describe_evidence
from tasks.ledger.evidence import AlertRaised, read_evidence
from tasks.ledger.log import Entry
from tasks.overview.facts import ModelFacts
from tasks.overview.trends import Trend, build_windows
from tasks.reporting.ledger_marks import LEDGER_MARKS, find_ledger_bands

MARKED = (*LEDGER_MARKS, "rollout_started", "rollout_grown", "retired")
_DIGITS = 5


def build_chart_data(facts: ModelFacts, trends: list[Trend]) -> dict[str, Any]:
    """Return what the charts of a model page show; texts are raw.

    Args:
        facts: the facts of the model.
        trends: its trends, in the order of the panels.
    """
    windows = build_windows(facts.measured)
    entries = facts.ledger.entries
    reports = {
        path.removeprefix("monitor/").removesuffix(".html"): path
        for path in facts.reports
        if path.startswith("monitor/") and path.endswith(".html")
    }
    return {
        "trends": [_describe_trend(trend) for trend in trends],
        "windows": {
            "ends": list(map(_as_text, windows["as_of"])),
            "version": windows["model_version"].to_list(),
            "coverage": _round(windows["coverage"]),
            "predicted": windows["predicted"].to_list(),
            "least": _round(windows["least"]),
        },
        "marks": [_describe_mark(e, entries) for e in entries if e.what in MARKED],
        "bands": [
            {"kind": band.kind, "start": _as_text(band.start), "end": _as_text(band.end),
             "name": band.name}
            for band in find_ledger_bands(entries, facts.moment)
        ],
        "drift": build_drift_map(facts.measured),
        "latency": [
            {"version": version, "at": _as_text(card.end), "p50": card.footprint.latency_p50_us,
             "p99": card.footprint.latency_p99_us}
            for version, card in facts.cards.items()
        ],
        "reports": reports,
    }  # fmt: skip


def build_drift_map(measured: pl.DataFrame) -> dict[str, Any]:
    """Return PSI and limit of each input by window; inputs above their limit most often first.

    Lists of a window have one number for each input, None where it was not measured.
    """
    drifts = measured.filter(pl.col("kind") == "drift")
    if drifts.is_empty():
        return {"inputs": [], "ends": [], "psi": [], "limit": [], "verdict": []}
    ratio = pl.col("value") / pl.col("threshold")
    order = (
        drifts.group_by("subject")
        .agg((ratio > 1).sum().alias("above"), ratio.max().alias("largest"))
        .sort("above", "largest", "subject", descending=[True, True, False])
    )
    inputs = order["subject"].to_list()
    columns = {"psi": "value", "limit": "threshold", "verdict": "verdict"}
    grids = {
        name: drifts.pivot("subject", index="as_of", values=column, aggregate_function="first")
        .sort("as_of")
        .select("as_of", *inputs)
        for name, column in columns.items()
    }
    return {
        "inputs": inputs,
        "ends": list(map(_as_text, grids["psi"]["as_of"])),
        **{
            name: [
                _round(grid[column]) if name != "verdict" else grid[column].to_list()
                for column in inputs
            ]
            for name, grid in grids.items()
        },
    }


def _describe_trend(trend: Trend) -> dict[str, Any]:
    numbers = ("values", "low", "high", "references", "limits", "ruled")
    return {
        "title": trend.title,
        "rule": trend.rule,
        "lower_is_better": trend.lower_is_better,
        "ends": list(map(_as_text, trend.ends)),
        **{name: _round(pl.Series(getattr(trend, name), dtype=pl.Float64)) for name in numbers},
    }


def _describe_mark(entry: Entry, entries: Sequence[Entry]) -> dict[str, Any]:
    return {
        "what": entry.what,
        "at": _as_text(entry.at),
        "title": describe_event(entry),
        "text": describe_evidence(entry),
        "link": f"#entry-{_find_anchor(entry, entries)}",
    }


def _find_anchor(entry: Entry, entries: Sequence[Entry]) -> int:
    """Return the number of the entry that the page shows; of an alert that is its episode."""
    if entry.what != "alert_raised":
        return entry.seq
    key = read_evidence(entry, AlertRaised).episode
    return next((e.seq for e in entries if e.key == key), entry.seq)


def _round(values: pl.Series) -> list[float | None]:
    return values.round_sig_figs(_DIGITS).to_list()


def _as_text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"
