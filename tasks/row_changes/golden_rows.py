"""Erasure of golden rows: the example rows of a version that come from an erased key.

Golden rows hold inputs and no keys. So a row is one of the key if it has the inputs of a row that
the key was predicted by. The ledger gets the digest of the new file first, then MLflow the file. In
between, and after a kill, the version cannot be opened until the same call completes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from configs.errors import BadModel, MainspringError
from configs.schema.use_case import UseCase
from configs.settings import settings
from infra.storage.errors import storage_errors
from tasks.features.raw_tables import EARLIEST
from tasks.features.retrieval import build_spine, join_features
from tasks.ingestion.rows.erased_keys import ERASED_COLUMNS_SEPARATOR, digest_key
from tasks.ledger.evidence import RowsChanged
from tasks.ledger.log import Ledger
from tasks.ledger.row_entries import make_rows_changed
from tasks.models.artifact import (
    GOLDEN_FILE,
    ModelArtifact,
    VersionFiles,
    pack_artifact,
    parse_artifact,
    read_version_files,
)
from tasks.models.mlflow.client import connect_mlflow, mlflow_errors
from tasks.models.mlflow.versions import EXTRA_FILES, downloaded_version
from tasks.models.registry import with_card_features


@dataclass(frozen=True)
class GoldenErasure:
    """The golden rows of a version that are erased, and the files without them.

    Without `files`, the rows cannot be compared for the `problem`, or none is of the key.
    """

    version: int
    rows: int = 0
    files: VersionFiles | None = None
    problem: str = ""


def plan_golden_erasures(
    book: Ledger, use_case: UseCase, key: Mapping[str, str], as_of: datetime
) -> list[GoldenErasure]:
    """Return the versions with golden rows of a key, and those that cannot be compared.

    Args:
        book: the ledger, which knows the versions.
        use_case: the use case.
        key: columns and values.
        as_of: time of the erasure.
    """
    versions = sorted({e.version for e in book.entries(use_case.name) if e.version is not None})
    # once, and only if a version needs it; an error is of each version
    read_spine = cache(lambda: build_spine(use_case, EARLIEST, as_of, as_of))
    plans = [_plan_version(use_case, version, key, read_spine) for version in versions]
    return [plan for plan in plans if plan.rows or plan.problem]


@mlflow_errors()
def erase_golden_rows(
    book: Ledger,
    use_case: UseCase,
    erasure: GoldenErasure,
    key: Mapping[str, str],
    as_of: datetime,
    actor: str,
    reason: str,
) -> None:
    """Replace the golden rows of a version by those that remain.

    Args:
        book: the ledger.
        use_case: the use case.
        erasure: the version, and its files without the rows.
        key: columns and values.
        as_of: time of the erasure.
        actor: name of the person.
        reason: why, for the ledger.
    """
    if erasure.files is None:
        return
    version, files = erasure.version, erasure.files
    evidence = RowsChanged(
        table=f"golden rows of version {version}",
        rows=erasure.rows,
        rule=ERASED_COLUMNS_SEPARATOR.join(sorted(key)),
        digest=digest_key(key),
        reason=reason,
        files=files.digests,
    )
    entry = make_rows_changed(use_case.name, "rows_erased", as_of, actor, evidence, version)
    book.record(entry)
    _replace_golden_file(use_case.name, version, files)


def _plan_version(
    use_case: UseCase,
    version: int,
    key: Mapping[str, str],
    read_spine: Callable[[], pl.DataFrame],
) -> GoldenErasure:
    name = f"{use_case.name} version {version}"
    try:
        with downloaded_version(use_case.name, version) as folder:
            artifact = parse_artifact(read_version_files(folder, name, EXTRA_FILES), name)
    except BadModel:
        return GoldenErasure(version)  # it has no files, so it has no rows
    try:
        matched = _find_rows(use_case, artifact, key, read_spine)
    except MainspringError as error:
        return GoldenErasure(version, problem=str(error))
    kept = artifact.golden.filter(~matched)
    if kept.is_empty():
        problem = "all of its golden rows are of the key; train another version"
        return GoldenErasure(version, problem=problem)
    files = pack_artifact(ModelArtifact(artifact.onnx, artifact.card, kept))
    rows = int(matched.sum())
    return GoldenErasure(version, rows, files if rows else None)


def _find_rows(
    use_case: UseCase,
    artifact: ModelArtifact,
    key: Mapping[str, str],
    read_spine: Callable[[], pl.DataFrame],
) -> pl.Series:
    """Return for each golden row whether it is one of the key."""
    golden, is_key = artifact.golden, match_key(key)
    if set(key) <= set(golden.columns):
        return golden.select(is_key.fill_null(value=False)).to_series()
    spine = read_spine()
    if not set(key) <= set(spine.columns):
        return pl.repeat(False, golden.height, dtype=pl.Boolean, eager=True)
    case = with_card_features(use_case, artifact.card)
    inputs = list(case.features.inputs)
    own = join_features(case, spine.filter(is_key)).select(inputs).unique()
    matched = golden.with_row_index("__row").join(own, on=inputs, how="semi", nulls_equal=True)
    return pl.int_range(golden.height, eager=True).is_in(matched["__row"].to_list())


def match_key(key: Mapping[str, str]) -> pl.Expr:
    """Return the condition that a row is one of a key, whose values are written as texts."""
    return pl.all_horizontal(
        pl.col(column).cast(pl.String) == value for column, value in key.items()
    )


def _replace_golden_file(use_case: str, version: int, files: VersionFiles) -> None:
    """Write the golden rows of a version again, with their digest in its tags."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    client = connect_mlflow()
    source = client.get_model_version_download_uri(use_case, str(version))
    with TemporaryDirectory() as folder, storage_errors(settings().mlflow_artifacts):
        path = Path(folder, GOLDEN_FILE)
        path.write_bytes(files.golden)
        get_artifact_repository(source).log_artifact(str(path), EXTRA_FILES)
    client.set_model_version_tag(use_case, str(version), "golden_digest", str(files.digests.golden))
