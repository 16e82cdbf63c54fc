"""What training left out, in sentences of the model card."""

from __future__ import annotations

from tasks.models.card import ModelCard
from tasks.reporting.markdown import format_code


def list_left_out(card: ModelCard) -> list[str]:
    """Return what training left out: inputs without values, rare categories, other labels."""
    limits = []
    if card.empty_inputs:
        names = ", ".join(map(format_code, card.empty_inputs))
        limits.append(f"Inputs without a value in the train span, which it ignores: {names}.")
    if card.rare_values:
        counts = ", ".join(f"{format_code(n)} ({count})" for n, count in card.rare_values.items())
        limits.append(f"Rare values that it handles as unknown, by input: {counts}.")
    if card.other_labels:
        counts = ", ".join(f"{format_code(n)} ({rows})" for n, rows in card.other_labels.items())
        limits.append(f"Values that are no label, whose rows were left out: {counts}.")
    return limits
