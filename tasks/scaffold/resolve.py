"""Plan of a new use case, from the flags, the answers of a person and the samples.

A missing answer, or one that the sample contradicts, raises BadConfig with the flag and what to do.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping
from datetime import datetime
from itertools import count

import polars as pl

from configs.clock import check_moment
from configs.errors import BadConfig
from configs.schema.base import ColumnType
from configs.schema.data import OWN_TIME
from tasks.scaffold.plan import (
    AskQuestion,
    GivenAnswers,
    InputColumn,
    LabelPlan,
    ScaffoldPlan,
    TablePlan,
    to_name,
)
from tasks.scaffold.resolve_label import resolve_label
from tasks.scaffold.sample import FEW_VALUES, Sample, read_sample

_RESERVED = {
    "annotations", "between", "datetime", "days_since", "first", "known_in", "labels", "lands",
    "newest", "not_null", "pl", "some_rows", "spine", "timedelta",
}  # fmt: skip
"""Names that the feature and expectations modules use beside their tables' functions."""

_TIME_COLUMNS = {"event_timestamp", "created_timestamp", "prediction_time", "label_known_time"}
"""Columns of feature rows, spine and labels that no feature may be called."""


def make_plan(given: GivenAnswers, ask: AskQuestion) -> ScaffoldPlan:
    """Read the samples, and resolve every answer that no flag gives."""
    if not given.tables:
        raise BadConfig("--table: none is given. Give one, like --table orders=samples/orders.csv")
    samples = {name: read_sample(name, path) for name, path in given.tables.items()}
    _check_names(samples)
    timed = {name: _resolve_times(given, sample, ask) for name, sample in samples.items()}
    subject = timed[_resolve_subject(given, timed, ask)]
    tables = {name: _resolve_known_from(given, table, timed) for name, table in timed.items()}
    label = resolve_label(given, tables, subject, ask)
    for name, table in tables.items():
        if name == subject.name or name != label.table:
            tables[name] = _resolve_inputs(given, table, subject, label, tables)
    _require_inputs(tables)
    return ScaffoldPlan(given.name, tables, tables[subject.name], label, given.schedule)


def _require_inputs(tables: Mapping[str, TablePlan]) -> None:
    if any(table.inputs for table in tables.values()):
        return
    left_out = [f"{t.name}.{c} {why}" for t in tables.values() for c, why in t.left_out.items()]
    raise BadConfig(
        f"--table {', '.join(tables)}: no column can be an input of the model, beside keys, times "
        f"and label ({'; '.join(left_out) or 'there are no others'}). Add a table with more columns"
    )


def _check_names(samples: Mapping[str, Sample]) -> None:
    for name in samples:
        reserved = name in _RESERVED or keyword.iskeyword(name)
        if reserved or not re.fullmatch(r"[a-z][a-z0-9_]{0,29}", name):
            raise BadConfig(
                f"--table {name}: the table's name is invalid. Use up to 30 small letters, digits "
                f"and _, but no Python keyword and none of {', '.join(sorted(_RESERVED))}"
            )


def _resolve_times(given: GivenAnswers, sample: Sample, ask: AskQuestion) -> TablePlan:
    """Return the table with its keys and times; a table without any time is static."""
    name = sample.name
    keys = _resolve_columns(given.keys, sample, "--keys", ", ".join(sample.propose_keys()), ask)
    _require_keys(sample, keys)
    times = sample.columns_of("time")
    static = TablePlan(sample, keys, OWN_TIME, OWN_TIME, None)
    if name in given.known_from or (not times and name not in given.event_time):
        return static
    answer = given.event_time.get(name) or ask(
        f"--event-time {name}=…", f"Event time of {name} (none: it has no times)", times[0]
    )
    if answer == "none":
        return static
    (event,) = _resolve_columns({name: answer}, sample, "--event-time", "", ask)
    (known,) = _resolve_columns(given.known_time, sample, "--known-time", event, ask)
    for flag, column in (("--event-time", event), ("--known-time", known)):
        _require_time(sample, flag, column)
    _require_order(sample, event, known)
    return TablePlan(sample, keys, event, known, None)


def _resolve_columns(
    given: Mapping[str, str], sample: Sample, flag: str, proposal: str, ask: AskQuestion
) -> tuple[str, ...]:
    """Return the columns that an answer names; they must be columns of the table.

    Args:
        given: the flag's values by table.
        sample: the table's sample.
        flag: the flag that is named in messages.
        proposal: the answer that the sample suggests, or "".
        ask: asks if the flag is not given.
    """
    name = sample.name
    question = f"{flag[2:].replace('-', ' ').capitalize()} of {name}"
    answer = given.get(name) or ask(f"{flag} {name}=…", question, proposal)
    columns = tuple(part.strip() for part in answer.split(",") if part.strip())
    for column in columns:
        if column not in sample.columns:
            existing = ", ".join(sample.columns)
            raise BadConfig(f"{flag} {name}={answer}: no column {column!r}. Columns: {existing}")
    if not columns or (flag != "--keys" and flag != "--join" and len(columns) > 1):
        existing = ", ".join(sample.columns)
        raise BadConfig(f"{flag} {name}={answer}: give one column. Columns: {existing}")
    return columns


