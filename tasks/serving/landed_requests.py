"""Spool files of logged requests as Parquet files in the landing folder."""

from __future__ import annotations

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
from tasks.storage import files

_SCHEMA: dict[str, Any] = {
    "request_id": pl.String, "row": pl.Int64, "moment": pl.Datetime("us", "UTC"),
    "keys": pl.String, "inputs": pl.String, "arm": pl.String, "model_version": pl.Int64,
    "value": pl.String, "decision": pl.String, "shadows": pl.String, "missing_features": pl.Int64,
    "stale_features": pl.Int64, "feature_ages": pl.String, "seconds": pl.Float64,
    "errors": pl.String,
}  # fmt: skip


def land_spool(use_case: UseCase, path: Path) -> None:
    """Move a spool file that no process writes any more into the landing folder.

    An incomplete last line is left out: its request was never answered. After a kill in between,
    the same content lands under the same name again.
    """
    request_case = derive_request_case(use_case)
    assert request_case is not None  # the log has a plan in the YAML
    lines = path.read_bytes().split(b"\n")[:-1]  # what follows the last line end is incomplete
    if lines:
        content = BytesIO()
        _to_frame(lines).write_parquet(content, statistics=False)
        target = f"{settings().landing}/{request_case.name}/{REQUEST_TABLE}/{path.stem}.parquet"
        if is_s3(target):
            files.write_file(target, content.getvalue())
        else:
            write_atomically(Path(target), content.getvalue())
    path.unlink()


def _to_frame(lines: list[bytes]) -> pl.DataFrame:
    rows = [msgspec.json.decode(line) for line in lines]
    moments = [datetime.fromisoformat(row.pop("moment")) for row in rows]
    texts = [name for name, kind in _SCHEMA.items() if kind == pl.String]
    for row in rows:
        for name in texts:
            if not isinstance(row[name], str):
                row[name] = msgspec.json.encode(row[name]).decode()
    times = pl.Series("moment", moments, pl.Datetime("us", "UTC"))
    frame = pl.DataFrame(rows, {n: k for n, k in _SCHEMA.items() if n != "moment"})
    return frame.with_columns(times).select(list(_SCHEMA))
