"""Keys that look alike: they differ only in case, in outer blanks, or in how accents are written.

Such keys are different keys, so their rows do not join. Nothing is changed or refused. The ingest
says which keys of its rows look like another key of the same column, in any table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from configs.schema.use_case import UseCase
from tasks.ingestion.parsing.file_schema import lake_schema
from tasks.storage.lake import open_lake


@dataclass(frozen=True)
class SimilarKeys:
    """Keys of one column that look alike: how many, and the first of them."""

    column: str
    keys: int
    example: tuple[str, ...]

    def describe(self) -> str:
        """Return one sentence for the run."""
        shown = ", ".join(repr(key) for key in self.example)
        return f"{self.keys} values of the key {self.column} look alike and do not join: {shown}"


def find_similar_keys(
    use_case: UseCase, accepted: Mapping[str, Mapping[str, pl.DataFrame]]
) -> list[SimilarKeys]:
    """Return the key columns of accepted rows with values that look like another value.

    Args:
        use_case: tables and their keys.
        accepted: accepted rows by table and file, as they are committed.
    """
    similar = []
    for column in _list_text_keys(use_case):
        new = [
            rows[column]
            for table, files in accepted.items()
            if column in use_case.tables[table].key
            for rows in files.values()
        ]
        if new:
            similar += _compare_keys(use_case, column, pl.concat(new).unique().drop_nulls())
    return similar


def _compare_keys(use_case: UseCase, column: str, new: pl.Series) -> list[SimilarKeys]:
    """Compare new values of a key with all values of it in the raw tables."""
    lake = open_lake(use_case.name)
    tables = [f"raw/{name}" for name, table in use_case.tables.items() if column in table.key]
    held = [lake.scan(name).select(column) for name in tables if lake.exists(name)]
    folded = pl.col(column).str.normalize("NFC").str.strip_chars().str.to_lowercase()
    known = pl.concat([new.to_frame().lazy(), *held]).unique().with_columns(folded=folded)
    wanted = new.to_frame().lazy().select(folded.alias("folded")).unique()
    groups = (
        known.join(wanted, on="folded", how="semi").group_by("folded").agg(pl.col(column).sort())
    )
    alike = groups.filter(pl.col(column).list.len() > 1).sort("folded").collect()
    if alike.is_empty():
        return []
    keys = int(alike[column].list.len().sum())
    return [SimilarKeys(column, keys, tuple(alike[column][0].to_list()))]


def _list_text_keys(use_case: UseCase) -> list[str]:
    """Return the key columns that are text in each table that has them."""
    return sorted(
        {
            column
            for table in use_case.tables.values()
            for column in table.key
            if lake_schema(table)[column] == pl.String
        }
    )
