"""Erasure of all rows of a key, like a person's, with the older versions of their tables.

Raw rows, quarantine, predictions, contributions and logged requests are written again without
them, and older versions are removed. Feature tables are removed, and built again from raw. The
online store is cleared. Golden rows of model versions are replaced by those of other keys. The
ledger keeps a tombstone with a digest of the key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from configs.errors import BadConfig
from configs.schema.use_case import UseCase
from configs.settings import settings
from tasks.features.online_store import clear_online_store
from tasks.ingestion.feature_refresh import refresh_features
from tasks.ingestion.rows.erased_keys import ERASED_COLUMNS_SEPARATOR, digest_key
from tasks.ingestion.validation import FILE_COLUMN
from tasks.ledger.evidence import RowsChanged
from tasks.ledger.log import Ledger
from tasks.ledger.row_entries import make_rows_changed
from tasks.rollout.prediction_log import CONTRIBUTIONS, PREDICTIONS, SHADOWS
from tasks.row_changes.erase_requests import (
    RequestErasure,
    erase_requests,
    plan_request_erasure,
    remove_request_files,
)
from tasks.row_changes.golden_rows import (
    GoldenErasure,
    erase_golden_rows,
    match_key,
    plan_golden_erasures,
)
from tasks.storage import files
from tasks.storage.file_records import read_file_records
from tasks.storage.lake import open_lake
from tasks.storage.purge import purge_older_versions


@dataclass(frozen=True)
class ErasePlan:
    """What an erasure removes.

    Rows by table of the lake, landed files that hold the key, golden rows by version, and logged
    requests.
    """

    key: Mapping[str, str]
    rows: dict[str, int]
    files: list[str]
    golden: list[GoldenErasure]
    requests: RequestErasure = field(default_factory=RequestErasure)

    @property
    def digest(self) -> str:
        """Digest of the key, as the ledger keeps it."""
        return digest_key(self.key)


def parse_erase_key(text: str) -> dict[str, str]:
    """Return the columns and values of a key like `tailnum=N123` or `store=7,product=a`."""
    pairs = [part.partition("=") for part in text.split(",")]
    if not all(name.strip() and sign and value for name, sign, value in pairs):
        raise BadConfig(f"--key {text!r} is invalid; write column=value, like tailnum=N123")
    return {name.strip(): value for name, _, value in pairs}


def plan_erasure(
    book: Ledger, use_case: UseCase, key: Mapping[str, str], as_of: datetime
) -> ErasePlan:
    """Return what an erasure of a key would remove; BadConfig if no table has its columns.

    Args:
        book: the ledger.
        use_case: the use case.
        key: columns and values.
        as_of: time of the erasure.
    """
    lake, rows, batches = open_lake(use_case.name), {}, set()
    for name in _list_tables(use_case):
        if not lake.exists(name) or not _has_columns(use_case, name, key):
            continue
        matched = lake.scan(name).filter(match_key(key))
        rows[name] = matched.select(pl.len()).collect().item()
        if name.startswith(("raw/", "quarantine/")):
            batches |= set(matched.select(FILE_COLUMN).unique().collect()[FILE_COLUMN])
    requests = plan_request_erasure(use_case, key)
    if not rows and not any(requests.rows.values()):
        raise BadConfig(f"--key: no table of {use_case.name} has the columns {', '.join(key)}")
    fingerprints = [batch.split(":")[0] for batch in batches]
    records = read_file_records(use_case).filter(pl.col("fingerprint").is_in(fingerprints))
    golden = plan_golden_erasures(book, use_case, key, as_of)
    paths = records["path"].unique().sort().to_list()
    return ErasePlan(dict(key), rows, paths, golden, requests)


def erase_key(
    book: Ledger,
    use_case: UseCase,
    plan: ErasePlan,
    as_of: datetime,
    actor: str,
    reason: str,
) -> None:
    """Erase all rows of a key, then build the feature tables again.

    The tombstone is written first. After a kill, a new plan and this call complete the erasure.

    Args:
        book: the ledger.
        use_case: the use case.
        plan: the key, and what it matches.
        as_of: time of the erasure.
        actor: name of the person.
        reason: why, for the ledger.
    """
    tombstone = RowsChanged(
        rows=sum(plan.rows.values()) + sum(plan.requests.rows.values()),
        rule=ERASED_COLUMNS_SEPARATOR.join(sorted(plan.key)),
        digest=plan.digest,
        reason=reason,
    )
    book.record(make_rows_changed(use_case.name, "rows_erased", as_of, actor, tombstone))
    for erasure in plan.golden:  # needs the rows of the key, so it comes before their erasure
        erase_golden_rows(book, use_case, erasure, plan.key, as_of, actor, reason)
    lake, others = open_lake(use_case.name), ~match_key(plan.key)
    for name in plan.rows:
        if plan.rows[name]:
            lake.keep_rows(name, others)
        purge_older_versions(lake, name)
    erase_requests(use_case, plan.requests, plan.key)
    for view in use_case.features.views:
        files.remove_folder(lake.uri(f"features/{view}"))
    clear_online_store(use_case)
    if all(lake.exists(f"raw/{name}") for name in use_case.tables):
        refresh_features(use_case, as_of)


def remove_landed_files(use_case: UseCase, plan: ErasePlan) -> None:
    """Remove the landed files that hold the key; the other rows of them are in the lake."""
    for path in plan.files:
        files.remove_file(f"{settings().landing}/{use_case.name}/{path}")
    remove_request_files(plan.requests)


def _list_tables(use_case: UseCase) -> list[str]:
    """Return the tables whose rows are erased one by one; feature tables are built again."""
    landed = [f"{kind}/{name}" for kind in ("raw", "quarantine") for name in use_case.tables]
    return [*landed, PREDICTIONS, SHADOWS, CONTRIBUTIONS]


def _has_columns(use_case: UseCase, name: str, key: Mapping[str, str]) -> bool:
    held = open_lake(use_case.name).scan(name).collect_schema()
    return all(column in held for column in key)
