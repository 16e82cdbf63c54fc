"""Slices of rows by the value or bin of a column."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from configs.schema.training import Slice


def slice_values(frame: pl.DataFrame, of: Slice) -> pl.Series:
    """Each row's slice as text: its value, or its bin like "(9, 14]"; "(missing)" without one."""
    column = frame[of.column]
    text = _bin_names(column, of.bins) if of.bins else column.cast(pl.String)
    return text.fill_null("(missing)").rename("value")


def _bin_names(column: pl.Series, edges: Sequence[float]) -> pl.Series:
    names = [f"({low:g}, {high:g}]" for low, high in pairwise((-np.inf, *edges, np.inf))]
    numbers = column.cast(pl.Float64).fill_nan(None)
    bins = pl.Series(np.searchsorted(edges, numbers.fill_null(0.0).to_numpy()))
    named = bins.replace_strict(list(range(len(names))), names, return_dtype=pl.String)
    return pl.select(pl.when(numbers.is_not_null()).then(named)).to_series()


def iterate_slices(
    frame: pl.DataFrame, slices: Sequence[Slice], min_rows: int
) -> Iterator[tuple[str, str, NDArray[np.bool_]]]:
    """Column, value and rows (a mask) of each slice of at least `min_rows` rows; by column,
    largest first.
    """
    for each in slices:
        values = slice_values(frame, each)
        counts = values.value_counts().sort(["count", "value"], descending=[True, False])
        for value in counts.filter(pl.col("count") >= min_rows)["value"]:
            yield each.column, value, (values == value).to_numpy()


def measure_by_slice(
    frame: pl.DataFrame,
    measured: Callable[[NDArray[np.bool_]], dict[str, float]],
    slices: Sequence[Slice],
    min_rows: int,
) -> list[dict[str, Any]]:
    """What is `measured` of the rows (a mask) of each slice of at least `min_rows` rows, as
    `slices_of` orders them.

    Each entry: slice (the column), value (text), and the metrics.
    """
    return [
        {"slice": column, "value": value, **measured(rows)}
        for column, value, rows in iterate_slices(frame, slices, min_rows)
    ]
