"""Limits of a model, in sentences of its card: span, costs, missing values, what was left out."""

from __future__ import annotations

from datetime import timedelta

from configs.clock import write_duration
from tasks.evaluation.alarms.limits import RuleLimit
from tasks.evaluation.problem_types import recorded_problem_type
from tasks.model_cards.measured_rows import count_measured_days
from tasks.models.card import ModelCard
from tasks.models.reference_profile import CALENDAR, ReferenceProfile
from tasks.reporting.formats import format_share
from tasks.reporting.markdown import escape_markdown, format_code
from tasks.reporting.problem_type_text import problem_type_text

_OFTEN_MISSING = 0.05
_YEAR_DAYS = 365


def list_limits(card: ModelCard) -> str:
    """Return what the model is not made for, a Markdown list derived from the card's numbers."""
    return "\n".join(f"- {limit}" for limit in _find_limits(card))


def _find_limits(card: ModelCard) -> list[str]:
    limits = [
        f"The model predicts one thing: “{escape_markdown(card.title)}”. It uses what was known at "
        "the prediction time. Predictions are invalid if inputs are taken at another time.",
        _describe_span(card),
        f"It was measured on {count_measured_days(card)} days. Metrics and intervals "
        "describe these days; other periods may differ by more.",
    ]
    cost = card.configuration.get("evaluation", {}).get("cost")
    if cost:
        limits.append(
            escape_markdown(problem_type_text(recorded_problem_type(card)).describe_costs(cost))
        )
    missing = [
        f"{format_code(name)} ({format_share(column.shares[-1])})"
        for name, column in card.reference.columns.items()
        if column.shares[-1] > _OFTEN_MISSING
    ]
    if missing:
        limits.append(f"Often missing in the training data: {', '.join(missing)}.")
    vocabulary = [
        f"{format_code(name)} ({len(known)} known)"
        for name, known in card.inputs.vocabulary.items()
    ]
    if vocabulary:
        limits.append(
            f"Unseen categories are handled as unknown: {', '.join(vocabulary)}. Their accuracy "
            "was not measured."
        )
    limits += list_left_out(card)
    limits += [
        f"Alarm {format_code(subject)}: {describe_delay(limit)}."
        for subject, limit in card.limits.items()
    ]
    if card.thin:
        limits.append(
            f"{len(card.thin)} slices were too small to be measured, and their quality is unknown "
            "(see the slices)."
        )
    limits.append("Contributions and importance show what the model uses, not what causes events.")
    return limits


def _describe_span(card: ModelCard) -> str:
    days = (card.trained_until - card.start).days
    span = f"It was trained on {days} days, {card.start:%Y-%m-%d} to {card.trained_until:%Y-%m-%d}"
    if days >= _YEAR_DAYS:
        return f"{span}."
    return f"{span}: less than a year, so not every season."


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


def describe_delay(limit: RuleLimit) -> str:
    """Return how late a rule finds a sudden loss, in words."""
    if limit.loss is None:
        return "its delay was not measured"
    if limit.detection_days is None:
        return f"fewer than 80% of years show a sudden loss of {limit.loss:.3g}"
    within = write_duration(timedelta(days=limit.detection_days))
    return f"a sudden loss of {limit.loss:.3g} is found within {within} in 80%"


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
