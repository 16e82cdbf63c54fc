"""Summary of a scoring run: rows by version and arm, share of each decision, histogram."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from configs.schema.use_case import UseCase
from tasks.evaluation.prediction_columns import to_prediction_array
from tasks.evaluation.problem_types import problem_type_of
from tasks.reporting.formats import format_share
from tasks.reporting.markdown import render_markdown
from tasks.reporting.table import Column, build_table
from tasks.rollout.assignment import CHAMPION
from tasks.rollout.prediction_log import PREDICTIONS
from tasks.scoring.partitions import ScoredPartition, collect_table_chunks

_BINS, _BAR = 10, 30
_SAMPLE = 200_000  # rows of the histogram


def render_scored(
    use_case: UseCase, scored: Sequence[ScoredPartition], seconds: float
) -> tuple[str, str]:
    """Return one line on a scoring run, and its tables in Markdown.

    Args:
        use_case: the use case.
        scored: the scored partitions; the rows of a large run stay on disk.
        seconds: wall time of the run so far.
    """
    chunks = [chunk.scan() for chunk in collect_table_chunks(PREDICTIONS, scored)]
    if not chunks:
        return "no row was due", "no row was due\n"
    rows = pl.concat(chunks, how="diagonal")
    counts = _count_decisions(rows)
    total = int(counts["rows"].sum())
    flagged = ""
    if counts.schema.get("decision") == pl.Boolean:
        share = int(counts.filter("decision")["rows"].sum()) / total
        flagged = f", {format_share(share, 1)} flagged"
    line = f"{total:,} rows in {seconds:.1f} s{flagged}"
    tables = [_render_counts(counts), _draw_histogram(use_case, rows.head(_SAMPLE).collect())]
    return line, "\n\n".join(["### Scored rows", line, *tables]) + "\n"


def _count_decisions(rows: pl.LazyFrame) -> pl.DataFrame:
    """Return the number of rows by version, arm and, unless it is a number, decision."""
    schema = rows.collect_schema()
    arm = pl.col("arm").fill_null(CHAMPION) if "arm" in schema else pl.lit(CHAMPION)
    keys: list[pl.Expr] = [pl.col("model_version"), arm.alias("arm")]
    if "decision" in schema and not schema["decision"].is_float():
        keys.append(pl.col("decision"))
    return rows.group_by(keys).len(name="rows").collect().sort(pl.all())


def _render_counts(counts: pl.DataFrame) -> str:
    total = counts["rows"].sum()
    cells = [(*row, format_share(row[-1] / total, 1)) for row in counts.iter_rows()]
    return render_markdown(build_table([*counts.columns, Column("share", "right")], cells))


def _draw_histogram(use_case: UseCase, rows: pl.DataFrame) -> str:
    """Return how often each range of the predicted value occurs, with bars of text."""
    column = problem_type_of(use_case).value_column
    values = to_prediction_array(rows[column])
    values = values.max(axis=1) if values.ndim > 1 else values
    counts, edges = np.histogram(values[np.isfinite(values)], bins=_BINS)
    highest = max(int(counts.max()), 1)
    cells = [
        (f"{low:.3g} to {high:.3g}", int(count), "█" * round(_BAR * count / highest))
        for low, high, count in zip(edges, edges[1:], counts, strict=False)
    ]
    return render_markdown(build_table([column, Column("rows", "right"), ""], cells))
