"""Raw tables of the lake as they were known at a given time, and the feature module."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import import_module
from types import ModuleType

import polars as pl

from configs.schema.use_case import UseCase
from tasks.storage.lake import open_lake

CREATED = "created_timestamp"
EVENT = "event_timestamp"
FILE_COLUMN = "_file"
"""Column of every raw table: the fingerprint of the file that a row landed in."""
EARLIEST = datetime(1000, 1, 1, tzinfo=UTC)
"""Start of the feature tables. A raw row known before it counts as known from it.

A view subtracts spans from the start of its window, and Python has no year before 1.
"""
LATEST = datetime(9000, 1, 1, tzinfo=UTC)
"""End of the feature tables; a view adds spans to the end of its window."""


def scan_raw_tables(
    use_case: UseCase, as_of: datetime, versions: Mapping[str, int] | None = None
) -> dict[str, pl.LazyFrame]:
    """Scan the raw tables lazily: their rows known by `as_of`, by table name.

    Raises NoRows if a table has no data yet.

    Args:
        versions: pinned table versions by table name; the newest of the others.
    """
    lake, pinned = open_lake(use_case.name), versions or {}
    return {
        name: lake.scan(f"raw/{name}", pinned.get(name)).filter(pl.col(table.known_time) <= as_of)
        for name, table in use_case.tables.items()
    }


def read_table_versions(use_case: UseCase) -> dict[str, int]:
    """Return the newest version of every raw and feature table that exists."""
    raw = [f"raw/{name}" for name in use_case.tables]
    return open_lake(use_case.name).versions(
        [*raw, *(f"features/{view}" for view in use_case.features.views)]
    )


def import_feature_module(use_case: UseCase) -> ModuleType:
    """Import the feature module that `features.module` names."""
    return import_module(use_case.features.module)
