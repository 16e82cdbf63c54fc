"""Summary of an ingest: file and row counts by table, and the run's message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import polars as pl

from tasks.ingestion.landing import FileStatus, FileVerdict
from tasks.ingestion.validated_files import ValidatedFiles
from tasks.ingestion.validation import REASONS_COLUMN
from tasks.reporting.markdown import escape_markdown, render_markdown
from tasks.reporting.table import Cell, build_record_table

_PATHS_SHOWN, _FILES_SHOWN, _EXAMPLES = 3, 20, 5


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


def render_ingest(validated: ValidatedFiles) -> str:
    """Return files and rows by table, the files by name, broken rules and examples, in Markdown."""
    files = [
        {
            "file": v.file.path,
            "status": Cell(v.status, "bad" if v.status == "refused" else "plain"),
            "rows": v.rows,
            "accepted": v.accepted,
            "quarantined": v.quarantined,
            "reason": v.reason,
        }
        for v in validated.verdicts[:_FILES_SHOWN]
    ]
    more = len(validated.verdicts) - _FILES_SHOWN
    parts = [
        "### Landed files",
        _render(count_files_by_table(validated.verdicts).to_dicts()),
        _render(files),
        *([f"and {more} more files"] if more > 0 else []),
    ]
    for table, batches in validated.quarantined.items():
        rows = pl.concat(batches.values(), how="diagonal_relaxed") if batches else pl.DataFrame()
        if rows.height:
            parts += _render_quarantine(table, rows)
    return "\n\n".join(parts) + "\n"


def _render_quarantine(table: str, rows: pl.DataFrame) -> list[str]:
    """Return the rules that rows of a table broke, and examples of the rows."""
    rules = rows.explode(REASONS_COLUMN).group_by(REASONS_COLUMN).len().sort("len", descending=True)
    broken = [{"rule": rule, "rows": count} for rule, count in rules.iter_rows()]
    shown = [name for name in rows.columns if not name.startswith("_")]
    examples = rows.select(shown).head(_EXAMPLES).to_dicts()
    title = f"### Quarantine of {escape_markdown(table)}: {rows.height} rows"
    return [title, _render(broken), "Examples:", _render(examples)]


def _render(records: list[dict[str, Any]]) -> str:
    return render_markdown(build_record_table(records))


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
