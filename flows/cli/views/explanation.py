"""Explanations and reproductions of predictions, for a terminal."""

from __future__ import annotations

from datetime import datetime, timedelta

from rich.console import Group, RenderableType
from rich.text import Text

from tasks.evaluation.problem_types import Threshold, recorded_problem_type
from tasks.reporting.formats import MISSING, format_count, format_moment, format_number
from tasks.reporting.problem_type_text import problem_type_text
from tasks.reporting.table import Cell, Column, Table, build_table
from tasks.reporting.terminal import render_terminal, render_text
from tasks.scoring.explain import ExplainedInput, ExplainedPrediction, Explanation
from tasks.scoring.prediction_keys import format_key
from tasks.training.reproduce import SAME_PREDICTION, Reproduction

_BAR = 8  # characters of the longest bar


def render_explanation(explanation: Explanation, top: int | None = None) -> RenderableType:
    """Return the predictions of a row, and its inputs with their times and contributions.

    With `top`, only that many inputs are shown; the contributions of the others are added up.
    """
    shown = explanation.inputs[:top]
    hidden = explanation.inputs[len(shown) :]
    factor, unit = problem_type_text(recorded_problem_type(explanation)).contribution_unit
    label = (
        "not known yet"
        if explanation.label is None
        else f"{explanation.label}, known {format_moment(explanation.labelled)}"
    )
    key = format_key(list(explanation.key.values()))
    total = explanation.base + sum(each.contribution for each in explanation.inputs)
    return Group(
        render_text(f"{explanation.use_case} {key}", "bold"),
        render_text(
            f"predicted {format_moment(explanation.predicted)} UTC, scored as of "
            f"{format_moment(explanation.scored)}; label {label}"
        ),
        render_terminal(tabulate_predictions(explanation)),
        *_render_notes(explanation.notes),
        render_terminal(tabulate_inputs(shown, explanation.predicted, factor, unit)),
        *_summarise_hidden(hidden, factor, unit),
        render_text(
            f"mean of the background {explanation.base:.4f}, plus contributions in {unit}: "
            f"{total:.4f}"
        ),
    )


def tabulate_predictions(explanation: Explanation) -> Table:
    """Return the predictions of every version for one row, the used one first."""
    problem = recorded_problem_type(explanation)
    text = problem_type_text(problem)
    rows = [
        (
            f"{prediction.version} {prediction.algorithm}",
            prediction.arm,
            format_number(prediction.value, 4),
            _format_threshold(prediction.threshold, 4),
            text.describe_prediction(prediction.values, prediction.decision),
            "used" if prediction is explanation.prediction else _describe_origin(prediction),
        )
        for prediction in (explanation.prediction, *explanation.others)
    ]
    right = [Column(title, "right") for title in ("version", problem.value_column, "threshold")]
    return build_table([right[0], "arm", *right[1:], "decision", ""], rows)


def tabulate_inputs(
    inputs: tuple[ExplainedInput, ...], predicted: datetime, factor: float, unit: str
) -> Table:
    """Return the inputs of a prediction: value, source, known time, and contribution with a bar.

    Args:
        inputs: The inputs, in the order in which they are shown.
        predicted: The prediction time, from which the age of a value counts.
        factor: The number that turns a contribution into `unit`.
        unit: The unit of the contributions, the title of their column.
    """
    largest = max((abs(each.contribution) for each in inputs), default=0) or 1
    rows = [
        (
            each.name,
            _format_input(each.value),
            each.source,
            _format_known(each.known_time, predicted),
            format_number(factor * each.contribution, 2, signed=True),
            Cell(
                "█" * round(_BAR * abs(each.contribution) / largest),
                "raises" if each.contribution > 0 else "lowers",
            ),
        )
        for each in inputs
    ]
    value, points = Column("value", "right"), Column(unit, "right")
    return build_table(["input", value, "from", "known (age)", points, ""], rows)


def _format_known(known: datetime | None, predicted: datetime) -> str:
    """Return when a value was known, and how long before the prediction.

    On the day of the prediction the time is enough.
    """
    if known is None:
        return MISSING
    age = _format_age(max(predicted - known, timedelta(0)))
    is_same_day = known.date() == predicted.date()
    return f"{known:%H:%M} ({age})" if is_same_day else f"{known:%Y-%m-%d} ({age})"


def _format_age(age: timedelta) -> str:
    """Return a duration in its largest useful unit, like 39 min, 18 h or 98 d."""
    minutes = age // timedelta(minutes=1)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // (24 * 60)} d"


def _summarise_hidden(hidden: tuple[ExplainedInput, ...], factor: float, unit: str) -> list[Text]:
    if not hidden:
        return []
    total = format_number(factor * sum(each.contribution for each in hidden), 2, signed=True)
    return [render_text(f"{len(hidden)} more inputs add {total} {unit}; --all shows them")]


def render_reproduction(reproduction: Reproduction) -> RenderableType:
    """Return the recorded results beside the reproduced ones, and the verdict."""
    rows = [
        (name, recorded, again, Cell("equal", "good") if equal else Cell("differs", "bad"))
        for name, recorded, again, equal in _compare_results(reproduction)
    ]
    title = f"version {reproduction.version}, trained again"
    verdict = (
        ("the same predictions", "green")
        if reproduction.equal
        else ("different predictions", "bold red")
    )
    return Group(
        render_terminal(build_table(("", "recorded", "reproduced", "verdict"), rows, title)),
        *_render_notes(reproduction.notes),
        Text.assemble(
            verdict,
            f" on {reproduction.golden} golden rows, largest difference "
            f"{reproduction.difference:.2g} (up to {SAME_PREDICTION:g} is equal)",
        ),
    )


def _compare_results(reproduction: Reproduction) -> list[tuple[str, str, str, bool]]:
    """Return each compared result: name, recorded, reproduced, whether they are equal."""
    threshold, threshold_again = (_format_threshold(each, 6) for each in reproduction.threshold)
    rows, rows_again = (
        ", ".join(f"{name} {format_count(count)}" for name, count in counts.items())
        for counts in reproduction.rows
    )
    close = reproduction.difference <= SAME_PREDICTION
    flipped = f"{reproduction.flipped} of {reproduction.golden} differ"
    digest, digest_again = (each[:16] for each in reproduction.digest)
    return [
        ("labelled rows", rows, rows_again, reproduction.rows[0] == reproduction.rows[1]),
        ("predictions", "", f"differ by up to {reproduction.difference:.2g}", close),
        ("decisions", "", flipped, not reproduction.flipped),
        ("threshold", threshold, threshold_again, reproduction.same_threshold),
        ("sha256 of the file", digest, digest_again, reproduction.same_file),
    ]


def _render_notes(notes: tuple[str, ...]) -> list[Text]:
    return [render_text(f"note: {note}", "yellow") for note in notes]


def _format_threshold(threshold: Threshold, digits: int) -> str:
    """Return the threshold of a binary model; other problem types have no single number."""
    return format_number(threshold, digits) if isinstance(threshold, float) else MISSING


def _describe_origin(prediction: ExplainedPrediction) -> str:
    return "recorded beside it" if prediction.recorded else "computed now"


def _format_input(value: object) -> str:
    if value is None:
        return MISSING
    return f"{value:.5g}" if isinstance(value, float) else str(value)
