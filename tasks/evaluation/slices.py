"""Slices of rows by the value or bin of a column."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from configs.schema.training import Slice


def slice_values(frame: pl.DataFrame, rule: Slice) -> pl.Series:
    """Return each row's slice as text: its value, its bin like "(9, 14]", or "(missing)"."""
    column = frame[rule.column]
    text = _bin_names(column, rule.bins) if rule.bins else column.cast(pl.String)
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
    """Yield column, value and row mask of each slice of at least `min_rows` rows.

    In the order of `slices`; of one column, the largest slice first.
    """
    for each in slices:
        values = slice_values(frame, each)
        counts = values.value_counts().sort(["count", "value"], descending=[True, False])
        for value in counts.filter(pl.col("count") >= min_rows)["value"]:
            yield each.column, value, (values == value).to_numpy()


def measure_by_slice(
    frame: pl.DataFrame,
    measure: Callable[[NDArray[np.bool_]], dict[str, float]],
    slices: Sequence[Slice],
    min_rows: int,
) -> list[dict[str, Any]]:
    """Measure each slice of at least `min_rows` rows, in the order of `iterate_slices`.

    Each entry has slice (the column), value (text), and the metrics.

    Args:
        measure: returns the metrics of the rows of a mask.
    """
    return [
        {"slice": column, "value": value, **measure(rows)}
        for column, value, rows in iterate_slices(frame, slices, min_rows)
    ]
