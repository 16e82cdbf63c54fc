"""What a use case's spine, label and views give on the rows that are in the lake.

They run on the newest days on which anything is predicted. What they give must fit the YAML and
Feast's objects, and must not know the future.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from importlib import import_module

import polars as pl

from configs.errors import BadConfig
from configs.schema.use_case import UseCase
from tasks.checks.findings import Finding
from tasks.checks.leakage import FeatureFunction, Leak, RawRows, find_leaks
from tasks.evaluation.problem_types import problem_type_of
from tasks.features.feast_store import feature_objects
from tasks.features.raw_tables import CREATED, EVENT, scan_raw_tables
from tasks.storage.lake import open_lake

FOREVER = datetime(2262, 1, 1, tzinfo=UTC)
_SAMPLE = timedelta(days=2)
_UTC = pl.Datetime("us", "UTC")
Frames = Mapping[str, pl.DataFrame]


def check_feature_module(use_case: UseCase) -> Iterator[Finding]:
    """Run the feature module on the lake, and look at what it gives."""
    lake = open_lake(use_case.name)
    missing = [name for name in use_case.tables if not lake.exists(f"raw/{name}")]
    if missing:
        yield Finding("rows", "skipped", f"nothing ingested yet for {', '.join(missing)}")
        return
    raw, functions = scan_raw_tables(use_case, FOREVER), _functions(use_case)
    start, end = _newest_days(use_case, functions, raw)
    frames = {name: _run(name, function(raw, start, end)) for name, function in functions.items()}
    wrong = [*_columns(use_case, frames), *_feast(use_case, frames)]
    wrong += [] if wrong else [*_inputs(use_case, frames), *_labels(use_case, frames)]
    named = {finding.what for finding in wrong}
    yield from wrong
    for name, frame in frames.items():
        if name not in named:
            yield Finding(name, "ok", f"{frame.height} rows from {start:%Y-%m-%d} on")
    if not wrong:
        yield from _leaks(use_case, functions, raw)


def _functions(use_case: UseCase) -> dict[str, FeatureFunction]:
    module = import_module(use_case.features.module)
    asked = (use_case.spine.function, use_case.label.function, *use_case.features.views)
    return {name: getattr(module, name) for name in asked}


def _run(name: str, rows: pl.LazyFrame) -> pl.DataFrame:
    try:
        return rows.collect()
    except pl.exceptions.PolarsError as broken:
        raise BadConfig(f"{name}() does not run: {str(broken).splitlines()[0]}") from broken


def _newest_days(
    use_case: UseCase, functions: Mapping[str, FeatureFunction], raw: RawRows
) -> tuple[datetime, datetime]:
    """The last two days on which anything is predicted; BadConfig if nothing ever is."""
    asked = functions[use_case.spine.function](raw, *_extent(use_case, raw))
    newest = asked.select(pl.col(use_case.spine.time).max()).collect().item()
    if newest is None:
        raise BadConfig(
            f"{use_case.spine.function}() gives no row for all that was ever ingested: its filters "
            f"leave nothing, or {use_case.spine.time} is null"
        )
    return newest - _SAMPLE, newest + timedelta(microseconds=1)


def _extent(use_case: UseCase, raw: RawRows) -> tuple[datetime, datetime]:
    """From the first to just after the last time of any raw table."""
    times = [
        raw[name].select(pl.col(column).min().alias("first"), pl.col(column).max().alias("last"))
        for name, table in use_case.tables.items()
        for column in (table.event_time, table.known_time)
    ]
    first, last = pl.concat(times).select(pl.min("first"), pl.max("last")).collect().row(0)
    return first, last + timedelta(microseconds=1)


def _columns(use_case: UseCase, frames: Frames) -> Iterator[Finding]:
    """Keys and times are there, times are times, the spine names each prediction once."""
    spine, label = use_case.spine, use_case.label
    promised = {
        spine.function: ((spine.time,), spine.key),
        label.function: ((spine.time, label.known_time), (*spine.key, label.column)),
    }
    for name, frame in frames.items():
        times, others = promised.get(name, ((EVENT, CREATED), ()))
        lacking = [column for column in (*times, *others) if column not in frame.columns]
        text = [column for column in times if frame.schema.get(column, _UTC) != _UTC]
        if lacking:
            yield Finding(name, "wrong", f"gives no column {', '.join(lacking)}")
        elif text:
            said = f"{text[0]} is {frame.schema[text[0]]}, and must be a UTC time: {_UTC}"
            yield Finding(name, "wrong", said)
        elif name == spine.function and frame.select(spine.key).is_duplicated().any():
            yield Finding(name, "wrong", f"spine.keys name some predictions twice: {spine.key}")
        elif label.column in frame.columns and name != label.function:
            yield Finding(name, "wrong", f"holds the label {label.column!r}: leave it out")


def _feast(use_case: UseCase, frames: Frames) -> Iterator[Finding]:
    """The functions give what views.py declares, and the spine gives every key."""
    known = frames[use_case.spine.function].columns
    for view in feature_objects(use_case).feature_views:
        declared = [field.name for field in (*view.entity_columns, *view.features)]
        lacking = [name for name in declared if name not in frames[view.name].columns]
        unasked = [key for key in view.join_keys if key not in known]
        if lacking:
            said = f"views.py declares {', '.join(lacking)}, which {view.name}() does not give"
            yield Finding(view.name, "wrong", said)
        elif unasked:
            said = (
                f"its key {', '.join(unasked)} is no column of {use_case.spine.function}(): let "
                "that give it, or key the view by what is known of a prediction"
            )
            yield Finding(view.name, "wrong", said)


def _inputs(use_case: UseCase, frames: Frames) -> Iterator[Finding]:
    """Each input comes from somewhere, and a numeric one holds numbers."""
    givers = (use_case.spine.function, *use_case.features.views)
    given = {name: kind for giver in givers for name, kind in frames[giver].schema.items()}
    for name in use_case.features.inputs:
        if name not in given:
            said = f"{name}: neither the spine nor a view gives it"
            yield Finding("inputs", "wrong", f"features.numeric, features.categorical: {said}")
    for name in use_case.features.numeric:
        kind = given.get(name, pl.Float64())
        if not (kind.is_numeric() or kind == pl.Boolean):
            said = f"features.numeric: {name} holds {kind}; move it to features.categorical"
            yield Finding("inputs", "wrong", said)


def _labels(use_case: UseCase, frames: Frames) -> Iterator[Finding]:
    """No label is known before it is asked for, and it is of its kind."""
    label, time = use_case.label, use_case.spine.time
    rows = frames[label.function]
    early = rows.filter(pl.col(label.known_time) < pl.col(time)).height
    mistake = problem_type_of(use_case).find_label_error(rows[label.column].drop_nulls().unique())
    if early:
        said = (
            f"{early} of {rows.height} labels are known before their {time}: {label.known_time} "
            "must say when the answer came, or the prediction comes too late to be one"
        )
        yield Finding(label.function, "wrong", said)
    elif mistake:
        yield Finding(label.function, "wrong", f"{label.column} {mistake}")


def _leaks(
    use_case: UseCase, functions: Mapping[str, FeatureFunction], raw: RawRows
) -> Iterator[Finding]:
    found = list(find_leaks(use_case, functions, raw))
    for leak in found:
        yield Finding("leak", "wrong", _told(use_case, leak))
    if not found:
        said = f"{', '.join(functions)} use nothing before it was known"
        yield Finding("leak", "ok", said)


def _told(use_case: UseCase, leak: Leak) -> str:
    """What a leak is, and the way out."""
    known = ", ".join(f"{name}.{use_case.tables[name].known_time}" for name in leak.tables)
    return (
        f"{leak.function}() knows the future: {leak.rows} of its rows with {leak.time} before "
        f"{leak.moment:%Y-%m-%d %H:%M} need raw rows that were known later (by {known}). Make "
        f"{leak.time} no earlier than that, or leave out what was not known"
    )
