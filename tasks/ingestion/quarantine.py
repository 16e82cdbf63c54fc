"""Quarantine: rows of accepted files that break a rule or repeat an earlier row."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from configs.schema.use_case import UseCase
from tasks.ingestion.validation import FILE_COLUMN, REASONS_COLUMN, FileValidator
from tasks.storage.lake import open_lake

TAKEN_BEFORE = "taken_before"
"""Quarantine reason of a row whose key and known time an earlier file has."""


def split_quarantined_rows(
    use_case: UseCase, table: str, validator: FileValidator, files: Mapping[str, pl.DataFrame]
) -> tuple[dict[str, pl.DataFrame], dict[str, pl.DataFrame]]:
    """Return the accepted and the quarantined rows by fingerprint, without files that have none."""
    if not files:
        return {}, {}
    rows = pl.concat(files.values()).with_row_index("position")
    by_rule = validator.find_row_errors(table, rows.drop("position"))
    repeated = pl.DataFrame(_find_repeated_rows(use_case, table, rows), schema=["position"])
    repeated = repeated.with_columns(pl.lit([TAKEN_BEFORE]).alias(REASONS_COLUMN))
    reasons = pl.concat([by_rule, repeated]).explode(REASONS_COLUMN)
    invalid = reasons.group_by("position").agg(pl.col(REASONS_COLUMN).sort())
    bad = rows.join(invalid, on="position", maintain_order="left").drop("position")
    good = rows.join(invalid, on="position", how="anti", maintain_order="left").drop("position")
    return _split_by_file(good), _split_by_file(bad)


def write_quarantine(use_case: UseCase, rows: Mapping[str, Mapping[str, pl.DataFrame]]) -> None:
    """Append quarantined rows, by table and fingerprint; each file's rows are appended once."""
    lake = open_lake(use_case.name)
    for table, batches in rows.items():
        lake.append_once(f"quarantine/{table}", batches)


def _find_repeated_rows(use_case: UseCase, table: str, rows: pl.DataFrame) -> pl.Series:
    """Return the positions of rows whose key and known time an earlier file has.

    Earlier are files of former runs, and files before it in this run. Files whose rows a killed
    run committed come first.
    """
    declared, lake = use_case.tables[table], open_lake(use_case.name)
    known = pl.col(declared.known_time)
    identity = list(dict.fromkeys((*declared.key, declared.known_time)))
    complete = rows.drop_nulls(identity)
    earlier = complete.clear()
    if lake.exists(f"raw/{table}") and not complete.is_empty():
        first, last = complete.select(known.min().alias("first"), known.max().alias("last")).row(0)
        raw = lake.scan(f"raw/{table}").filter(known.is_between(first, last))
        earlier = raw.select(*identity, FILE_COLUMN).collect()
    own = earlier[FILE_COLUMN].is_in(rows[FILE_COLUMN].unique().implode())
    complete = complete.sort(
        ~pl.col(FILE_COLUMN).is_in(earlier[FILE_COLUMN].unique().implode()), maintain_order=True
    )
    is_later = pl.col(FILE_COLUMN) != pl.col(FILE_COLUMN).first().over(identity)
    within_run = complete.filter(is_later)
    by_others = complete.join(earlier.filter(~own), on=identity, how="semi")
    return pl.concat([within_run["position"], by_others["position"]]).unique()


def _split_by_file(rows: pl.DataFrame) -> dict[str, pl.DataFrame]:
    parts = rows.partition_by(FILE_COLUMN, as_dict=True, maintain_order=True)
    return {str(fingerprint): part for (fingerprint,), part in parts.items()}
