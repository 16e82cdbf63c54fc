"""Rows that a card's metrics were measured on: the holdout, or that of a judged version."""

from __future__ import annotations

from tasks.evaluation.problem_types import recorded_problem_type
from tasks.models.card import ModelCard
from tasks.reporting.formats import format_count
from tasks.reporting.markdown import escape_markdown, render_markdown
from tasks.reporting.problem_type_text import problem_type_text
from tasks.reporting.table import build_table


def describe_holdout(card: ModelCard) -> str:
    """Describe where the metrics were measured, as the end of a sentence."""
    if card.refit is not None:
        return f"as the refit of version {card.refit.version}, which passed the gate."
    text = problem_type_text(recorded_problem_type(card))
    return (
        f"measured on the holdout up to {card.end:%Y-%m-%d} "
        f"({format_count(card.rows['holdout'])} rows, "
        f"{escape_markdown(text.describe_labels(card.holdout))})."
    )


def describe_measurement(card: ModelCard) -> str:
    """Describe what the metrics are of; of a refit with its checks against the judged version."""
    if card.refit is None:
        return "Measured on the holdout with the ONNX file that runs in production."
    checks = [(each.gate, each.asked, each.measured, each.verdict) for each in card.refit.gates]
    table = build_table(("check", "requirement", "measured", "verdict"), checks)
    return (
        f"Metrics, slices and calibration are those of version {card.refit.version}, measured on "
        f"its holdout up to {card.refit.measured_until:%Y-%m-%d}. This version was fitted with the "
        f"same settings on all rows, so no row is left to measure it on. On the newest rows it was "
        f"held against version {card.refit.version}:\n\n{render_markdown(table)}"
    )


def count_measured_days(card: ModelCard) -> int:
    """Return the number of days that the metrics were measured on."""
    if card.refit is None:
        return (card.end - card.trained_until).days
    return (card.refit.measured_until - card.refit.measured_from).days
