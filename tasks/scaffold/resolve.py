"""From what was said of a use case to its plan, filled up with what the samples show.

An answer comes from a flag, from a person, or from the sample; one that cannot be had, or that the
sample contradicts, is a BadConfig that names the flag and the way out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

import polars as pl

from configs.clock import utc_or_now
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

_TAKEN = {"days_since", "first", "known_in", "labels", "newest", "spine"}
"""Functions of the feature module."""


def make_plan(given: GivenAnswers, ask: AskQuestion) -> ScaffoldPlan:
    """Read the samples, and settle what is not said yet."""
    if not given.tables:
        raise BadConfig("--table: name at least one, like --table orders=samples/orders.csv")
    samples = {name: read_sample(name, path) for name, path in given.tables.items()}
    _check_names(samples)
    timed = {name: _with_times(given, sample, ask) for name, sample in samples.items()}
    subject = timed[_subject(given, timed, ask)]
    tables = {name: _since(given, table, timed) for name, table in timed.items()}
    label = resolve_label(given, tables, subject, ask)
    for name, table in tables.items():
        if name == subject.name or name != label.table:
            tables[name] = _with_inputs(given, table, subject, label, tables)
    _require_inputs(tables)
    return ScaffoldPlan(given.name, tables, tables[subject.name], label, given.schedule)


def _require_inputs(tables: Mapping[str, TablePlan]) -> None:
    if any(table.inputs for table in tables.values()):
        return
    left = [f"{t.name}.{c} {why}" for t in tables.values() for c, why in t.left_out.items()]
    raise BadConfig(
        f"--table {', '.join(tables)}: beside keys, times and label no column is left for the "
        f"model to take ({'; '.join(left) or 'there is none'}); name a table that says more"
    )


def _check_names(samples: Mapping[str, Sample]) -> None:
    for name in samples:
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,29}", name) or name in _TAKEN:
            raise BadConfig(
                f"--table {name}: a table's name is up to 30 small letters, digits and _, and not "
                f"one of {', '.join(sorted(_TAKEN))}; give it another one"
            )


def _with_times(given: GivenAnswers, sample: Sample, ask: AskQuestion) -> TablePlan:
    """The table with its keys and times; one without any time is static."""
    name = sample.name
    keys = _named(given.keys, sample, "--keys", ", ".join(sample.keys()), ask)
    _require_keys(sample, keys)
    times = sample.of("time")
    static = TablePlan(sample, keys, OWN_TIME, OWN_TIME, None)
    if name in given.known_from or (not times and name not in given.event_time):
        return static
    answer = given.event_time.get(name) or ask(
        f"--event-time {name}=…", f"event time of {name} (or none: it has no times)", times[0]
    )
    if answer == "none":
        return static
    (event,) = _named({name: answer}, sample, "--event-time", "", ask)
    (known,) = _named(given.known_time, sample, "--known-time", event, ask)
    for flag, column in (("--event-time", event), ("--known-time", known)):
        _require_time(sample, flag, column)
    _require_order(sample, event, known)
    return TablePlan(sample, keys, event, known, None)


def _named(
    given: Mapping[str, str], sample: Sample, flag: str, proposal: str, ask: AskQuestion
) -> tuple[str, ...]:
    """The columns that an answer names, which must be the table's and have usable names."""
    name = sample.name
    question = f"{flag[2:].replace('-', ' ')} of {name}"
    answer = given.get(name) or ask(f"{flag} {name}=…", question, proposal)
    columns = tuple(part.strip() for part in answer.split(",") if part.strip())
    for column in columns:
        if column not in sample.columns:
            there = ", ".join(sample.columns)
            raise BadConfig(f"{flag} {name}={answer}: no column {column!r}; there are: {there}")
    if not columns or (flag != "--keys" and flag != "--join" and len(columns) > 1):
        raise BadConfig(f"{flag} {name}=…: name the column, one of {', '.join(sample.columns)}")
    return columns


def _require_keys(sample: Sample, keys: tuple[str, ...]) -> None:
    """Keys name rows: texts, whole numbers or times, never missing."""
    for key in keys:
        kind, missing = sample.columns[key], sample.rows[key].null_count()
        if kind in ("number", "boolean") or missing:
            why = f"is missing in {missing} rows" if missing else f"is a {kind}"
            raise BadConfig(
                f"--keys {sample.name}={', '.join(keys)}: {key} {why}; a key is a text, a whole "
                "number or a time, and in every row"
            )


def _require_time(sample: Sample, flag: str, column: str) -> None:
    if sample.columns[column] == "time":
        return
    values = sample.rows[column].drop_nulls().head(1).to_list()
    raise BadConfig(
        f"{flag} {sample.name}={column}: the column is {sample.columns[column]}, like {values}; a "
        "time is UTC like 2013-01-31T18:05:00Z, or a date like 2013-01-31. Land it so, or take "
        f"another column ({', '.join(sample.of('time')) or 'none is a time'}); a table without "
        f"times takes --known-from {sample.name}=2013-01-31"
    )


