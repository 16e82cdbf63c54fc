"""Rows of the tables `requests` and `feedback`, and the values in their JSON texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from configs.schema.base import ColumnType
from configs.schema.request_table import FEEDBACK_TABLE, REQUEST_TABLE, name_request_case
from configs.schema.use_case import UseCase
from tasks.storage.lake import open_lake

JSON_TYPES: Mapping[ColumnType, Any] = {
    "text": pl.String, "integer": pl.Int64, "number": pl.Float64, "boolean": pl.Boolean,
    "time": pl.Datetime("us", "UTC"),
}  # fmt: skip
_JSON_TIME = "%Y-%m-%dT%H:%M:%S%.fZ"


def scan_requests(use_case: UseCase) -> pl.LazyFrame | None:
    """Return the logged requests of a use case; None if none was ever ingested."""
    return _scan(use_case, REQUEST_TABLE)


def scan_feedback(use_case: UseCase) -> pl.LazyFrame | None:
    """Return the feedback on a use case's predictions; None if none was ever ingested."""
    return _scan(use_case, FEEDBACK_TABLE)


def _scan(use_case: UseCase, table: str) -> pl.LazyFrame | None:
    lake = open_lake(name_request_case(use_case.name))
    return lake.scan(f"raw/{table}") if lake.exists(f"raw/{table}") else None


def has_plain_keys(use_case: UseCase) -> bool:
    """Return whether logged requests have the keys of the spine, neither hashed nor left out."""
    log = use_case.serving.log if use_case.serving else None
    return log is not None and not {*use_case.spine.key} & {*log.leave_out, *log.hashed}


def list_declared_types(use_case: UseCase) -> dict[str, ColumnType]:
    """Return the type of each column of the tables by name."""
    columns = [each.columns.items() for each in use_case.tables.values()]
    return {name: column.type for table in columns for name, column in table}


def list_key_types(use_case: UseCase) -> dict[str, Any]:
    """Return the polars type of each key of the spine, as its tables declare it."""
    declared = list_declared_types(use_case)
    return {key: JSON_TYPES[declared.get(key, "text")] for key in use_case.spine.key}


def decode_fields(text: pl.Expr, types: Mapping[str, Any]) -> list[pl.Expr]:
    """Return fields of a JSON text as columns; a missing field is null.

    Args:
        text: the texts, each a JSON object.
        types: name and polars type of each field.
    """
    written = {
        name: pl.String() if isinstance(kind, pl.Datetime) else kind for name, kind in types.items()
    }
    fields = text.str.json_decode(pl.Struct(written)).struct
    return [_read_field(fields.field(name), name, kind) for name, kind in types.items()]


def decode_keys(use_case: UseCase, text: pl.Expr) -> list[pl.Expr]:
    """Return the keys of the spine from a JSON text as columns."""
    return decode_fields(text, list_key_types(use_case))


def _read_field(field: pl.Expr, name: str, kind: Any) -> pl.Expr:  # noqa: ANN401
    if isinstance(kind, pl.Datetime):
        field = field.str.to_datetime(_JSON_TIME, time_unit="us", time_zone="UTC", strict=False)
    return field.alias(name)
