"""Records of landed files: the table with the verdict on each file."""

from __future__ import annotations

import polars as pl

from configs.schema.use_case import UseCase
from tasks.storage.lake import open_lake

FILES_TABLE = "files"
"""The table with the verdict on each landed file, and when it was ingested."""
FILE_RECORD_SCHEMA = {
    "table": pl.String(), "path": pl.String(), "fingerprint": pl.String(), "size": pl.Int64(),
    "modified": pl.Float64(), "status": pl.String(), "rows": pl.Int64(), "accepted": pl.Int64(),
    "quarantined": pl.Int64(), "reason": pl.String(), "as_of": pl.Datetime("us", "UTC"),
    "changed": pl.Int64(), "repeated": pl.Int64(), "cause": pl.String(),
    "retry_from": pl.Datetime("us", "UTC"), "judged_by": pl.String(),
}  # fmt: skip


def read_file_records(use_case: UseCase) -> pl.DataFrame:
    """Read the records of all files: one row a file and status, with the run's `as_of`."""
    return _scan_file_records(use_case).collect()


def read_landing_times(use_case: UseCase) -> pl.DataFrame:
    """Return the fingerprint of each accepted file, and the `as_of` of its ingest."""
    accepted = _scan_file_records(use_case).filter(status="accepted")
    return accepted.select("fingerprint", "as_of").collect()


def _scan_file_records(use_case: UseCase) -> pl.LazyFrame:
    lake, none = open_lake(use_case.name), pl.LazyFrame(schema=FILE_RECORD_SCHEMA)
    if not lake.exists(FILES_TABLE):
        return none
    # older records lack columns
    return pl.concat([none, lake.scan(FILES_TABLE)], how="diagonal")
