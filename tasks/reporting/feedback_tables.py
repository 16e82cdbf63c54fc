"""Tables of feedback: counts by version, and the last flags and comments."""

from __future__ import annotations

import polars as pl

from tasks.reporting.formats import format_moment
from tasks.reporting.table import Table, build_record_table

_EXAMPLES = 5


def tabulate_feedback(feedback: pl.DataFrame) -> Table | None:
    """Return the number of flags, labels and comments by version; None without feedback."""
    if feedback.is_empty():
        return None
    counts = feedback.group_by("model_version").agg(
        pl.col("flag").fill_null(value=False).sum().alias("flags"),
        pl.col("label").count().alias("labels"),
        pl.col("comment").count().alias("comments"),
    )
    return build_record_table(
        [
            {"version": row.pop("model_version") or "unknown", **row}
            for row in counts.sort("model_version", nulls_last=True).to_dicts()
        ]
    )


def list_feedback_examples(feedback: pl.DataFrame) -> Table | None:
    """Return the last flags and comments with their moment and author; None without any."""
    if feedback.is_empty():
        return None
    remarks = feedback.filter(
        pl.col("flag").fill_null(value=False) | pl.col("comment").is_not_null()
    )
    last = remarks.sort("moment", descending=True).head(_EXAMPLES)
    records = [
        {
            "when": format_moment(row["moment"]),
            "version": row["model_version"] or "unknown",
            "flag": "wrong" if row["flag"] else "",
            "comment": (row["comment"] or "")[:200],
            "by": row["by"] or "",
        }
        for row in last.to_dicts()
    ]
    return build_record_table(records) if records else None
