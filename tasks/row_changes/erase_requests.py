"""Erasure of a key from logged requests and feedback, whose fields are JSON texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256

import polars as pl

from configs.schema.request_table import FEEDBACK_TABLE, REQUEST_TABLE, derive_request_case
from configs.schema.use_case import UseCase
from configs.settings import settings
from tasks.ingestion.validation import FILE_COLUMN
from tasks.storage import files
from tasks.storage.file_records import read_file_records
from tasks.storage.lake import Lake, open_lake
from tasks.storage.logged_requests import decode_fields
from tasks.storage.purge import purge_older_versions

_TEXTS = {REQUEST_TABLE: "inputs", FEEDBACK_TABLE: "keys"}


@dataclass(frozen=True)
class RequestErasure:
    """Rows of a key in the tables of logged requests, and the landed files that hold them."""

    lake: Lake | None = None
    rows: Mapping[str, int] = field(default_factory=dict)
    files: tuple[str, ...] = ()


def plan_request_erasure(use_case: UseCase, key: Mapping[str, str]) -> RequestErasure:
    """Return the logged requests and feedback of a key.

    A hashed column is compared by its hash. Feedback that names a request of the key is part of it.
    """
    request_case = derive_request_case(use_case)
    if request_case is None:
        return RequestErasure()
    lake, rows, batches = open_lake(request_case.name), {}, set()
    for name in _list_tables(lake, request_case):
        matched = lake.scan(name).filter(_match_requests(use_case, lake, name, key))
        batch_names = matched.select(FILE_COLUMN).collect()[FILE_COLUMN]
        rows[name] = batch_names.len()
        batches |= {batch.split(":")[0] for batch in batch_names}
    records = read_file_records(request_case).filter(pl.col("fingerprint").is_in(list(batches)))
    folder = f"{settings().landing}/{request_case.name}"
    paths = tuple(f"{folder}/{path}" for path in records["path"].unique().sort())
    return RequestErasure(lake, rows, paths)


def erase_requests(use_case: UseCase, erasure: RequestErasure, key: Mapping[str, str]) -> None:
    """Erase the rows of a key, and older versions of their tables; feedback first.

    Feedback is found by the requests of the key, so those go last.
    """
    for name in sorted(erasure.rows):  # feedback, then requests
        assert erasure.lake is not None
        if erasure.rows[name]:
            matched = _match_requests(use_case, erasure.lake, name, key)
            erasure.lake.keep_rows(name, ~matched)
        purge_older_versions(erasure.lake, name)


def remove_request_files(erasure: RequestErasure) -> None:
    """Remove the landed files of requests and feedback that hold the key."""
    for address in erasure.files:
        files.remove_file(address)


def _list_tables(lake: Lake, request_case: UseCase) -> list[str]:
    names = [f"{kind}/{name}" for kind in ("raw", "quarantine") for name in request_case.tables]
    return [name for name in names if lake.exists(name)]


def _match_requests(use_case: UseCase, lake: Lake, name: str, key: Mapping[str, str]) -> pl.Expr:
    """Return the condition that a row of a table is one of a key."""
    table = name.rpartition("/")[2]
    own = _match_fields(use_case, _TEXTS[table], key)
    if table != FEEDBACK_TABLE or not lake.exists(f"raw/{REQUEST_TABLE}"):
        return own
    requests = lake.scan(f"raw/{REQUEST_TABLE}")
    matched = requests.filter(_match_fields(use_case, _TEXTS[REQUEST_TABLE], key))
    ids = matched.select(pl.struct("request_id", "row").alias("id")).collect()["id"]
    named = pl.struct("request_id", pl.col("row").fill_null(0)).is_in(ids.implode())
    return own | named if ids.len() else own


def _match_fields(use_case: UseCase, text: str, key: Mapping[str, str]) -> pl.Expr:
    """Return the condition that a JSON text has the values of a key, plain or hashed."""
    log = use_case.serving.log if use_case.serving else None
    hashed = log.hashed if log else ()
    fields = decode_fields(pl.col(text), dict.fromkeys(key, pl.String()))
    values = [
        sha256(value.encode()).hexdigest() if name in hashed else value
        for name, value in key.items()
    ]
    matches = [
        field.eq(value).fill_null(value=False) for field, value in zip(fields, values, strict=True)
    ]
    return pl.all_horizontal(matches)
