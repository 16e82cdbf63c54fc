"""Checks of a feature module: spine, label and views on rows of the lake.

The functions run on the newest days that have predictions. Their rows must match the YAML and
Feast's objects, and must not contain information from the future.
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
from tasks.features.feast_store import collect_feature_objects
from tasks.features.raw_tables import CREATED, EARLIEST, EVENT, LATEST, scan_raw_tables
from tasks.storage.lake import open_lake

FOREVER = datetime(2262, 1, 1, tzinfo=UTC)
_SAMPLE = timedelta(days=2)
_LONGEST_LEAD = timedelta(days=366)  # a row is predicted at most this long after it is known
_UTC = pl.Datetime("us", "UTC")
Frames = Mapping[str, pl.DataFrame]


def check_feature_module(use_case: UseCase) -> Iterator[Finding]:
    """Run the feature module on the lake, and check the rows that it returns."""
    lake = open_lake(use_case.name)
    missing = [name for name in use_case.tables if not lake.exists(f"raw/{name}")]
    if missing:
        yield Finding("rows", "skipped", f"nothing ingested yet for {', '.join(missing)}")
        return
    raw, functions = scan_raw_tables(use_case, FOREVER), _load_functions(use_case)
    start, end = _find_newest_days(use_case, functions, raw)
    frames = {
        name: _collect_rows(name, function(raw, start, end)) for name, function in functions.items()
    }
    mistakes = [*_check_columns(use_case, frames), *_check_views(use_case, frames)]
    if not mistakes:
        mistakes = [*_check_inputs(use_case, frames), *_check_labels(use_case, frames)]
    yield from mistakes
    subjects = {finding.subject for finding in mistakes}
    for name, frame in frames.items():
        if name not in subjects:
            yield Finding(name, "ok", f"{frame.height} rows from {start:%Y-%m-%d} on")
    if not mistakes:
        yield from _check_leaks(use_case, functions, raw)


def _load_functions(use_case: UseCase) -> dict[str, FeatureFunction]:
    module = import_module(use_case.features.module)
    names = (use_case.spine.function, use_case.label.function, *use_case.features.views)
    return {name: getattr(module, name) for name in names}


def _collect_rows(name: str, rows: pl.LazyFrame) -> pl.DataFrame:
    try:
        return rows.collect()
    except pl.exceptions.PolarsError as error:
        raise BadConfig(f"{name}() fails: {str(error).splitlines()[0]}") from error


def _find_newest_days(
    use_case: UseCase, functions: Mapping[str, FeatureFunction], raw: RawRows
) -> tuple[datetime, datetime]:
    """Return the last two days that have predictions; raise BadConfig if no day has any."""
    spine = functions[use_case.spine.function](raw, *_find_extent(use_case, raw))
    newest = spine.select(pl.col(use_case.spine.time).max()).collect().item()
    if newest is None:
        raise BadConfig(
            f"{use_case.spine.function}() returns no row for all ingested rows. Check whether its "
            f"filters remove everything, and whether {use_case.spine.time} is null"
        )
    return newest - _SAMPLE, newest + timedelta(microseconds=1)


def _find_extent(use_case: UseCase, raw: RawRows) -> tuple[datetime, datetime]:
    """Return the span from the first to just after the last time in any raw table.

    It ends a year after the newest known time, so that an absurd event does not become the sample.
    """
    times = [
        raw[name].select(
            pl.min_horizontal(pl.col(table.event_time).min(), known.min()).alias("first"),
            pl.max_horizontal(pl.col(table.event_time).max(), known.max()).alias("last"),
            known.max().alias("known"),
        )
        for name, table in use_case.tables.items()
        for known in (pl.col(table.known_time),)
    ]
    extent = pl.concat(times).select(pl.min("first"), pl.max("last", "known"))
    first, last, known = extent.select(pl.all().clip(EARLIEST, LATEST)).collect().row(0)
    return first, min(last, known + _LONGEST_LEAD) + timedelta(microseconds=1)


def _check_columns(use_case: UseCase, frames: Frames) -> Iterator[Finding]:
    """Check keys and times: present, of the right type, and one spine row a prediction."""
    spine, label = use_case.spine, use_case.label
    required = {
        spine.function: ((spine.time,), spine.key),
        label.function: ((spine.time, label.known_time), (*spine.key, label.column)),
    }
    for name, frame in frames.items():
        times, others = required.get(name, ((EVENT, CREATED), ()))
        missing = [column for column in (*times, *others) if column not in frame.columns]
        no_times = [column for column in times if frame.schema.get(column, _UTC) != _UTC]
        if missing:
            yield Finding(name, "wrong", f"has no column {', '.join(missing)}")
        elif no_times:
            kind = frame.schema[no_times[0]]
            yield Finding(name, "wrong", f"{no_times[0]} is {kind}, and must be a UTC time: {_UTC}")
        elif name == spine.function and frame.select(spine.key).is_duplicated().any():
            yield Finding(name, "wrong", f"has several rows for one key: `spine.keys` {spine.key}")
        elif label.column in frame.columns and name != label.function:
            yield Finding(name, "wrong", f"contains the label {label.column!r}: remove it")


def _check_views(use_case: UseCase, frames: Frames) -> Iterator[Finding]:
    """Check that the functions return what views.py declares, and the spine returns every key."""
    known = frames[use_case.spine.function].columns
    for view in collect_feature_objects(use_case).feature_views:
        declared = [field.name for field in (*view.entity_columns, *view.features)]
        missing = [name for name in declared if name not in frames[view.name].columns]
        unknown_keys = [key for key in view.join_keys if key not in known]
        if missing:
            detail = f"views.py declares {', '.join(missing)}, which {view.name}() does not return"
            yield Finding(view.name, "wrong", detail)
        elif unknown_keys:
            detail = (
                f"its key {', '.join(unknown_keys)} is no column of {use_case.spine.function}(): "
                "add it there, or key the view by a column that the spine has"
            )
            yield Finding(view.name, "wrong", detail)


def _check_inputs(use_case: UseCase, frames: Frames) -> Iterator[Finding]:
    """Check that the spine or a view has each input, and that numeric inputs are numbers."""
    sources = (use_case.spine.function, *use_case.features.views)
    columns = {name: kind for source in sources for name, kind in frames[source].schema.items()}
    for name in use_case.features.inputs:
        if name not in columns:
            detail = f"{name}: neither the spine nor a view has such a column"
            yield Finding("inputs", "wrong", f"features.numeric, features.categorical: {detail}")
    for name in use_case.features.numeric:
        kind = columns.get(name, pl.Float64())
        if not (kind.is_numeric() or kind == pl.Boolean):
            detail = f"features.numeric: {name} is {kind}; move it to features.categorical"
            yield Finding("inputs", "wrong", detail)


def _check_labels(use_case: UseCase, frames: Frames) -> Iterator[Finding]:
    """Check that labels become known after the prediction, and fit the problem type."""
    label, time = use_case.label, use_case.spine.time
    rows = frames[label.function]
    early = rows.filter(pl.col(label.known_time) < pl.col(time)).height
    mistake = problem_type_of(use_case).find_label_error(rows[label.column].drop_nulls().unique())
    if early:
        detail = (
            f"{early} of {rows.height} labels are known before their {time}: {label.known_time} "
            "must be the time when the label became known, or the prediction must come earlier"
        )
        yield Finding(label.function, "wrong", detail)
    elif mistake:
        yield Finding(label.function, "wrong", f"{label.column} {mistake}")
    elif other := problem_type_of(use_case).count_other_values(rows[label.column]):
        counts = ", ".join(f"{value!r} in {number} rows" for value, number in other.items())
        yield Finding(label.function, "skipped", f"{label.column} is no label: {counts}")


def _check_leaks(
    use_case: UseCase, functions: Mapping[str, FeatureFunction], raw: RawRows
) -> Iterator[Finding]:
    leaks = list(find_leaks(use_case, functions, raw))
    for leak in leaks:
        yield Finding("leak", "wrong", _describe_leak(use_case, leak))
    if not leaks:
        detail = f"{', '.join(functions)} use only what was known at the time"
        yield Finding("leak", "ok", detail)


def _describe_leak(use_case: UseCase, leak: Leak) -> str:
    known = ", ".join(f"{name}.{use_case.tables[name].known_time}" for name in leak.tables)
    return (
        f"{leak.function}() uses the future: {leak.rows} of its rows with {leak.time} before "
        f"{leak.moment:%Y-%m-%d %H:%M} need raw rows that became known later (by {known}). Set "
        f"{leak.time} to that time or later, or use only what was known"
    )
