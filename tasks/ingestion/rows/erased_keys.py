"""Keys that were erased: their digests, and rows of them that land again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256

import polars as pl

from tasks.ledger.evidence import RowsChanged, read_evidence
from tasks.ledger.log import Entry

ERASED_COLUMNS_SEPARATOR = ","


def digest_key(key: Mapping[str, str | None]) -> str:
    """Return the sha256 of a key in any order of its columns."""
    return sha256("\0".join(f"{name}={key[name]}" for name in sorted(key)).encode()).hexdigest()


def count_erased_rows(
    entries: Iterable[Entry], accepted: Mapping[str, Mapping[str, pl.DataFrame]]
) -> dict[str, int]:
    """Return the accepted rows whose key was erased before, by table; without tables of none.

    Args:
        entries: the ledger's entries.
        accepted: accepted rows by table and file.
    """
    tombstones: dict[tuple[str, ...], set[str]] = {}
    for entry in entries:
        if entry.what == "rows_erased":
            erased = read_evidence(entry, RowsChanged)
            columns = tuple((erased.rule or "").split(ERASED_COLUMNS_SEPARATOR))
            tombstones.setdefault(columns, set()).add(erased.digest)
    counts = {
        table: sum(
            _count_rows(pl.concat(files.values()), columns, digests)
            for columns, digests in tombstones.items()
        )
        for table, files in accepted.items()
        if files
    }
    return {table: count for table, count in counts.items() if count}


def _count_rows(rows: pl.DataFrame, columns: tuple[str, ...], digests: set[str]) -> int:
    if not set(columns) <= set(rows.columns):
        return 0
    keys = rows.select(pl.col(columns).cast(pl.String)).group_by(columns).len("_rows")
    counts = keys["_rows"]
    erased = [digest_key(key) in digests for key in keys.select(columns).to_dicts()]
    return int(counts.filter(pl.Series(erased, dtype=pl.Boolean)).sum())
