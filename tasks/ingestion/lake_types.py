"""Column types of the lake against those that the YAML declares."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from configs.errors import SchemaChanged
from configs.schema.data import OWN_TIME
from configs.schema.use_case import UseCase
from tasks.features.raw_tables import EARLIEST, import_feature_module
from tasks.ingestion.parsing.file_schema import lake_schema
from tasks.rollout.prediction_log import CONTRIBUTIONS, PREDICTIONS, SHADOWS
from tasks.storage.lake import open_lake
from tasks.storage.table_schema import fits_type

_NAMES = {
    pl.String(): "text",
    pl.Int64(): "integer",
    pl.Float64(): "number",
    pl.Boolean(): "boolean",
    pl.Datetime("us", "UTC"): "time",
}


@dataclass(frozen=True)
class TypeChange:
    """A column whose type in the lake differs from the declared one.

    `example` is a value that the declared type cannot hold; None if it holds all of them.
    """

    table: str
    column: str
    held: pl.DataType
    declared: pl.DataType
    rows: int = 0
    example: str | None = None

    def __str__(self) -> str:
        held, declared = describe_type(self.held), describe_type(self.declared)
        return (
            f"{self.table}: column {self.column} is {held} in the lake, but {declared} in the YAML"
        )


def find_type_changes(use_case: UseCase) -> list[TypeChange]:
    """Return the columns of raw tables and of their quarantine that are not of the declared type.

    Reads no rows.
    """
    return [
        change
        for name, table in use_case.tables.items()
        for place in (f"raw/{name}", f"quarantine/{name}")
        for change in _compare(use_case, place, lake_schema(table))
    ]


def find_key_changes(use_case: UseCase) -> list[TypeChange]:
    """Return the keys of prediction tables that are not of the type that the spine gives them."""
    lake = open_lake(use_case.name)
    tables = [table for table in (PREDICTIONS, SHADOWS, CONTRIBUTIONS) if lake.exists(table)]
    keys = dict(_spine_keys(use_case)) if tables else {}
    return [change for table in tables for change in _compare(use_case, table, keys)]


def _compare(
    use_case: UseCase, table: str, declared: Mapping[str, pl.DataType]
) -> Iterator[TypeChange]:
    held = open_lake(use_case.name).schema(table)
    for column, dtype in declared.items():
        if column in held and not fits_type(dtype, held[column]):
            yield TypeChange(table, column, held[column], dtype)


def require_declared_types(use_case: UseCase) -> None:
    """Raise SchemaChanged if a column of a raw table has another type than the YAML declares."""
    changes = find_type_changes(use_case)
    if changes:
        raise SchemaChanged(
            f"{changes[0]}; take back the change of {use_case.name}.yaml, or run `mainspring "
            f"migrate {use_case.name}`, which shows what would change"
        )


def _spine_keys(use_case: UseCase) -> Iterator[tuple[str, pl.DataType]]:
    """Yield the types that the spine gives its keys, by its plan on tables without rows."""
    empty = {
        name: pl.LazyFrame(schema=lake_schema(table) | {OWN_TIME: pl.Datetime("us", "UTC")})
        for name, table in use_case.tables.items()
    }
    spine = getattr(import_feature_module(use_case), use_case.spine.function)
    schema = spine(empty, EARLIEST, EARLIEST).collect_schema()
    for key in use_case.spine.key:
        if key in schema:
            yield key, schema[key]


def describe_type(dtype: pl.DataType) -> str:
    """Return a type as the YAML calls it, or its own name."""
    return _NAMES.get(dtype, str(dtype))
