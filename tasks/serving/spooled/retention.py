"""Retention of logged requests and feedback: how long rows and landed files are kept."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from configs.schema.request_table import derive_request_case
from configs.schema.use_case import UseCase
from configs.settings import settings
from tasks.storage import files
from tasks.storage.file_records import read_file_records
from tasks.storage.lake import Lake, open_lake
from tasks.storage.purge import purge_older_versions

_PATIENCE = timedelta(days=1)  # a table is written again at most once a day


def remove_old_requests(use_case: UseCase, as_of: datetime) -> int:
    """Remove requests and feedback older than `serving.log.keep` for good; return their number.

    Rows go a day later at the latest, with older versions of their table and the landed files.
    """
    request_case = derive_request_case(use_case)
    log = use_case.serving.log if use_case.serving else None
    if request_case is None or log is None or log.keep is None:
        return 0
    oldest, lake = as_of - log.keep, open_lake(request_case.name)
    names = [f"{kind}/{table}" for kind in ("raw", "quarantine") for table in request_case.tables]
    removed = sum(_remove_rows(lake, name, oldest) for name in names if lake.exists(name))
    _remove_files(request_case, oldest)
    return removed


def _remove_rows(lake: Lake, name: str, oldest: datetime) -> int:
    moment = pl.col("moment")
    old = lake.scan(name).filter(moment < oldest)
    count, first = old.select(pl.len(), moment.min()).collect().row(0)
    if first is None or first >= oldest - _PATIENCE:
        return 0
    lake.keep_rows(name, moment >= oldest)
    purge_older_versions(lake, name)
    return int(count)


def _remove_files(request_case: UseCase, oldest: datetime) -> None:
    """Remove the landed files that were ingested before `oldest`: all their rows are older."""
    folder = f"{settings().landing}/{request_case.name}"
    present = {file.path for file in files.list_files(folder)}
    records = read_file_records(request_case).filter(pl.col("as_of") < oldest)
    for path in set(records["path"]) & present:
        files.remove_file(f"{folder}/{path}")
