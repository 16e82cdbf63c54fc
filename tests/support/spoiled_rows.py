"""Rows of every value that a column may hold, for comparisons of runtimes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import polars as pl

from tasks.models.matrix import InputSchema

T = TypeVar("T")
NUMBERS = (
    None, float("nan"), float("inf"), -float("inf"), 1e300, -1e300, 3.4028235e38, 3.5e38, 1e-45,
    5e-324, -0.0, 0.0, 2.0**53 + 1, 16777217.0, 0.1, 1.0, -1.0, 1e-7,
)  # fmt: skip
TEXTS = (
    None, "", " ", "unseen", "A", "a", "null", "None", "nan", "NaN", "é", "日本", "a" * 500, "a\n",
    "'", '"', "0", "1.0",
)  # fmt: skip


def make_spoiled_rows(schema: InputSchema, rows: int, seed: int = 1) -> pl.DataFrame:
    """Make rows (rows, inputs): usual and odd values side by side in every column."""
    rng = np.random.default_rng(seed)
    numbers = {
        name: pl.Series(_draw_numbers(rng, rows), dtype=pl.Float64) for name in schema.numeric
    }
    texts = {
        name: pl.Series(_draw(rng, (*schema.vocabulary[name], *TEXTS), rows), dtype=pl.String)
        for name in schema.categorical
    }
    return pl.DataFrame(numbers | texts)


def _draw_numbers(rng: np.random.Generator, rows: int) -> list[float | None]:
    usual, odd = rng.normal(size=rows).tolist(), _draw(rng, NUMBERS, rows)
    return [
        b if is_odd else a for a, b, is_odd in zip(usual, odd, rng.random(rows) < 0.3, strict=True)
    ]


def _draw(rng: np.random.Generator, values: Sequence[T], rows: int) -> list[T]:
    return [values[place] for place in rng.integers(0, len(values), rows)]
