"""Inputs of a new use case: the columns that join each table, and the features from it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count

from configs.errors import BadConfig
from configs.schema.base import ColumnType
from tasks.scaffold.plan import (
    Forecast,
    GivenAnswers,
    InputColumn,
    LabelPlan,
    TablePlan,
    to_name,
)
from tasks.scaffold.resolution.columns import resolve_columns
from tasks.scaffold.sample import FEW_VALUES

_TIME_COLUMNS = {"event_timestamp", "created_timestamp", "prediction_time", "label_known_time"}
"""Columns of feature rows, spine and labels that no feature may be called."""


def resolve_inputs(
    answers: GivenAnswers,
    table: TablePlan,
    subject: TablePlan,
    label: LabelPlan,
    tables: Mapping[str, TablePlan],
    forecast: Forecast | None = None,
    old_predictions: str = "",
) -> TablePlan:
    """Return the table with its join columns, its features and the columns that are left out.

    Args:
        answers: the flags.
        table: the table.
        subject: the table whose rows are predicted.
        label: the label; its earlier values are inputs of a forecast.
        tables: all tables.
        forecast: how rows are predicted before they are known; None if they are known.
        old_predictions: a column that is no input, but an opponent.
    """
    join = _resolve_join(answers, table, subject)
    excluded = {table.event, table.known, *(key for each in tables.values() for key in each.keys)}
    excluded |= set(join)
    if table.name == label.table and forecast is None:
        excluded.add(label.column)
    if table.name == subject.name:
        excluded.add(old_predictions)
    inputs: list[InputColumn] = []
    left_out = dict(table.sample.left_out)
    for column, kind in table.sample.columns.items():
        values = table.sample.rows[column].drop_nulls()
        if column in excluded:
            continue
        if values.n_unique() < 2:
            left_out[column] = "never changes"
        elif kind == "text" and values.n_unique() > FEW_VALUES:
            left_out[column] = f"text with {values.n_unique()} values"
        else:
            name = _name_feature(table, column, kind, tables)
            name = _avoid_names(name, {*_TIME_COLUMNS, *join, *(each.name for each in inputs)})
            inputs.append(InputColumn(name, column, kind))
    return TablePlan(
        table.sample, table.keys, table.event, table.known, table.known_from,
        join, tuple(inputs), left_out,
    )  # fmt: skip


def _resolve_join(answers: GivenAnswers, table: TablePlan, subject: TablePlan) -> tuple[str, ...]:
    """Return the columns of the predicted rows that look up a table's rows.

    Without a flag these are the table's keys that the predicted table has too, or else the keys of
    the predicted table that this table has.
    """
    usable = subject.sample.columns_of("text", "integer")
    if table.name == subject.name:
        # by all keys: several rows may be known at the same moment
        usable, common = list(table.keys), list(table.keys)
    else:
        common = _common_columns(table, subject, usable)
    if not common and table.name not in answers.join:
        both = ", ".join(name for name in table.sample.columns if name in usable) or "none"
        raise BadConfig(
            f"--join {table.name}=…: none of the table's keys is a column of {subject.name}. Give "
            f"the column that looks up its rows (columns of both: {both})"
        )

    def propose(_flag: str, _question: str, proposal: str) -> str:
        return proposal

    columns = resolve_columns(answers.join, table.sample, "--join", ", ".join(common), propose)
    invalid = [name for name in columns if name not in usable]
    if invalid:
        raise BadConfig(
            f"--join {table.name}={', '.join(columns)}: {', '.join(invalid)} must be a text or a "
            f"whole number in {subject.name} too"
        )
    return columns


def _common_columns(table: TablePlan, subject: TablePlan, usable: list[str]) -> list[str]:
    keys = [name for name in table.keys if name in usable]
    joinable = table.sample.columns_of("text", "integer")
    return keys or [name for name in subject.keys if name in usable and name in joinable]


def _name_feature(
    table: TablePlan, column: str, kind: ColumnType, tables: Mapping[str, TablePlan]
) -> str:
    """Return the column's name, after the table's name where another table has the column too."""
    name = f"days_since_{to_name(column)}" if kind == "time" else to_name(column)
    elsewhere = (
        to_name(c) for t in tables.values() if t.name != table.name for c in t.sample.columns
    )
    return f"{table.name}_{name}" if to_name(column) in set(elsewhere) else name


def _avoid_names(name: str, taken: set[str]) -> str:
    """Return a name, with a number behind it if it is taken: "a b" and "a-b" are both a_b."""
    numbered = (f"{name}_{number}" for number in count(2))
    return name if name not in taken else next(each for each in numbered if each not in taken)
