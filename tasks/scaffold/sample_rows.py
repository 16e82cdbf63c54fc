"""Rows of the samples that the generated test reads, written as the samples are."""

from __future__ import annotations

import csv
import gzip
from io import BytesIO, StringIO

import polars as pl
import pyarrow as pa

from tasks.ingestion.parsing.file_schema import is_json_lines
from tasks.scaffold.plan import ScaffoldPlan
from tasks.scaffold.sample import Sample

_MAX_ROWS = 200
"""Rows of each table's sample that the test gets."""
_ROW = "_row"


def encode_sample_rows(plan: ScaffoldPlan) -> dict[str, bytes]:
    """Return a file for each table, by file name."""
    selected = _select_rows(plan)
    return {
        f"{name}.{table.sample.suffix}": _encode(table.sample, selected[name][_ROW])
        for name, table in plan.tables.items()
    }


def count_labelled_rows(plan: ScaffoldPlan) -> int:
    """Return how many of the predicted rows have a label among the selected ones."""
    selected, keys = _select_rows(plan), list(plan.subject.keys)
    labelled = selected[plan.label.table].drop_nulls(plan.label.column)
    predicted = selected[plan.subject.name]
    if plan.forecast is not None:  # no series is predicted before its first row is known
        known = pl.col(plan.subject.known).min()
        since = known.over(plan.forecast.series) if plan.forecast.series else known
        predicted = predicted.filter(pl.col(plan.subject.event) - plan.ahead >= since)
    return predicted.unique(keys).join(labelled, on=keys, how="semi").height


def _select_rows(plan: ScaffoldPlan) -> dict[str, pl.DataFrame]:
    """Select the first rows of the predicted table, and of each other table the rows they need."""
    predicted = plan.subject.sample.rows.with_row_index(_ROW).head(_MAX_ROWS)
    selected = {}
    for name, table in plan.tables.items():
        rows = table.sample.rows.with_row_index(_ROW)
        columns = list(table.join or plan.subject.keys)
        needed = rows.join(predicted, on=columns, how="semi", maintain_order="left")
        if name == plan.subject.name:
            selected[name] = predicted
        else:
            selected[name] = (rows if needed.is_empty() else needed).head(_MAX_ROWS)
    return selected


def _encode(sample: Sample, places: pl.Series) -> bytes:
    """Return the rows at some places as a file of the sample's kind, under its own names."""
    sources = {name: column.source or name for name, column in sample.declared.items()}
    rows, suffix = sample.raw[places].rename(sources), sample.suffix.lower()
    if "parquet" in suffix:
        content = _encode_parquet(rows)
    elif is_json_lines(f".{suffix}"):
        content = rows.write_ndjson().encode()
    else:
        content = _encode_csv(sample, rows)
    if suffix.endswith(".zst"):
        return bytes(pa.compress(content, "zstd", asbytes=True))
    return gzip.compress(content, mtime=0) if suffix.endswith(".gz") else content


def _encode_parquet(rows: pl.DataFrame) -> bytes:
    buffer = BytesIO()
    rows.write_parquet(buffer)
    return buffer.getvalue()


def _encode_csv(sample: Sample, rows: pl.DataFrame) -> bytes:
    buffer, layout = StringIO(newline=""), sample.csv
    writer = csv.writer(
        buffer,
        delimiter=layout.separator or ("\t" if ".tsv" in sample.suffix.lower() else ","),
        escapechar=layout.escape,
        doublequote=layout.escape is None,
        lineterminator="\n",
    )
    writer.writerow(rows.columns)
    writer.writerows(rows.iter_rows())
    return buffer.getvalue().encode(layout.encoding)