def _require_order(sample: Sample, event: str, known: str) -> None:
    """Rows are known after they happened, or all are announced before; not some and some."""
    early = sample.rows.filter(pl.col(known) < pl.col(event))
    if 0 < early.height < sample.rows.height:
        raise BadConfig(
            f"--known-time {sample.name}={known}: it lies before {event} in {early.height} of "
            f"{sample.rows.height} rows, like {early.select(event, known).row(0)}; take the column "
            "that says when a row reached you, or correct these rows"
        )


def _subject(given: GivenAnswers, tables: Mapping[str, TablePlan], ask: AskQuestion) -> str:
    first = next(iter(tables))
    name = given.predict or (
        ask("--predict", "which table's rows are predicted?", first) if len(tables) > 1 else first
    )
    if name not in tables:
        raise BadConfig(f"--predict {name}: no such table; there are: {', '.join(tables)}")
    if tables[name].event == OWN_TIME:
        raise BadConfig(
            f"--predict {name}: the table has no time, so nobody could say when its rows are "
            "predicted; land it with a column that says when each row was known"
        )
    return name


def _since(given: GivenAnswers, table: TablePlan, others: Mapping[str, TablePlan]) -> TablePlan:
    """A static table counts as known from the first time of the others, if nobody says when."""
    if table.event != OWN_TIME:
        return table
    if table.name in given.known_from:
        day = given.known_from[table.name]
        try:
            since = utc_or_now(datetime.fromisoformat(day))
        except ValueError as wrong:
            raise BadConfig(f"--known-from {table.name}={day}: no date like 2013-01-31") from wrong
    else:
        firsts = (
            other.sample.rows[column].min()
            for other in others.values()
            if other.event != OWN_TIME
            for column in (other.event, other.known)
        )
        since = min(first for first in firsts if isinstance(first, datetime))
    midnight = since.replace(hour=0, minute=0, second=0, microsecond=0)
    return TablePlan(table.sample, table.keys, OWN_TIME, OWN_TIME, midnight)


def _with_inputs(
    given: GivenAnswers,
    table: TablePlan,
    subject: TablePlan,
    label: LabelPlan,
    tables: Mapping[str, TablePlan],
) -> TablePlan:
    """The table with the columns by which the spine finds its rows, and what the model takes."""
    join = _join(given, table, subject)
    apart = {table.event, table.known, *(key for each in tables.values() for key in each.keys)}
    apart |= set(join)
    apart |= {label.column} if label.table == table.name else set()
    inputs, left_out = [], {}
    for column, kind in table.sample.columns.items():
        values = table.sample.rows[column].drop_nulls()
        if column in apart:
            continue
        if values.n_unique() < 2:
            left_out[column] = "never changes"
        elif kind == "text" and values.n_unique() > FEW_VALUES:
            left_out[column] = f"text with {values.n_unique()} values"
        else:
            inputs.append(InputColumn(_name(table, column, kind, tables), column, kind))
    return TablePlan(
        table.sample, table.keys, table.event, table.known, table.known_from,
        join, tuple(inputs), left_out,
    )  # fmt: skip


def _join(given: GivenAnswers, table: TablePlan, subject: TablePlan) -> tuple[str, ...]:
    """By which columns of the predicted rows a table's rows are found: those that it has in common
    with their table among its keys, or else with their keys. Those of their own table by all keys:
    several rows may be known at the same moment.
    """
    usable = subject.sample.of("text", "integer")
    if table.name == subject.name:
        usable, common = list(table.keys), list(table.keys)
    else:
        common = _in_common(table, subject, usable)
    if not common and table.name not in given.join:
        both = ", ".join(name for name in table.sample.columns if name in usable) or "none"
        raise BadConfig(
            f"--join {table.name}=…: none of its keys is a column of {subject.name}; say by which "
            f"column its rows are found (in common: {both})"
        )

    def unasked(_flag: str, _question: str, proposal: str) -> str:
        return proposal

    named = _named(given.join, table.sample, "--join", ", ".join(common), unasked)
    lacking = [name for name in named if name not in usable or to_name(name) != name]
    if lacking:
        raise BadConfig(
            f"--join {table.name}={', '.join(named)}: {', '.join(lacking)} must be a text or a "
            f"whole number of {subject.name} too, named in small letters, digits and _"
        )
    return named


def _in_common(table: TablePlan, subject: TablePlan, usable: list[str]) -> list[str]:
    keys = [name for name in table.keys if name in usable]
    theirs = table.sample.of("text", "integer")
    return keys or [name for name in subject.keys if name in usable and name in theirs]


def _name(table: TablePlan, column: str, kind: ColumnType, tables: Mapping[str, TablePlan]) -> str:
    """A feature's name: the column's, with the table's in front where another table has it too."""
    name = f"days_since_{to_name(column)}" if kind == "time" else to_name(column)
    elsewhere = (
        to_name(c) for t in tables.values() if t.name != table.name for c in t.sample.columns
    )
    return f"{table.name}_{name}" if to_name(column) in set(elsewhere) else name
