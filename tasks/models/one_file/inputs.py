"""Inputs of a one-file model: layouts, and rows in the form that each layout takes."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.models.card import ModelCard
from tasks.models.matrix import InputSchema, require_inputs

Layout = Literal["columns", "vectors", "blocks"]
"""The inputs: a tensor (rows, 1) a column; a tensor (rows,) a column, as MLflow passes them; or the
two tensors `numeric` (rows, numbers) and `categorical` (rows, categories).
"""
MLFLOW_LAYOUT: Layout = "vectors"
LAYOUTS: tuple[Layout, ...] = ("columns", "vectors", "blocks")
BLOCKS = ("numeric", "categorical")
MISSING_CATEGORY = "\u2400"
"""What a missing category is, since an ONNX string has no null."""


def to_one_file_inputs(
    frame: pl.DataFrame, card: ModelCard, layout: Layout = "columns"
) -> dict[str, NDArray[Any]]:
    """Return rows as the inputs of a one-file model; other columns are ignored.

    Raises BadModel if a column is missing or a numeric one has text.
    """
    schema = card.inputs
    require_inputs(frame, schema.numeric, schema.categorical)
    numbers = frame.select(pl.col(schema.numeric).cast(pl.Float32).fill_null(np.nan))
    texts = frame.select(pl.col(schema.categorical).cast(pl.String).fill_null(MISSING_CATEGORY))
    if layout == "blocks":
        blocks = zip(BLOCKS, (numbers, texts), strict=True)
        return {name: columns.to_numpy(order="c") for name, columns in blocks if columns.width}
    shape = (-1,) if is_vector(schema, layout) else (-1, 1)
    arrays = {column.name: column.to_numpy() for columns in (numbers, texts) for column in columns}
    return {name: arrays[name].reshape(shape) for name in schema.inputs}


def is_vector(schema: InputSchema, layout: Layout) -> bool:
    """Return whether an input is (rows,); MLflow passes the only column of a frame as a matrix."""
    return layout == "vectors" and len(schema.inputs) > 1
