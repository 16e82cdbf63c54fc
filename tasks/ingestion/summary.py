"""Summary of an ingest: file and row counts by table, and the run's message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import polars as pl

from tasks.ingestion.landing import FileStatus, FileVerdict

_PATHS_SHOWN = 3


def count_files_by_table(verdicts: Sequence[FileVerdict]) -> pl.DataFrame:
    """Count files and rows by table.

    Rows are the sum of accepted, quarantined, repeated and refused ones.
    """
    counts = ("rows", "accepted", "quarantined", "repeated")
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
            pl.col("rows").filter(status == "refused").sum().alias("refused_rows"),
        )
    )


def summarise_ingest(verdicts: Sequence[FileVerdict], refused: Sequence[str] = ()) -> str:
    """Return the message of the flow run's state.

    Args:
        verdicts: of the files of this run.
        refused: paths of all landed files that are refused, of earlier runs too.
    """
    statuses: tuple[FileStatus, ...] = get_args(FileStatus)
    count = {status: sum(v.status == status for v in verdicts) for status in statuses}
    accepted, quarantined, repeated = (
        sum(getattr(v, part) for v in verdicts) for part in ("accepted", "quarantined", "repeated")
    )
    copies = f", {repeated} copies" if repeated else ""
    still = f"; refused and not taken yet: {_list_some(refused)}" if refused else ""
    return (
        f"{count['accepted']} files ingested ({accepted} rows, {quarantined} more in quarantine"
        f"{copies}), {count['refused']} refused, {count['duplicate']} duplicates"
        f"{_describe_held(verdicts)}{still}"
    )


def _describe_held(verdicts: Sequence[FileVerdict]) -> str:
    """Return the files that are not taken yet, or are no files of a table, by name."""
    words = {"waiting": "waiting", "ignored": "not taken"}
    held = {status: [v.file.path for v in verdicts if v.status == status] for status in words}
    return "".join(
        f", {len(paths)} {words[status]} ({_list_some(paths)})"
        for status, paths in held.items()
        if paths
    )


def _list_some(paths: Sequence[str]) -> str:
    return f"{', '.join(paths[:_PATHS_SHOWN])}{'…' if paths[_PATHS_SHOWN:] else ''}"
