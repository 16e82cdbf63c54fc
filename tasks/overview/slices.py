"""Slices of the champion's holdout: its metrics by part of the rows, from its card."""

from __future__ import annotations

import re
from typing import Any

from tasks.evaluation.metrics import LOWER_IS_BETTER, METRIC_NAMES
from tasks.evaluation.problem_types import recorded_problem_type
from tasks.models.card import ModelCard
from tasks.overview.facts import ModelFacts
from tasks.reporting.formats import format_count, format_number
from tasks.reporting.table import Cell, CellStyle, Column, Table, build_table

_BIN = re.compile(r"\((?P<low>\S+), (?P<high>\S+)\]")
_CLEAR = 0.1  # of the metric of all rows: differences beyond it are coloured


def build_slice_table(facts: ModelFacts) -> Table | None:
    """Return the slices of the champion, the first row for all rows; None without its card."""
    version = facts.ledger.champion_version
    card = facts.cards.get(version) if version is not None else None
    if card is None:
        return None
    names = recorded_problem_type(card).slice_metrics
    whole = {"slice": "all rows", "value": "", "rows": card.holdout.get("rows"), **card.holdout}
    titles = [METRIC_NAMES.get(name, name.replace("_", " ")) for name in names]
    columns: list[str | Column] = [
        "slice",
        "value",
        Column("rows", "right"),
        *(Column(t, "right") for t in titles),
    ]
    rows = [_build_row(each, names, card) for each in (whole, *card.slices)]
    return build_table(columns, rows, f"holdout of version {version}")


def _build_row(part: dict[str, Any], names: tuple[str, ...], card: ModelCard) -> list[object]:
    return [
        str(part["slice"]).replace("_", " "),
        _describe_value(str(part["value"])),
        format_count(part["rows"]),
        *(_build_metric(name, part.get(name), card.holdout.get(name)) for name in names),
    ]


def _describe_value(value: str) -> str:
    """Return the value of a slice; a bin like (9, 14] as `9 to 14`."""
    match = _BIN.fullmatch(value)
    if match is None:
        return value
    if match["low"] == "-inf":
        return f"up to {match['high']}"
    return (
        f"above {match['low']}" if match["high"] == "inf" else f"{match['low']} to {match['high']}"
    )


def _build_metric(name: str, value: float | None, whole: float | None) -> Cell:
    style: CellStyle = "plain"
    if value is not None and whole and name in (*LOWER_IS_BETTER, *METRIC_NAMES):
        better = (value < whole) == (name in LOWER_IS_BETTER)
        if abs(value - whole) > _CLEAR * abs(whole):
            style = "good" if better else "warning"
    return Cell(format_number(value, 3), style)
