"""Plan of a new use case, from the flags, the answers of a person and the samples.

A missing answer, or one that the sample contradicts, raises BadConfig with the flag and what to do.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

import polars as pl

from configs.clock import check_moment
from configs.errors import BadConfig
from configs.schema.data import OWN_TIME
from tasks.scaffold.column_types import looks_like_time
from tasks.scaffold.plan import (
    AskQuestion,
    Forecast,
    GivenAnswers,
    LabelPlan,
    ScaffoldPlan,
    TablePlan,
)
from tasks.scaffold.resolution.columns import resolve_columns
from tasks.scaffold.resolution.forecast import plan_forecast, require_known_joins, resolve_ahead
from tasks.scaffold.resolution.inputs import resolve_inputs
from tasks.scaffold.resolution.label import resolve_label
from tasks.scaffold.resolution.zone import apply_zone, resolve_zone
from tasks.scaffold.sample import Sample, read_sample

_RESERVED = {
    "annotations", "between", "datetime", "days_since", "first", "known_in", "labels", "lands",
    "newest", "not_null", "pl", "some_rows", "spine", "timedelta",
}  # fmt: skip
"""Names that the feature and expectations modules use beside their tables' functions."""


def make_plan(answers: GivenAnswers, ask: AskQuestion) -> ScaffoldPlan:
    """Read the samples, and resolve every answer that no flag gives."""
    if not answers.tables:
        raise BadConfig("--table: none is given. Give one, like --table orders=samples/orders.csv")
    _check_names(answers.tables)
    samples = {name: read_sample(name, path) for name, path in answers.tables.items()}
    zone = resolve_zone(answers, samples, ask)
    samples = {name: apply_zone(sample, zone) for name, sample in samples.items()}
    timed = {name: _resolve_times(answers, sample, ask) for name, sample in samples.items()}
    subject = timed[_resolve_subject(answers, timed, ask)]
    tables = {name: _resolve_known_from(answers, table, timed) for name, table in timed.items()}
    ahead = resolve_ahead(answers)
    forecast = plan_forecast(subject, ahead)
    label = resolve_label(answers, tables, subject, ask)
    old = _resolve_old_predictions(answers, subject, label, forecast)
    for name, table in tables.items():
        if name == subject.name or name != label.table:
            tables[name] = resolve_inputs(answers, table, subject, label, tables, forecast, old)
    _require_inputs(tables)
    if forecast is not None:
        require_known_joins(tables, subject, forecast)
    return ScaffoldPlan(
        answers.name, tables, tables[subject.name], label, answers.schedule, ahead, forecast, zone,
        old,
    )  # fmt: skip


def _resolve_old_predictions(
    answers: GivenAnswers, subject: TablePlan, label: LabelPlan, forecast: Forecast | None
) -> str:
    """Return the column with the predictions of what the model replaces; empty without one."""
    if not answers.old_predictions:
        return ""
    flag = f"--old-predictions {answers.old_predictions}"
    column = subject.sample.find_column(answers.old_predictions.removeprefix(f"{subject.name}."))
    numbers = subject.sample.columns_of("number", "integer")
    taken = (*subject.keys, label.column if label.table == subject.name else "")
    if column not in numbers or column in taken or label.kind == "multiclass":
        raise BadConfig(
            f"{flag}: give a column of {subject.name} with numbers: predicted values, or "
            f"probabilities of the event. Columns: {', '.join(numbers) or 'none'}"
        )
    if forecast is not None:
        raise BadConfig(
            f"{flag}: the rows of {subject.name} are not known when they are predicted. Return the "
            "column from the feature module, and name it in gate.opponents"
        )
    return column


def _require_inputs(tables: Mapping[str, TablePlan]) -> None:
    if any(table.inputs for table in tables.values()):
        return
    left_out = [f"{t.name}.{c} {why}" for t in tables.values() for c, why in t.left_out.items()]
    raise BadConfig(
        f"--table {', '.join(tables)}: no column can be an input of the model, beside keys, times "
        f"and label ({'; '.join(left_out) or 'there are no others'}). Add a table with more columns"
    )


def _check_names(names: Iterable[str]) -> None:
    for name in names:
        reserved = name in _RESERVED or keyword.iskeyword(name)
        if reserved or not re.fullmatch(r"[a-z][a-z0-9_]{0,29}", name):
            raise BadConfig(
                f"--table {name}: the table's name is invalid. Use up to 30 small letters, digits "
                f"and _, but no Python keyword and none of {', '.join(sorted(_RESERVED))}"
            )


def _resolve_times(answers: GivenAnswers, sample: Sample, ask: AskQuestion) -> TablePlan:
    """Return the table with its keys and times; a table without any time is static."""
    name = sample.name
    keys = resolve_columns(answers.keys, sample, "--keys", ", ".join(sample.propose_keys()), ask)
    _require_keys(sample, keys)
    times = sample.columns_of("time")
    static = TablePlan(sample, keys, OWN_TIME, OWN_TIME, None)
    if name in answers.known_from or (not times and name not in answers.event_time):
        return static
    answer = answers.event_time.get(name) or ask(
        f"--event-time {name}=…", f"Event time of {name} (none: it has no times)", times[0]
    )
    if answer == "none":
        return static
    (event,) = resolve_columns({name: answer}, sample, "--event-time", "", ask)
    _require_time(sample, "--event-time", event)
    proposal = propose_known_time(sample, event)
    (known,) = resolve_columns(answers.known_time, sample, "--known-time", proposal, ask)
    _require_time(sample, "--known-time", known)
    _require_order(sample, event, known)
    return TablePlan(sample, keys, event, known, None)


def propose_known_time(sample: Sample, event: str) -> str:
    """Return the time that is latest in all rows: a row is complete no sooner than that."""
    times, latest = sample.columns_of("time"), event
    for name in times:
        span = sample.rows[name] - sample.rows[latest]
        if not sample.rows[name].null_count() and (span >= timedelta(0)).all():
            latest = name
    return latest


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


def _resolve_subject(
    answers: GivenAnswers, tables: Mapping[str, TablePlan], ask: AskQuestion
) -> str:
    """Return the name of the table whose rows are predicted."""
    first = next(iter(tables))
    name = answers.predict or (
        ask("--predict", "Which table's rows are predicted?", first) if len(tables) > 1 else first
    )
    if name not in tables:
        raise BadConfig(f"--predict {name}: table not found. Tables: {', '.join(tables)}")
    if tables[name].event == OWN_TIME:
        raise BadConfig(
            f"--predict {name}: the table has no time, so its rows have no prediction time. Add a "
            "column with the time at which each row was known"
            f"{_describe_unread_times(tables[name].sample)}"
        )
    return name


def _describe_unread_times(sample: Sample) -> str:
    """Return the text columns that look like times, with a value; empty without any."""
    unread = [name for name in sample.columns_of("text") if looks_like_time(sample.rows[name])]
    if not unread:
        return ""
    values = (f"{name} {sample.rows[name].drop_nulls()[0]!r}" for name in unread)
    return (
        f". These columns look like times of an unknown or ambiguous form: {', '.join(values)}. "
        "Write them like 2013-01-31T18:05:00Z, in UTC"
    )


def _resolve_known_from(
    answers: GivenAnswers, table: TablePlan, tables: Mapping[str, TablePlan]
) -> TablePlan:
    """Return a static table with the day it is known from: as given, or the first of all days."""
    if table.event != OWN_TIME:
        return table
    if table.name in answers.known_from:
        day = answers.known_from[table.name]
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
