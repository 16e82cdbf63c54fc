"""Reading of JSON lines into columns of text: one JSON object a line, one line a row."""

from __future__ import annotations

import json
from collections.abc import Sequence
from io import BytesIO

import polars as pl

from configs.errors import RefusedBatch
from tasks.ingestion.parsing.csv_reader import require_columns, require_text


def read_json_lines(content: bytes, path: str, wanted: Sequence[str] | None = None) -> pl.DataFrame:
    """Read fields of the objects as texts; a list or an object as its JSON. Raise RefusedBatch.

    A field that a line lacks is null, but at least one line must have it. Empty lines are no rows.

    Args:
        content: the file, not compressed.
        path: of the file, for messages.
        wanted: names of the fields; by default all.
    """
    require_text(content, path)
    if not content.strip():
        raise RefusedBatch(f"{path}: the file is empty; land it again")
    try:
        if wanted is None:
            wanted = pl.read_ndjson(BytesIO(content), infer_schema_length=None).columns
        rows = pl.read_ndjson(BytesIO(content), schema=dict.fromkeys(wanted, pl.String))
    except pl.exceptions.ComputeError as error:
        raise RefusedBatch(_explain(content, path)) from error
    empty = [name for name in wanted if rows[name].null_count() == rows.height]
    if empty:  # null in each line, or in none
        lines = [json.loads(line) for line in content.splitlines() if line.strip()]
        present = {name for line in lines for name in line}
        require_columns(path, [*present], empty)
    return rows


def _explain(content: bytes, path: str) -> str:
    """Return which line is no JSON object."""
    for number, line in enumerate(content.splitlines(), 1):
        try:
            value = json.loads(line) if line.strip() else {}
        except ValueError:
            return f"{path}: line {number} is no complete JSON; land the file again"
        if not isinstance(value, dict):
            return (
                f"{path}: line {number} is no JSON object like "
                '{"column": "value"}; land the file with one object a line'
            )
    return f"{path}: not readable as JSON lines; land the file again"
