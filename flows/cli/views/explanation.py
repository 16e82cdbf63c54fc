"""Reproductions and explanations as a terminal shows them."""

from __future__ import annotations

from datetime import datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tasks.evaluation.problem_types import Threshold, recorded_problem_type
from tasks.reporting.problem_type_text import problem_type_text
from tasks.scoring.explain import ExplainedInput, ExplainedPrediction, Explanation
from tasks.scoring.prediction_keys import format_key
from tasks.training.reproduce import SAME_PREDICTION, Reproduction

_BAR = 12  # characters of the longest bar


def explanation_view(found: Explanation) -> RenderableType:
    """The answers, then every input with its times and its contribution as a bar."""
    unit = problem_type_text(recorded_problem_type(found)).contribution_unit
    label = (
        "not known yet" if found.label is None else f"{found.label}, known {_at(found.labelled)}"
    )
    head = Text.assemble(
        (f"{found.use_case} {format_key(list(found.key.values()))}", "bold"),
        f"\npredicted {_at(found.predicted)} UTC, scored as of {_at(found.scored)}; label {label}",
    )
    base = f"mean of the background {found.base:.4f}, and contributions in {unit[1]}, together "
    notes = [Text(f"note: {note}", style="yellow") for note in found.notes]
    told = Text(f"{base}{found.base + sum(i.contribution for i in found.inputs):.4f}")
    return Group(head, _answers(found), *notes, _inputs(found.inputs, *unit), told)


def _answers(found: Explanation) -> Table:
    table, kind = Table(), recorded_problem_type(found)
    text = problem_type_text(kind)
    for column in ("version", "arm", kind.value_column, "threshold", "decision", ""):
        table.add_column(column, justify="right" if column[:1] in "vpt" else "left")
    for answer in (found.answer, *found.others):
        used = "used" if answer is found.answer else _when(answer)
        who = f"{answer.version} {answer.algorithm}"
        said = Text(text.describe_prediction(answer.values, answer.decision))
        table.add_row(who, answer.arm, f"{answer.value:.4f}", _cut(answer.threshold, 4), said, used)
    return table


def _cut(threshold: Threshold, digits: int) -> str:
    """From where on a version flags; what else it decides by is no number."""
    return f"{threshold:.{digits}f}" if isinstance(threshold, float) else "–"


def _when(answer: ExplainedPrediction) -> str:
    return "said beside it" if answer.recorded else "asked now"


def _inputs(inputs: tuple[ExplainedInput, ...], times: float, unit: str) -> Table:
    table = Table()
    for column in ("input", "value", "from", "happened (UTC)", "known (UTC)", unit, ""):
        table.add_column(column, justify="right" if column in ("value", unit) else "left")
    most = max((abs(each.contribution) for each in inputs), default=0) or 1
    for each in inputs:
        colour = "red" if each.contribution > 0 else "blue"
        bar = "█" * round(_BAR * abs(each.contribution) / most)
        moments = (_at(each.happened), _at(each.known))
        added = f"{times * each.contribution:+.2f}"
        table.add_row(each.name, _short(each.value), each.source, *moments, added,
                      Text(bar, style=colour))  # fmt: skip
    return table


def _at(time: datetime | None) -> str:
    return "–" if time is None else f"{time:%Y-%m-%d %H:%M}"


def _short(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def reproduction_view(found: Reproduction) -> RenderableType:
    """What was recorded beside what came out again, and the verdict."""
    table = Table(title=f"version {found.version}, trained again", title_justify="left")
    for column in ("", "recorded", "again", ""):
        table.add_column(column, overflow="fold")
    for what, recorded, again, same in _compared(found):
        table.add_row(what, recorded, again, "[green]equal[/]" if same else "[red]differs[/]")
    verdict = (
        f"[green]the same answers[/] on {found.golden} golden rows"
        if found.equal
        else f"[bold red]other answers[/] on {found.golden} golden rows"
    )
    largest = f", largest difference {found.difference:.2g} (up to {SAME_PREDICTION:g} is equal)"
    notes = [Text(f"note: {note}", style="yellow") for note in found.notes]
    return Group(table, *notes, Text.from_markup(verdict + largest))


def _compared(found: Reproduction) -> list[tuple[str, str, str, bool]]:
    """Each thing that is compared: name, as recorded, as it came out again, whether equal."""
    then, now = (_cut(at, 6) for at in found.threshold)
    seen, seen_again = (
        ", ".join(f"{name} {rows:,}" for name, rows in sizes.items()) for sizes in found.rows
    )
    flipped = f"{found.flipped} of {found.golden} differ"
    return [
        ("labelled rows", seen, seen_again, found.rows[0] == found.rows[1]),
        (
            "answers",
            "",
            f"differ by up to {found.difference:.2g}",
            found.difference <= SAME_PREDICTION,
        ),
        ("decisions", "", flipped, not found.flipped),
        ("threshold", then, now, found.same_threshold),
        ("sha256 of the file", found.digest[0][:16], found.digest[1][:16], found.same_file),
    ]
