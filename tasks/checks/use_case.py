"""Checks of a whole use case, without side effects.

The order is that of a run: YAML, suites, candidates, feature module, Feast's objects, landed files,
then spine, label and views on the rows of the lake, rows of a holdout, changed views, and alarms.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from types import ModuleType

from configs.errors import BadConfig, MainspringError
from configs.schema.loading import load_use_case
from configs.schema.use_case import UseCase
from configs.settings import settings
from tasks.checks.alarms import check_alarms
from tasks.checks.definitions import check_definitions
from tasks.checks.evidence_rows import check_evidence_rows
from tasks.checks.feature_module import FOREVER, check_feature_module
from tasks.checks.findings import Finding
from tasks.features.feast_store import collect_feature_objects
from tasks.ingestion.lake_types import require_declared_types
from tasks.ingestion.landing import discover_files, read_landed_file
from tasks.ingestion.landing_rules import judge_entries


def check_use_case(name: str) -> Iterator[Finding]:
    """Check a use case and yield findings one by one; an invalid YAML file ends the check."""
    try:
        use_case = load_use_case(name)
    except BadConfig as error:
        yield Finding("configuration", "wrong", str(error))
        return
    yield Finding("configuration", "ok", f"configs/{name}.yaml")
    for subject, check in (
        ("suites", _check_suites),
        ("candidates", _check_candidates),
        ("search", _check_search),
        ("feature module", _check_functions),
        ("feast", _check_feast_objects),
        ("lake", _check_lake_types),
        ("landed files", _check_landed_files),
        ("rows", check_feature_module),
        ("evidence", check_evidence_rows),
        ("definitions", check_definitions),
        ("alarms", check_alarms),
    ):
        yield from _catch_errors(subject, check, use_case)


def _catch_errors(
    subject: str, check: Callable[[UseCase], Iterator[Finding]], use_case: UseCase
) -> Iterator[Finding]:
    """Yield the findings of a check; an error that it raises becomes a finding too."""
    try:
        yield from check(use_case)
    except MainspringError as error:
        yield Finding(subject, "wrong", str(error))
    except Exception as error:  # noqa: BLE001 - a use case's own code may raise anything
        yield Finding(subject, "wrong", f"{type(error).__name__}: {error}")


def _import_module(field: str, path: str) -> ModuleType:
    try:
        return importlib.import_module(path)
    except ImportError as error:
        raise BadConfig(f"`{field}`: module {path!r} cannot be imported: {error}") from error


def _check_suites(use_case: UseCase) -> Iterator[Finding]:
    """Check that each table's suite loads, counts rows first, and names only existing columns."""
    from tasks.ingestion.validation import load_suite

    for name, table in use_case.tables.items():
        suite = load_suite(use_case, name, FOREVER)
        first = type(suite.blocking[0]).__name__ if suite.blocking else "nothing"
        if "RowCount" in first:
            counts = f"{len(suite.blocking)} blocking, {len(suite.by_row)} by row"
            yield Finding("suite", "ok", f"{table.suite}: {counts}")
        else:
            detail = f"{table.suite}: the row count must come first, not {first}"
            yield Finding("suite", "wrong", detail)


def _check_candidates(use_case: UseCase) -> Iterator[Finding]:
    """Check that each candidate can be fitted and exported, on made-up rows."""
    from tasks.training.parity_trial import try_candidate

    for name, candidate in use_case.candidates.items():
        try:
            parity = try_candidate(use_case, name)
        except BadConfig as refused:
            yield Finding("candidate", "wrong", str(refused))
        else:
            yield Finding("candidate", "ok", f"{name}: {candidate.estimator}, parity {parity:.0e}")


def _check_search(use_case: UseCase) -> Iterator[Finding]:
    """Check that a candidate takes the parameters of the search, and that Optuna is there."""
    from tasks.training.search import build_distributions, find_searched_candidate

    if use_case.search is not None:
        name = find_searched_candidate(use_case)
        names = ", ".join(build_distributions(use_case.search.params))
        yield Finding("search", "ok", f"{name}: {names}")


def _check_functions(use_case: UseCase) -> Iterator[Finding]:
    """Check that the feature module has every function that the YAML names."""
    features = use_case.features
    module = _import_module("features.module", features.module)
    names = (use_case.spine.function, use_case.label.function, *features.views)
    missing = [name for name in names if not callable(getattr(module, name, None))]
    if missing:
        yield Finding("feature module", "wrong", f"{features.module} has no {', '.join(missing)}")
    else:
        yield Finding("feature module", "ok", f"{features.module}: {', '.join(names)}")


def _check_feast_objects(use_case: UseCase) -> Iterator[Finding]:
    """Check that Feast's objects match the YAML, and that each source has two times."""
    objects = collect_feature_objects(use_case)
    count = len(objects.feature_views)
    yield Finding("feast", "ok", f"{use_case.features.service}: {count} views")
    for view in objects.feature_views:
        if not view.batch_source.created_timestamp_column:
            detail = f"view {view.name}: its source needs a created_timestamp_column"
            yield Finding("feast", "wrong", detail)


def _check_lake_types(use_case: UseCase) -> Iterator[Finding]:
    require_declared_types(use_case)
    yield Finding("lake", "ok", "its columns have the types of the YAML")


def _check_landed_files(use_case: UseCase) -> Iterator[Finding]:
    """Check that each table's newest landed file can be parsed, if it is not ingested yet."""
    newest = {file.table: file for file in discover_files(use_case)}
    for judged in judge_entries(use_case):
        if judged.status != "new":
            detail = f"{judged.entry.path} is not taken: {judged.reason}"
            yield Finding("landed files", "skipped", detail)
    if not newest:
        yield Finding("landed files", "skipped", f"nothing new in {settings().landing}")
    for table, file in newest.items():
        rows = read_landed_file(use_case, file)
        if rows is None:
            yield Finding("landed files", "skipped", f"{table}: {file.path} changes now")
        else:
            yield Finding("landed files", "ok", f"{table}: {file.path}, {rows.height} rows")
