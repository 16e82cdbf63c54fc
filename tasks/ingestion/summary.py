"""What people see of an ingest: what landed by table, and an alarm for every file refused."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from tasks.ingestion.landing import FileVerdict


def count_by_table(verdicts: Sequence[FileVerdict]) -> pl.DataFrame:
    """By table: files, those refused and those that are duplicates, rows, accepted, quarantined."""
    counts = ("rows", "accepted", "quarantined")
    columns = {name: [getattr(v, name) for v in verdicts] for name in ("status", *counts)}
    status = pl.col("status")
    return (
        pl.DataFrame({"table": [v.file.table for v in verdicts], **columns})
        .group_by("table", maintain_order=True)
        .agg(
            pl.len().alias("files"),
            (status == "refused").sum().alias("refused"),
            (status == "duplicate").sum().alias("duplicates"),
            pl.col(counts).sum(),
        )
    )


def ingest_message(verdicts: Sequence[FileVerdict]) -> str:
    """One line for the run's state."""
    count = {
        status: sum(v.status == status for v in verdicts)
        for status in ("accepted", "refused", "duplicate")
    }
    accepted, quarantined = (
        sum(getattr(v, part) for v in verdicts) for part in ("accepted", "quarantined")
    )
    return (
        f"{count['accepted']} files taken ({accepted} rows, {quarantined} more in quarantine), "
        f"{count['refused']} refused, {count['duplicate']} duplicates"
    )
