"""Label of a new use case and its problem type, from the answers and the sample."""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping

import polars as pl

from configs.clock import parse_duration
from configs.errors import BadConfig
from configs.schema.base import METRICS, ColumnType, LabelKind
from tasks.scaffold.plan import AskQuestion, GivenAnswers, LabelPlan, TablePlan
from tasks.scaffold.sample import FEW_VALUES

_COMPARISONS = {">": "gt", ">=": "ge", "<": "lt", "<=": "le"}
_THRESHOLD = re.compile(r"([<>]=?)\s*([-+]?\d+(?:\.\d+)?)")
_FEW_CLASSES = 20
"""A text label with three to this many values is proposed as multiclass."""


def resolve_label(
    answers: GivenAnswers, tables: Mapping[str, TablePlan], subject: TablePlan, ask: AskQuestion
) -> LabelPlan:
    """Return the label of the rows of `subject`; BadConfig names a missing or invalid flag."""
    table, column = _resolve_column(answers, tables, subject, ask)
    sample = tables[table].sample
    values, typed = sample.rows[column].drop_nulls(), sample.columns[column]
    if values.is_empty():
        raise BadConfig(f"--label {table}.{column}: the column has no value in the sample")
    kind = _resolve_kind(answers, values, typed, ask)
    positive, classes, negatives = "", tuple[str, ...](), tuple[str, ...]()
    beyond = _read_threshold(answers, values, typed) if kind == "binary" else None
    if beyond is not None:
        positive = answers.positive
    elif kind == "regression":
        _require_numbers(values, typed)
    elif kind == "multiclass":
        classes = _list_classes(values, typed)
    elif not _is_flag(values, typed):
        positive = _resolve_positive(answers, values, ask)
        negatives = _list_negatives(values, typed, positive)
    after = answers.after or "0m"
    if not answers.after and table == subject.name:
        question = "How long after the prediction is the label known, like 30d?"
        after = ask("--after", question, "0m")
    try:
        lag = parse_duration(after)
    except ValueError as error:
        raise BadConfig(f"--after {after}: {error}") from error
    return LabelPlan(table, column, kind, positive, lag, classes, negatives, beyond)


def _read_threshold(
    answers: GivenAnswers, values: pl.Series, typed: ColumnType
) -> tuple[str, float] | None:
    """Return the comparison and the number of a `--positive` like >300; None of another one.

    BadConfig with the number of rows if all rows of the sample, or none, are beyond the number.
    """
    written = _THRESHOLD.fullmatch(answers.positive)
    if written is None or typed not in ("integer", "number"):
        return None
    comparison, number = _COMPARISONS[written[1]], float(written[2])
    rows = count_beyond(values, (comparison, number))
    if not 0 < rows < len(values):
        raise BadConfig(
            f"--positive {answers.positive}: {rows} of {len(values)} rows are events, and both "
            f"kinds are required. The sample has {values.min()!r} to {values.max()!r}"
        )
    return comparison, number


def count_beyond(values: pl.Series, beyond: tuple[str, float]) -> int:
    """Return how many values are beyond a number, by a comparison like `gt` or `le`."""
    comparison, number = beyond
    return int(getattr(operator, comparison)(values, number).sum())


def _resolve_column(
    answers: GivenAnswers, tables: Mapping[str, TablePlan], subject: TablePlan, ask: AskQuestion
) -> tuple[str, str]:
    """Return the table and the column that hold the label."""
    answer = answers.label or ask("--label", "Which column is predicted, as table.column?", "")
    table, _, column = answer.partition(".")  # the column's name in a file may have dots too
    if table not in tables:
        table, column = subject.name, answer
    name = tables[table].sample.find_column(column) if table in tables else None
    if name is None:
        raise BadConfig(f"--label {answer}: column not found. Write table.column, like orders.paid")
    column = name
    missing = [key for key in subject.keys if key not in tables[table].sample.columns]
    if missing:
        raise BadConfig(
            f"--label {answer}: {table} has no column {', '.join(missing)}, a key of "
            f"{subject.name}. The label's table must have all keys of the predicted table"
        )
    if column in subject.keys or column in (tables[table].event, tables[table].known):
        raise BadConfig(f"--label {answer}: the column is a key or a time. Give another column")
    return table, column


def _resolve_kind(
    answers: GivenAnswers, values: pl.Series, typed: ColumnType, ask: AskQuestion
) -> LabelKind:
    """Return the problem type: as given, or by the values; ask where a text has few values."""
    if answers.kind or answers.positive or _is_flag(values, typed):
        return answers.kind or "binary"
    number = values.n_unique()
    if typed == "number" or (typed == "integer" and number > 2):
        return "regression"
    if not 3 <= number <= _FEW_CLASSES:
        return "binary"
    question = (
        f"{values.name} has {number} values. Predict which one (multiclass), or only whether it is "
        "one of them (binary)?"
    )
    answer, kinds = ask("--kind", question, "multiclass"), {str(kind): kind for kind in METRICS}
    if answer not in kinds:
        raise BadConfig(f"--kind {answer}: invalid problem type. Use one of {', '.join(kinds)}")
    return kinds[answer]


def _is_flag(values: pl.Series, typed: ColumnType) -> bool:
    """Return whether the values are 0 and 1, or booleans."""
    numbers = typed in ("integer", "number")
    return typed == "boolean" or (numbers and bool(((values == 0) | (values == 1)).all()))


def _require_numbers(values: pl.Series, typed: ColumnType) -> None:
    if typed not in ("integer", "number"):
        raise BadConfig(
            f"--kind regression: {values.name} is {typed}, like {values.head(1).to_list()}. Give a "
            "label with numbers, or --kind multiclass"
        )


def _list_classes(values: pl.Series, typed: ColumnType) -> tuple[str, ...]:
    """Return the different values, in alphabetical or numerical order."""
    classes = values.unique().sort().cast(pl.String).to_list()
    if typed in ("text", "integer") and 3 <= len(classes) <= FEW_VALUES:
        return tuple(classes)
    raise BadConfig(
        f"--kind multiclass: {values.name} is {typed} with {len(classes)} values. Multiclass needs "
        f"texts or whole numbers with three to {FEW_VALUES} values. Use --kind binary for two "
        "values, --kind regression for many numbers"
    )


def _list_negatives(values: pl.Series, typed: ColumnType, positive: str) -> tuple[str, ...]:
    """Return the sample's other values, if they are few: a value that comes later is no label."""
    others = values.cast(pl.String).unique().sort().to_list()
    others.remove(positive)
    return tuple(others) if typed in ("text", "integer") and len(others) < FEW_VALUES else ()


def _resolve_positive(answers: GivenAnswers, values: pl.Series, ask: AskQuestion) -> str:
    """Return the value that is the event; of two values the rarer one is proposed."""
    counts = values.cast(pl.String).alias("value").value_counts().sort("count", "value")
    existing = counts["value"].to_list()
    proposal = existing[0] if len(existing) == 2 else ""
    question = f"Which value of {values.name} is the event?"
    positive = answers.positive or ask("--positive", question, proposal)
    if positive not in existing:
        examples = ", ".join(sorted(existing)[:9])
        raise BadConfig(f"--positive {positive}: no value of {values.name}. Values: {examples}")
    return positive
