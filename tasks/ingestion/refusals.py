"""Refusals of landed files: their reason, and what makes the next ingest read the file again.

A refused file is read again when it changes, when the rules that refused it change (the table in
the YAML, the modules of the suites), or when the time has come that it waits for.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import polars as pl

from configs.schema.use_case import UseCase

RefusalCause = Literal["content", "suite", "time"]
"""What refused a file: it is unreadable, it breaks a rule, or it is too early or too late."""


@dataclass(frozen=True)
class Refusal:
    """Why a file is refused as a whole.

    `rows` is 0 if the file is unreadable. From `retry_from` on the verdict may be another one; None
    if time changes nothing.
    """

    reason: str
    cause: RefusalCause = "content"
    rows: int = 0
    retry_from: datetime | None = None


def digest_rules(use_case: UseCase, table: str) -> str:
    """Return the sha256 of what judges a table's files: its YAML and the modules of the suites."""
    schema = use_case.tables[table].model_dump_json()
    return sha256(f"{schema}\n{_digest_modules(use_case.expectations)}".encode()).hexdigest()


def select_settled(
    use_case: UseCase, records: pl.DataFrame, as_of: datetime | None, *, retry_refused: bool
) -> pl.DataFrame:
    """Return the records of landings that no ingest needs to read again.

    Args:
        use_case: the rules of today.
        records: the records of all files.
        as_of: time of the ingest (default: any time has come).
        retry_refused: read all refused files again.
    """
    taken = records.filter(pl.col("status").is_in(["accepted", "duplicate"]))
    refused = records.filter(status="refused")
    tables = set(refused["table"]) & set(use_case.tables)
    if retry_refused or not tables:
        return taken
    rules = {table: digest_rules(use_case, table) for table in tables}
    same_rules = pl.col("judged_by") == pl.col("table").replace_strict(rules, default=None)
    later = pl.lit(value=False) if as_of is None else pl.col("retry_from") > as_of
    settled = refused.filter(same_rules, pl.col("retry_from").is_null() | later)
    return pl.concat([taken, settled])


@cache
def _digest_modules(module: str) -> str:
    """Return the sha256 of a module's file and of those beside it, which it may import."""
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        return ""
    sources = sorted(Path(spec.origin).parent.glob("*.py"))
    return sha256(b"\0".join(source.read_bytes() for source in sources)).hexdigest()