def _require_keys(sample: Sample, keys: tuple[str, ...]) -> None:
    """Raise BadConfig unless the keys are texts, whole numbers or times, and never missing."""
    for key in keys:
        kind, missing = sample.columns[key], sample.rows[key].null_count()
        if kind in ("number", "boolean") or missing:
            reason = f"is missing in {missing} rows" if missing else f"is a {kind}"
            raise BadConfig(
                f"--keys {sample.name}={', '.join(keys)}: {key} {reason}. A key is a text, a whole "
                "number or a time, and every row has it"
            )


def _require_time(sample: Sample, flag: str, column: str) -> None:
    if sample.columns[column] == "time":
        return
    values = sample.rows[column].drop_nulls().head(1).to_list()
    raise BadConfig(
        f"{flag} {sample.name}={column}: the column is {sample.columns[column]}, like {values}. A "
        "time is UTC like 2013-01-31T18:05:00Z, or a date like 2013-01-31. Change the files, or "
        f"give another column (times: {', '.join(sample.columns_of('time')) or 'none'}). For a "
        f"table without times, give --known-from {sample.name}=2013-01-31"
    )


def _require_order(sample: Sample, event: str, known: str) -> None:
    """Raise BadConfig if some rows, but not all, are known before they happened.

    If all are, the table announces events, like a timetable.
    """
    early = sample.rows.filter(pl.col(known) < pl.col(event))
    if 0 < early.height < sample.rows.height:
        raise BadConfig(
            f"--known-time {sample.name}={known}: it is before {event} in {early.height} of "
            f"{sample.rows.height} rows, like {early.select(event, known).row(0)}. Give the column "
            "with the time at which you got the row, or correct these rows"
        )


def _resolve_subject(given: GivenAnswers, tables: Mapping[str, TablePlan], ask: AskQuestion) -> str:
    """Return the name of the table whose rows are predicted."""
    first = next(iter(tables))
    name = given.predict or (
        ask("--predict", "Which table's rows are predicted?", first) if len(tables) > 1 else first
    )
    if name not in tables:
        raise BadConfig(f"--predict {name}: table not found. Tables: {', '.join(tables)}")
    if tables[name].event == OWN_TIME:
        raise BadConfig(
            f"--predict {name}: the table has no time, so its rows have no prediction time. Add a "
            "column with the time at which each row was known"
        )
    return name


def _resolve_known_from(
    given: GivenAnswers, table: TablePlan, tables: Mapping[str, TablePlan]
) -> TablePlan:
    """Return a static table with the day it is known from: as given, or the first of all days."""
    if table.event != OWN_TIME:
        return table
    if table.name in given.known_from:
        day = given.known_from[table.name]
        try:
            since = check_moment(datetime.fromisoformat(day))
        except ValueError as wrong:
            raise BadConfig(
                f"--known-from {table.name}={day}: the date is invalid. Write it like 2013-01-31"
            ) from wrong
    else:
        firsts = (
            other.sample.rows[column].min()
            for other in tables.values()
            if other.event != OWN_TIME
            for column in (other.event, other.known)
        )
        since = min(first for first in firsts if isinstance(first, datetime))
    midnight = since.replace(hour=0, minute=0, second=0, microsecond=0)
    return TablePlan(table.sample, table.keys, OWN_TIME, OWN_TIME, midnight)


def _resolve_inputs(
    given: GivenAnswers,
    table: TablePlan,
    subject: TablePlan,
    label: LabelPlan,
    tables: Mapping[str, TablePlan],
) -> TablePlan:
    """Return the table with its join columns, its features and the columns that are left out."""
    join = _resolve_join(given, table, subject)
    excluded = {table.event, table.known, *(key for each in tables.values() for key in each.keys)}
    excluded |= set(join)
    excluded |= {label.column} if label.table == table.name else set()
    inputs: list[InputColumn] = []
    left_out = {}
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


def _resolve_join(given: GivenAnswers, table: TablePlan, subject: TablePlan) -> tuple[str, ...]:
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
    if not common and table.name not in given.join:
        both = ", ".join(name for name in table.sample.columns if name in usable) or "none"
        raise BadConfig(
            f"--join {table.name}=…: none of the table's keys is a column of {subject.name}. Give "
            f"the column that looks up its rows (columns of both: {both})"
        )

    def propose(_flag: str, _question: str, proposal: str) -> str:
        return proposal

    columns = _resolve_columns(given.join, table.sample, "--join", ", ".join(common), propose)
    invalid = [name for name in columns if name not in usable or to_name(name) != name]
    if invalid:
        raise BadConfig(
            f"--join {table.name}={', '.join(columns)}: {', '.join(invalid)} must be a text or a "
            f"whole number in {subject.name} too, and named in small letters, digits and _"
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
