"""Rows of the samples that the generated test reads."""

from __future__ import annotations

from io import BytesIO

import polars as pl

from tasks.scaffold.plan import ScaffoldPlan, TablePlan

_MAX_ROWS = 200
"""Rows of each table's sample that the test gets."""


def encode_sample_rows(plan: ScaffoldPlan) -> dict[str, bytes]:
    """Return a file for each table, by file name."""
    return {
        f"{name}.{plan.tables[name].sample.suffix}": _encode(rows, plan.tables[name])
        for name, rows in _select_rows(plan).items()
    }


def count_labelled_rows(plan: ScaffoldPlan) -> int:
    """Return how many of the predicted rows have a label among the selected ones."""
    selected, keys = _select_rows(plan), list(plan.subject.keys)
    labelled = selected[plan.label.table].drop_nulls(plan.label.column)
    return selected[plan.subject.name].unique(keys).join(labelled, on=keys, how="semi").height


def _select_rows(plan: ScaffoldPlan) -> dict[str, pl.DataFrame]:
    """Select the first rows of the predicted table, and of each other table the rows they need."""
    predicted = plan.subject.sample.rows.head(_MAX_ROWS)
    selected = {}
    for name, table in plan.tables.items():
        rows, columns = table.sample.rows, list(table.join or plan.subject.keys)
        needed = rows.join(predicted, on=columns, how="semi", maintain_order="left")
        if name == plan.subject.name:
            selected[name] = predicted
        else:
            selected[name] = (rows if needed.is_empty() else needed).head(_MAX_ROWS)
    return selected


def _encode(rows: pl.DataFrame, table: TablePlan) -> bytes:
    buffer = BytesIO()
    if table.sample.suffix == "csv":
        rows.write_csv(buffer, datetime_format="%Y-%m-%dT%H:%M:%S%.fZ")
    else:
        rows.write_parquet(buffer)
    return buffer.getvalue()
