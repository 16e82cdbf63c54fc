"""Spool files of logged requests as Parquet files in the landing folder."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from configs.schema.request_table import REQUEST_TABLE, derive_request_case
from configs.schema.use_case import UseCase
from configs.settings import settings
from infra.storage.atomic import write_atomically
from infra.storage.s3 import is_s3
from tasks.serving.spooled.spool import read_whole_lines
from tasks.storage import files

_TIME = pl.Datetime("us", "UTC")
_SCHEMA: dict[str, Any] = {
    "request_id": pl.String, "row": pl.Int64, "moment": _TIME,
    "keys": pl.String, "inputs": pl.String, "arm": pl.String, "model_version": pl.Int64,
    "value": pl.String, "decision": pl.String, "shadows": pl.String, "missing_features": pl.Int64,
    "stale_features": pl.Int64, "feature_ages": pl.String, "seconds": pl.Float64,
    "errors": pl.String,
}  # fmt: skip


def land_requests(use_case: UseCase, path: Path) -> None:
    """Move a spool file of requests that no process writes any more into the landing folder.

    After a kill in between, the same content lands under the same name again.
    """
    request_case = derive_request_case(use_case)
    assert request_case is not None  # the log has a plan in the YAML
    lines = read_whole_lines(path)
    if lines:
        rows = build_frame([msgspec.json.decode(line) for line in lines], _SCHEMA)
        write_landed_file(f"{request_case.name}/{REQUEST_TABLE}/{path.stem}.parquet", rows)
    path.unlink()


def build_frame(rows: Sequence[dict[str, Any]], schema: Mapping[str, Any]) -> pl.DataFrame:
    """Return decoded lines as a frame: times from texts, and nested values as JSON.

    Args:
        rows: the decoded lines; they are changed.
        schema: name and type of each column.
    """
    texts = [name for name, kind in schema.items() if kind == pl.String]
    times = [name for name, kind in schema.items() if kind == _TIME]
    for row in rows:
        for name in texts:
            if name in row and not isinstance(row[name], str | None):
                row[name] = msgspec.json.encode(row[name]).decode()
        for name in times:
            if row.get(name) is not None:
                row[name] = datetime.fromisoformat(row[name])
    return pl.DataFrame(rows, schema)


def write_landed_file(path: str, rows: pl.DataFrame) -> None:
    """Write a Parquet file below the landing folder in one step; return when it is on disk."""
    content, target = BytesIO(), f"{settings().landing}/{path}"
    rows.write_parquet(content, statistics=False)
    if is_s3(target):
        files.write_file(target, content.getvalue())
        return
    write_atomically(Path(target), content.getvalue())
    with Path(target).open("rb") as written:  # its lines leave the spool now
        os.fsync(written.fileno())
