"""What training left out and which limits start no alarm, in sentences of the model card."""

from __future__ import annotations

from tasks.models.card import ModelCard
from tasks.models.reference_profile import CALENDAR, ReferenceProfile
from tasks.reporting.markdown import escape_markdown, format_code


def list_left_out(card: ModelCard) -> list[str]:
    """Return what training left out: inputs without values, rare categories, other labels."""
    limits = [
        f"Too good to be true: {escape_markdown(each)}. Check that it is known at the prediction "
        "time, and is no part of the label."
        for each in card.giveaways
    ]
    if card.empty_inputs:
        names = ", ".join(map(format_code, card.empty_inputs))
        limits.append(f"Inputs without a value in the train span, which it ignores: {names}.")
    if card.rare_values:
        counts = ", ".join(f"{format_code(n)} ({count})" for n, count in card.rare_values.items())
        limits.append(f"Rare values that it handles as unknown, by input: {counts}.")
    if card.other_labels:
        counts = ", ".join(f"{format_code(n)} ({rows})" for n, rows in card.other_labels.items())
        limits.append(f"Values that are no label, whose rows were left out: {counts}.")
    return [*limits, *list_blind_limits(card.reference)]


def list_blind_limits(reference: ReferenceProfile) -> list[str]:
    """Return the drift and null limits that start no alarm, and why."""
    columns = reference.columns.items()
    calendar = [format_code(name) for name, each in columns if each.informs == CALENDAR]
    limits = []
    if calendar:
        limits.append(
            "Drift of these inputs only informs, as they follow the calendar: "
            f"{', '.join(calendar)}."
        )
    limits += [
        f"Drift of {format_code(name)} only informs: {each.informs}."
        for name, each in columns
        if each.informs not in ("", CALENDAR)
    ]
    empty = [format_code(name) for name, each in columns if each.null_rate == 1]
    if empty:
        limits.append(
            "Null rates of these inputs start no alarm, as all values of a window were null: "
            f"{', '.join(empty)}."
        )
    return limits
