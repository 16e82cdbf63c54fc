"""Migration of the lake to the column types that the YAML declares.

A type changes only if every value reads back as it was: 7 becomes 7.0 or "7", but 7.5 no integer. A
column that the YAML no longer declares needs no migration, and a new one neither: rows without it
have null.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import polars as pl

from configs.errors import NoRows, SchemaChanged
from configs.schema.use_case import UseCase
from tasks.features.raw_tables import EARLIEST
from tasks.ingestion.feature_refresh import refresh_features
from tasks.ingestion.lake_types import (
    TypeChange,
    describe_type,
    find_key_changes,
    find_type_changes,
)
from tasks.ledger.entries import make_schema_migrated
from tasks.ledger.evidence import SchemaMigrated
from tasks.ledger.log import Ledger
from tasks.storage.lake import open_lake


def plan_migration(use_case: UseCase) -> list[TypeChange]:
    """Return the changes with their rows, and an example of what cannot change."""
    lake, planned = open_lake(use_case.name), []
    for change in [*find_type_changes(use_case), *find_key_changes(use_case)]:
        rows = lake.scan(change.table)
        count = rows.select(pl.len()).collect().item()
        lost = _find_lost_value(rows.select(change.column).drop_nulls(), change)
        planned.append(replace(change, rows=count, example=lost))
    return planned


def _find_lost_value(values: pl.LazyFrame, change: TypeChange) -> str | None:
    """Return a value that is not the same after the change, read back; None without one."""
    column = pl.col(change.column)
    converted = column.cast(change.declared, strict=False)
    changes = converted.cast(change.held, strict=False).ne_missing(column)
    first = values.head(1).collect()
    if first.is_empty():
        return None
    try:
        first.filter(changes)
    except pl.exceptions.PolarsError:  # there is no way between these types
        return repr(first.item())
    lost = values.filter(changes).head(1).collect()
    return repr(lost.item()) if lost.height else None


def apply_migration(
    book: Ledger, use_case: UseCase, changes: Sequence[TypeChange], at: datetime, actor: str
) -> None:
    """Change the types, one commit a table, and build the features of the new rows.

    Each table has an entry in the ledger before its commit. A killed migration is run again: it
    does what is left. Raises SchemaChanged, before anything is changed, if a value would be lost.
    """
    for change in changes:
        if change.example is not None:
            raise SchemaChanged(
                f"{change}, which cannot hold {change.example}; nothing was changed. Declare "
                f"another type in {use_case.name}.yaml"
            )
    for table in dict.fromkeys(change.table for change in changes):
        _change_table(book, use_case, [c for c in changes if c.table == table], at, actor)
    rebuild_features(use_case)


def _change_table(
    book: Ledger, use_case: UseCase, changes: Sequence[TypeChange], at: datetime, actor: str
) -> None:
    lake, table = open_lake(use_case.name), changes[0].table
    types = {c.column: (describe_type(c.held), describe_type(c.declared)) for c in changes}
    evidence = SchemaMigrated(
        table=table,
        from_version=lake.version(table),
        columns=types,
        reason=f"{table}: "
        + ", ".join(f"{name} from {old} to {new}" for name, (old, new) in types.items()),
    )
    book.record(make_schema_migrated(use_case.name, at, actor, evidence))
    lake.change_types(table, {change.column: change.declared for change in changes})


def rebuild_features(use_case: UseCase) -> None:
    """Build the features of changed raw rows, up to the time that they are built to already."""
    try:
        refresh_features(use_case, EARLIEST)
    except NoRows:
        return
