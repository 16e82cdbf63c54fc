"""What a new use case predicts, and of which kind it is: as it was said, or as the sample shows."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from configs.clock import parse_duration
from configs.errors import BadConfig
from configs.schema.base import METRICS, ColumnType, LabelKind
from tasks.scaffold.plan import AskQuestion, GivenAnswers, LabelPlan, TablePlan
from tasks.scaffold.sample import FEW_VALUES

SOME = 20
"""A text of three to so many different values is proposed as one of several classes."""


def resolve_label(
    given: GivenAnswers, tables: Mapping[str, TablePlan], subject: TablePlan, ask: AskQuestion
) -> LabelPlan:
    """The label of the rows of `subject`; BadConfig names the flag that is missing or wrong."""
    table, column = _column(given, tables, subject, ask)
    sample = tables[table].sample
    values, typed = sample.rows[column].drop_nulls(), sample.columns[column]
    if values.is_empty():
        raise BadConfig(f"--label {table}.{column}: no row of the sample has a value there")
    kind = _kind(given, values, typed, ask)
    positive, classes = "", tuple[str, ...]()
    if kind == "regression":
        _require_numbers(values, typed)
    elif kind == "multiclass":
        classes = _classes(values, typed)
    elif not _is_flag(values, typed):
        positive = _positive(given, values, ask)
    after = given.after or "0m"
    if not given.after and table == subject.name:
        after = ask("--after", "how long after the prediction is it known, like 30d?", "0m")
    try:
        lag = parse_duration(after)
    except ValueError as wrong:
        raise BadConfig(f"--after {after}: {wrong}") from wrong
    return LabelPlan(table, column, kind, positive, lag, classes)


def _column(
    given: GivenAnswers, tables: Mapping[str, TablePlan], subject: TablePlan, ask: AskQuestion
) -> tuple[str, str]:
    """The table and the column that hold the label."""
    answer = given.label or ask("--label", "what is predicted, as table.column?", "")
    table, _, column = answer.rpartition(".")
    table = table or subject.name
    if table not in tables or column not in tables[table].sample.columns:
        raise BadConfig(f"--label {answer}: no such column; write table.column, like orders.paid")
    lacking = [key for key in subject.keys if key not in tables[table].sample.columns]
    if lacking:
        raise BadConfig(
            f"--label {answer}: {table} has no column {', '.join(lacking)}, which names a row of "
            f"{subject.name}; a label's table has the keys of what is predicted"
        )
    if column in subject.keys or column in (tables[table].event, tables[table].known):
        raise BadConfig(f"--label {answer}: it is a key or a time; name what is to be predicted")
    return table, column


def _kind(given: GivenAnswers, values: pl.Series, typed: ColumnType, ask: AskQuestion) -> LabelKind:
    """As it was said; else as the values look, and of some texts as a person says."""
    if given.kind or given.positive or _is_flag(values, typed):
        return given.kind or "binary"
    number = values.n_unique()
    if typed == "number" or (typed == "integer" and number > 2):
        return "regression"
    if not 3 <= number <= SOME:
        return "binary"
    question = (
        f"{values.name} has {number} values: which of them (multiclass), or one or not (binary)?"
    )
    answer, kinds = ask("--kind", question, "multiclass"), {str(kind): kind for kind in METRICS}
    if answer not in kinds:
        raise BadConfig(f"--kind {answer}: no such kind; there are: {', '.join(kinds)}")
    return kinds[answer]


def _is_flag(values: pl.Series, typed: ColumnType) -> bool:
    """Whether the values are 0 and 1, or booleans."""
    numbers = typed in ("integer", "number")
    return typed == "boolean" or (numbers and bool(((values == 0) | (values == 1)).all()))


def _require_numbers(values: pl.Series, typed: ColumnType) -> None:
    if typed not in ("integer", "number"):
        raise BadConfig(
            f"--kind regression: {values.name} is {typed}, like {values.head(1).to_list()}; name a "
            "label of numbers, or --kind multiclass"
        )


def _classes(values: pl.Series, typed: ColumnType) -> tuple[str, ...]:
    """The different values, by alphabet or number."""
    found = values.unique().sort().cast(pl.String).to_list()
    if typed in ("text", "integer") and 3 <= len(found) <= FEW_VALUES:
        return tuple(found)
    raise BadConfig(
        f"--kind multiclass: {values.name} is {typed} with {len(found)} values; it takes texts or "
        f"whole numbers with three to {FEW_VALUES}. Two are an event or none (--kind binary), many "
        "numbers a regression (--kind regression)"
    )


def _positive(given: GivenAnswers, values: pl.Series, ask: AskQuestion) -> str:
    """The value that is the event; of two the rarer one is proposed."""
    counts = values.cast(pl.String).alias("value").value_counts().sort("count", "value")
    found = counts["value"].to_list()
    proposal = found[0] if len(found) == 2 else ""
    positive = given.positive or ask("--positive", f"which {values.name} is the event?", proposal)
    if positive not in found:
        there = ", ".join(sorted(found)[:9])
        raise BadConfig(f"--positive {positive}: {values.name} never is; it is {there}")
    return positive
