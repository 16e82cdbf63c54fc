"""Summary of an ingest: file and row counts by table, and the run's message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import polars as pl

from tasks.ingestion.landing import FileStatus, FileVerdict


def count_files_by_table(verdicts: Sequence[FileVerdict]) -> pl.DataFrame:
    """Count files (all, refused, duplicates) and rows (all, accepted, quarantined) by table."""
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


def summarise_ingest(verdicts: Sequence[FileVerdict]) -> str:
    """Return the message of the flow run's state."""
    statuses: tuple[FileStatus, ...] = get_args(FileStatus)
    count = {status: sum(v.status == status for v in verdicts) for status in statuses}
    accepted, quarantined = (
        sum(getattr(v, part) for v in verdicts) for part in ("accepted", "quarantined")
    )
    return (
        f"{count['accepted']} files ingested ({accepted} rows, {quarantined} more in quarantine), "
        f"{count['refused']} refused, {count['duplicate']} duplicates{_describe_held(verdicts)}"
    )


def _describe_held(verdicts: Sequence[FileVerdict]) -> str:
    """Return the files that are not taken yet, or are no files of a table, by name."""
    words = {"waiting": "waiting", "ignored": "not taken"}
    held = {status: [v.file.path for v in verdicts if v.status == status] for status in words}
    return "".join(
        f", {len(paths)} {words[status]} ({', '.join(paths[:3])}{'…' if paths[3:] else ''})"
        for status, paths in held.items()
        if paths
    )
