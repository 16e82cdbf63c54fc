"""Everything that can be known about a use case without changing anything.

Steps follow each other as a run would: YAML, suites, candidates, the feature module, Feast's
objects, and then spine, label and views on the rows that are in the lake.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Literal

import polars as pl

from configs.errors import BadConfig, MainspringError
from configs.settings import settings
from configs.use_case import UseCase, load_use_case
from tasks.features import raw_tables
from tasks.lake import lake_of
from tasks.landing import discover, read_landed
from tasks.store import objects

Verdict = Literal["ok", "skipped", "wrong"]
SAMPLE = timedelta(days=2)
FOREVER = datetime(2262, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Finding:
    """What was checked, its verdict, and what was found or how to mend it."""

    what: str
    verdict: Verdict
    detail: str = ""


def check(name: str) -> Iterator[Finding]:
    """Check a use case; findings come as they are made. A wrong YAML ends it."""
    try:
        use_case = load_use_case(name)
    except BadConfig as wrong:
        yield Finding("configuration", "wrong", str(wrong))
        return
    yield Finding("configuration", "ok", f"configs/{name}.yaml")
    for what, step in (
        ("suites", _suites),
        ("candidates", _candidates),
        ("feature module", _functions),
        ("feast", _feast),
        ("landed files", _landed),
        ("rows", _rows),
    ):
        yield from _guarded(what, step, use_case)


def _guarded(
    what: str, step: Callable[[UseCase], Iterator[Finding]], use_case: UseCase
) -> Iterator[Finding]:
    """The findings of a step; what it raises is a finding too."""
    try:
        yield from step(use_case)
    except MainspringError as wrong:
        yield Finding(what, "wrong", str(wrong))
    except Exception as broken:  # noqa: BLE001 - whatever a use case's own code raises is its finding
        yield Finding(what, "wrong", f"{type(broken).__name__}: {broken}")


def _module(field: str, path: str) -> ModuleType:
    try:
        return importlib.import_module(path)
    except ImportError as missing:
        raise BadConfig(f"{field}: cannot import {path!r}: {missing}") from missing


def _suites(use_case: UseCase) -> Iterator[Finding]:
    """Each table's suite can be built, counts rows first and names only columns of the table."""
    from tasks.validation import suite_of

    for name, table in use_case.tables.items():
        suite = suite_of(use_case, name, FOREVER)
        first = type(suite.blocking[0]).__name__ if suite.blocking else "nothing"
        if "RowCount" in first:
            said = f"{table.suite}: {len(suite.blocking)} block, {len(suite.by_row)} quarantine"
            yield Finding("suite", "ok", said)
        else:
            said = f"{table.suite}: the row count must come first, not {first}"
            yield Finding("suite", "wrong", said)


def _candidates(use_case: UseCase) -> Iterator[Finding]:
    """Each estimator can be imported, takes its parameters and is made for such a label."""
    from tasks.kinds import kind_of
    from tasks.matrix import Schema
    from tasks.training import build_estimator

    features = use_case.features
    empty: dict[str, tuple[str, ...]] = dict.fromkeys(features.categorical, ())
    schema = Schema(numeric=features.numeric, categorical=features.categorical, vocabulary=empty)
    for name, candidate in use_case.candidates.items():
        build_estimator(name, candidate, schema, use_case.seed, kind_of(use_case))
        yield Finding("candidate", "ok", f"{name}: {candidate.estimator}")


def _functions(use_case: UseCase) -> Iterator[Finding]:
    """The feature module has all functions that the YAML names."""
    features = use_case.features
    module = _module("features.module", features.module)
    asked = (use_case.spine.function, use_case.label.function, *features.views)
    missing = [name for name in asked if not callable(getattr(module, name, None))]
    if missing:
        yield Finding("feature module", "wrong", f"{features.module} has no {', '.join(missing)}")
    else:
        yield Finding("feature module", "ok", f"{features.module}: {', '.join(asked)}")


def _feast(use_case: UseCase) -> Iterator[Finding]:
    """Feast's objects are the YAML's, and every view can be too old and knows two times."""
    repo = objects(use_case)
    yield Finding("feast", "ok", f"{use_case.features.service}: {len(repo.feature_views)} views")
    for view in repo.feature_views:
        if not view.batch_source.created_timestamp_column:
            said = f"view {view.name}: its source needs a created_timestamp_column"
            yield Finding("feast", "wrong", said)


def _landed(use_case: UseCase) -> Iterator[Finding]:
    """The newest landed file of each table that was not taken yet can be read as the YAML says."""
    newest = {file.table: file for file in discover(use_case)}
    if not newest:
        yield Finding("landed files", "skipped", f"nothing new in {settings().landing}")
    for table, file in newest.items():
        rows = read_landed(use_case, file)
        yield Finding("landed files", "ok", f"{table}: {file.path}, {rows.height} rows")


def _rows(use_case: UseCase) -> Iterator[Finding]:
    """Spine, label and views run on the newest days of the lake and give what they promise."""
    lake = lake_of(use_case.name)
    missing = [name for name in use_case.tables if not lake.exists(f"raw/{name}")]
    if missing:
        yield Finding("rows", "skipped", f"nothing ingested yet for {', '.join(missing)}")
        return
    module = _module("features.module", use_case.features.module)
    raw = raw_tables(use_case, FOREVER)
    end = _last_known(use_case, raw)
    start = end - SAMPLE
    frames = {
        name: getattr(module, name)(raw, start, end).collect()
        for name in (use_case.spine.function, use_case.label.function, *use_case.features.views)
    }
    yield from _promises(use_case, frames)


def _last_known(use_case: UseCase, raw: dict[str, pl.LazyFrame]) -> datetime:
    newest = [
        raw[name].select(pl.col(table.known_time).max()).collect().item()
        for name, table in use_case.tables.items()
    ]
    last: datetime = max(newest)
    return last


def _promises(use_case: UseCase, frames: dict[str, pl.DataFrame]) -> Iterator[Finding]:
    spine, label = use_case.spine, use_case.label
    promised = {
        spine.function: {*spine.key, spine.time},
        label.function: {*spine.key, spine.time, label.column, label.known_time},
    }
    for name, frame in frames.items():
        columns = promised.get(name, {"event_timestamp", "created_timestamp"})
        lacking = sorted(columns - set(frame.columns))
        if lacking:
            yield Finding(name, "wrong", f"gives no column {', '.join(lacking)}")
        elif name == spine.function and frame.select(spine.key).is_duplicated().any():
            yield Finding(name, "wrong", f"spine.key names some predictions twice: {spine.key}")
        elif name == spine.function and (lacking := _inputs_nowhere(use_case, frames)):
            said = f"features.numeric, features.categorical: nobody gives {', '.join(lacking)}"
            yield Finding("inputs", "wrong", said)
        elif label.column in frame.columns and name != label.function:
            yield Finding(name, "wrong", f"holds the label {label.column!r}")
        else:
            yield Finding(name, "ok", f"{frame.height} rows")


def _inputs_nowhere(use_case: UseCase, frames: dict[str, pl.DataFrame]) -> list[str]:
    """The model's inputs that neither the spine nor a view has."""
    givers = (use_case.spine.function, *use_case.features.views)
    given = {column for name in givers for column in frames[name].columns}
    return sorted(set(use_case.features.inputs) - given)
