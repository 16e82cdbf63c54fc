"""Everything that can be known about a use case without changing anything.

Steps follow each other as a run would: YAML, suites, candidates, the feature module, Feast's
objects, and then spine, label and views on the rows that are in the lake.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from types import ModuleType

from configs.errors import BadConfig, MainspringError
from configs.schema.loading import load_use_case
from configs.schema.use_case import UseCase
from configs.settings import settings
from tasks.checks.feature_module import FOREVER, check_feature_module
from tasks.checks.findings import Finding
from tasks.features.feast_store import feature_objects
from tasks.ingestion.landing import discover_files, read_landed_file


def check_use_case(name: str) -> Iterator[Finding]:
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
        ("rows", check_feature_module),
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
    from tasks.ingestion.validation import load_suite

    for name, table in use_case.tables.items():
        suite = load_suite(use_case, name, FOREVER)
        first = type(suite.blocking[0]).__name__ if suite.blocking else "nothing"
        if "RowCount" in first:
            said = f"{table.suite}: {len(suite.blocking)} block, {len(suite.by_row)} quarantine"
            yield Finding("suite", "ok", said)
        else:
            said = f"{table.suite}: the row count must come first, not {first}"
            yield Finding("suite", "wrong", said)


def _candidates(use_case: UseCase) -> Iterator[Finding]:
    """Each estimator can be imported, takes its parameters and is made for such a label."""
    from tasks.evaluation.problem_types import problem_type_of
    from tasks.models.matrix import InputSchema
    from tasks.training.fit import build_estimator

    features = use_case.features
    empty: dict[str, tuple[str, ...]] = dict.fromkeys(features.categorical, ())
    schema = InputSchema(
        numeric=features.numeric, categorical=features.categorical, vocabulary=empty
    )
    for name, candidate in use_case.candidates.items():
        build_estimator(name, candidate, schema, use_case.seed, problem_type_of(use_case))
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
    repo = feature_objects(use_case)
    yield Finding("feast", "ok", f"{use_case.features.service}: {len(repo.feature_views)} views")
    for view in repo.feature_views:
        if not view.batch_source.created_timestamp_column:
            said = f"view {view.name}: its source needs a created_timestamp_column"
            yield Finding("feast", "wrong", said)


def _landed(use_case: UseCase) -> Iterator[Finding]:
    """The newest landed file of each table that was not taken yet can be read as the YAML says."""
    newest = {file.table: file for file in discover_files(use_case)}
    if not newest:
        yield Finding("landed files", "skipped", f"nothing new in {settings().landing}")
    for table, file in newest.items():
        rows = read_landed_file(use_case, file)
        yield Finding("landed files", "ok", f"{table}: {file.path}, {rows.height} rows")
